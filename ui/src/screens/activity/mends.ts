// What can be done about a problem, by its code.
import type { FolderStatus, Problem } from '../../api/generated/control';
import { sentence } from '../../format/safe';
import { text } from '../../format/text';
import type { Daemon } from '../../state/daemon.svelte';

/** What is wrong and what to do about it, in words. */
export function describeProblem(problem: Problem): { message: string; hint: string } {
  return {
    message: sentence(text.activity.messages[problem.code] ?? problem.message),
    hint: text.activity.hints[problem.code] ?? problem.hint ?? '',
  };
}

/** What can be done about something that is wrong with the whole device: a place to go, or a new identity. */
export type DeviceMend = { label: string; href: string } | { label: string; renew: true };

export function mendsOfDevice(problem: Problem): DeviceMend[] {
  switch (problem.code) {
    case 'identity-in-use':
      return [{ label: say.newIdentity, renew: true }];
    case 'new-identity':
      return [{ label: say.pair, href: '#/pair' }];
    case 'cloned-device':
      return [{ label: say.seeDevices, href: '#/devices' }];
    default:
      return [];
  }
}

/** Something to press; `rules` opens the folder's settings instead of asking for anything. */
export type Mend = { label: string; run: () => Promise<unknown> } | { label: string; rules: true };

const say = text.activity.mends;

/** At least one, the likeliest first. */
export function mendsOf(daemon: Daemon, folder: FolderStatus, problem: Problem): Mend[] {
  const asked = { folder: folder.id };
  const one = { ...asked, paths: [problem.path] };
  switch (problem.code) {
    case 'mass-change':
      return [
        { label: say.confirm, run: () => daemon.call('folder.confirm', asked) },
        { label: text.folders.pauseInstead, run: () => daemon.call('folder.pause', asked) },
      ];
    case 'corrupt':
      return [
        { label: say.restore, run: () => daemon.call('folder.revert', one) },
        { label: say.keep, run: () => daemon.call('folder.keep', one) },
      ];
    case 'ignore-rule':
    case 'special-file':
      return [{ label: say.rules, rules: true }];
    case 'name-twin':
    case 'name-too-long':
    case 'name-not-utf8':
    case 'unreadable':
    case 'not-writable':
    case 'directory-not-empty': {
      const path = problem.path === '' ? folder.path : `${folder.path}/${problem.path}`;
      return [{ label: say.open, run: () => daemon.open({ kind: 'reveal', path }) }];
    }
    default:
      return [{ label: say.rescan, run: () => daemon.call('folder.rescan', asked) }];
  }
}
