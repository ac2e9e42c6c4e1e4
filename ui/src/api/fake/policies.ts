// What the scripted daemon answers about policies: what they would settle, and nothing that they do.
import type {
  Conflict,
  EventBody,
  FolderPolicies,
  PolicyOutcome,
  PolicyRule,
  PolicyVerdict,
} from '../generated/control';
import type { Part } from './methods';
import { found } from './replies';
import type { World } from './world';

export function policies(world: World, tell: (body: EventBody) => void): Part<'policy'> {
  const of = (word: string): FolderPolicies => {
    const { id, label } = found(world.status.folders, (one) => one.id === word || one.label === word, word);
    return {
      folder: id,
      folder_label: label,
      ...(world.policies.get(id) ?? { rules: [], otherwise: 'ask' }),
    };
  };
  return {
    'policy.list': ({ folder }) =>
      world.status.folders.filter(({ id }) => folder === undefined || id === folder).map(({ id }) => of(id)),
    'policy.set': ({ folder, rules, otherwise }) => {
      const before = of(folder);
      const after = { rules: rules ?? before.rules, otherwise: otherwise ?? before.otherwise };
      world.policies.set(before.folder, after);
      tell({ type: 'config-changed' });
      return { ...before, ...after };
    },
    'policy.simulate': ({ folder, rules, otherwise }) =>
      world.conflicts
        .filter((one) => folder === undefined || one.folder === folder)
        .map((one): PolicyOutcome => {
          const own = of(one.folder);
          const policy = policyFor(one.path, rules ?? own.rules, otherwise ?? own.otherwise);
          const { id, folder_label, path } = one;
          return { id, folder: one.folder, folder_label, path, policy, verdict: verdictOf(one, policy) };
        }),
  };
}

function policyFor(path: string, rules: readonly PolicyRule[], otherwise: string): string {
  const fits = ({ pattern }: PolicyRule) => path.endsWith(pattern.replace(/^\*/, ''));
  return rules.find(fits)?.policy ?? otherwise;
}

function verdictOf(one: Conflict, policy: string): PolicyVerdict {
  const newest = one.heads.reduce((a, b) => (a.mtime_ms >= b.mtime_ms ? a : b));
  const [word = '', rest = ''] = policy.split(/:(.*)/s);
  switch (word) {
    case 'newest':
      return { does: 'keep', version: newest.version, device_name: newest.device_name };
    case 'device': {
      const head = one.heads.find(({ device, device_name }) => rest === device || rest === device_name);
      if (!head) return { does: 'ask', why: 'that device made none of the versions' };
      return { does: 'keep', version: head.version, device_name: head.device_name };
    }
    case 'merge':
      return one.path.includes('Old')
        ? { does: 'merge', size: 4120 }
        : { does: 'ask', why: 'both changed the same lines' };
    case 'command':
      return { does: 'run', command: rest.trim().split(' ') };
    default:
      return { does: 'ask', why: 'no policy settles it' };
  }
}
