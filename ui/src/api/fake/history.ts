// What the scripted daemon answers about its past: displaced versions, undoing a device, where the space goes.
import type {
  EventBody,
  FolderSpace,
  FolderStatus,
  FoundVersion,
  HistorySearch,
  PreviewView,
  UndoPlan,
  UndoStep,
} from '../generated/control';
import type { Part } from './methods';
import { found, pageOf } from './replies';
import { previewOf } from './samples';
import { pick } from './words';
import type { World } from './world';

const MIB = 1024 ** 2;

export function history(world: World, tell: (body: EventBody) => void): Part<'history' | 'content' | 'undo'> {
  const versionOf = (word: string) => found(world.history, ({ version }) => version === word, word);
  return {
    'history.list': () => ({ entries: [], next: null }),
    'history.restore': ({ folder, path, to }) => {
      const restored = to ?? path;
      tell({
        type: 'item-synced',
        folder,
        path: restored,
        action: 'changed',
        device: world.status.device.id,
      });
      return { path: restored };
    },
    'history.search': (asked) => {
      const list = world.history.filter((one) => isAskedFor(one, asked));
      return { ...pageOf(list, asked.after, asked.limit ?? 200), cut_short: false };
    },
    'history.space': ({ folder }) =>
      world.status.folders
        .filter(({ id }) => folder === undefined || id === folder)
        .map((one, at) => spaceOf(world, one, at)),
    'content.preview': (asked): PreviewView => {
      switch (asked.of) {
        case 'history':
          return previewOf(asked.path, Number(versionOf(asked.version).version.slice(1)) % 2);
        case 'conflict': {
          const one = found(world.conflicts, ({ id }) => id === asked.id, asked.id);
          return previewOf(one.path, one.heads.findIndex(({ version }) => version === asked.version) + 1);
        }
        case 'current':
          return previewOf(asked.path, 2);
      }
    },
    'undo.preview': ({ device, since_ms, folder }) => planOf(world, device, since_ms, folder),
    'undo.apply': ({ device, since_ms, folder }) => {
      const { restores, removes, leaves, steps } = planOf(world, device, since_ms, folder);
      const left = steps.filter(({ action }) => action.does === 'leave');
      return { restored: restores, removed: removes, leaves, left, began_ms: Date.now() };
    },
  };
}

function isAskedFor(one: FoundVersion, asked: HistorySearch): boolean {
  const { folder, device, path, text, since_ms, until_ms } = asked;
  return (
    (folder === undefined || one.folder === folder) &&
    (device === undefined || one.device === device) &&
    (path === undefined || one.path === path || one.path.startsWith(`${path}/`)) &&
    (text === undefined || one.path.toLowerCase().includes(text.toLowerCase())) &&
    (since_ms === undefined || one.displaced_at_ms >= since_ms) &&
    (until_ms === undefined || one.displaced_at_ms < until_ms)
  );
}

function planOf(world: World, device: string, sinceMs: number, folder: string | undefined): UndoPlan {
  const name = [world.status.device, ...world.status.devices].find(({ id }) => id === device)?.name ?? device;
  const paths = new Map<string, FoundVersion>();
  for (const one of world.history) {
    if (one.device !== device || one.displaced_at_ms < sinceMs) continue;
    if (folder === undefined || one.folder === folder) paths.set(`${one.folder}/${one.path}`, one);
  }
  const steps = [...paths.values()].map((one, at): UndoStep => {
    const { folder, folder_label, path, size, displaced_at_ms } = one;
    const step = { folder, folder_label, path };
    if (at % 5 === 3) return { ...step, action: { does: 'remove', size } };
    if (at % 7 === 5) return { ...step, action: { does: 'leave', why: 'it was changed here since then' } };
    return { ...step, action: { does: 'restore', size, displaced_at_ms } };
  });
  const number = (does: UndoStep['action']['does']) =>
    steps.filter(({ action }) => action.does === does).length;
  const bytes = steps.reduce((sum, { action }) => sum + (action.does === 'restore' ? action.size : 0), 0);
  return {
    device_name: name,
    restores: number('restore'),
    removes: number('remove'),
    leaves: number('leave'),
    bytes,
    steps: steps.slice(0, 1000),
  };
}

function spaceOf(world: World, one: FolderStatus, at: number): FolderSpace {
  const kept = world.history.filter(({ folder }) => folder === one.id);
  const bytes = kept.reduce((sum, { size }) => sum + size, 0) + (at % 3 === 1 ? 0 : pick(at, 900) * MIB);
  const part = (name: string, share: number) => ({
    name,
    files: Math.round(kept.length * share),
    bytes: Math.round(bytes * share),
  });
  return {
    folder: one.id,
    folder_label: one.label,
    files_bytes: one.bytes,
    history_files: kept.length,
    history_bytes: bytes,
    oldest_ms: kept.at(-1)?.displaced_at_ms ?? null,
    conflicts_bytes: one.conflicts * 60_000,
    staging_bytes: one.need_files > 0 ? 14 * MIB : 0,
    texts_bytes: pick(at, 4) * MIB,
    database_bytes: one.files * 420,
    retention: world.retention.get(one.id) ?? world.settings.history,
    inherits: !world.retention.has(one.id),
    largest: kept.slice(0, 3).map(({ path, size }) => ({ name: path, files: 1, bytes: size })),
    by_age: [part('day', 0.1), part('week', 0.3), part('month', 0.6), part('older', 0)],
  };
}
