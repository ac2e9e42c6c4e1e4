// The scripted daemon's files: listings that are computed, so that a million of them cost nothing.
import type { BrowseEntry, BrowsePage, Explanation, FileState } from '../wanted';
import type { FolderStatus, Problem } from '../generated/control';
import { fileName, HARD_NAMES, pick } from './words';
import type { World } from './world';

const DIRECTORIES = ['Archive', 'Letters', 'Pictures', 'Shared'];
const DAY_MS = 86_400_000;

export function browse(
  world: World,
  folder: FolderStatus,
  path: string,
  offset: number,
  limit: number,
): BrowsePage {
  const depth = path === '' ? 0 : path.split('/').length;
  const directories = depth > 3 ? [] : DIRECTORIES;
  const files = depth === 0 ? world.flatFiles : 12 + pick(path.length, 60);
  const total = directories.length + files;
  const entries = Array.from({ length: Math.max(0, Math.min(limit, total - offset)) }, (_, at) =>
    marked(folder, path, entryAt(directories, offset + at, depth)),
  );
  return { entries, total };
}

/** A problem that the folder tells of is one in the tree, too. */
function marked(folder: FolderStatus, parent: string, entry: BrowseEntry): BrowseEntry {
  const path = parent === '' ? entry.name : `${parent}/${entry.name}`;
  return folder.problems.some((one) => one.path === path) ? { ...entry, state: 'problem' } : entry;
}

function entryAt(directories: readonly string[], index: number, depth: number): BrowseEntry {
  const directory = directories[index];
  const mtime_ms = Date.now() - pick(index, 400) * DAY_MS;
  if (directory !== undefined) {
    const state: FileState = index === 2 && depth === 0 ? 'receiving' : 'up-to-date';
    return { name: directory, kind: 'directory', size: 4_000_000 * (index + 3), mtime_ms, state };
  }
  const seed = index - directories.length;
  const name = (depth === 1 ? HARD_NAMES[seed] : undefined) ?? fileName(seed);
  return { name, kind: 'file', size: 900 + pick(seed, 9_000_000), mtime_ms, state: stateOf(seed) };
}

/** Every state, early on and again and again. */
function stateOf(seed: number): FileState {
  const states: Record<number, FileState> = {
    2: 'receiving',
    3: 'waiting',
    5: 'only-here',
    6: 'left-out',
    8: 'conflict',
    11: 'problem',
  };
  return states[seed % 40] ?? 'up-to-date';
}

export function explain(state: FileState, holders: string[], problem?: Problem): Explanation {
  const why: Record<FileState, Omit<Explanation, 'state' | 'holders'>> = {
    'up-to-date': { cause: 'settled', message: 'This device has the newest version', hint: null, rule: null },
    'only-here': {
      cause: 'device-offline',
      message: 'It was changed here, and no other device of this folder has been online since',
      hint: 'Turn on one of the devices that share this folder.',
      rule: null,
    },
    receiving: { cause: 'queued', message: 'It is on its way', hint: null, rule: null },
    waiting: {
      cause: 'device-offline',
      message: 'Only Work laptop has it, and it is offline',
      hint: 'Turn on Work laptop; it then arrives by itself.',
      rule: null,
    },
    conflict: {
      cause: 'conflict',
      message: 'It was changed on two devices at once',
      hint: 'Choose which version to keep.',
      rule: null,
    },
    'left-out': {
      cause: 'rule',
      message: 'A rule of this folder leaves it out, so it stays on this device',
      hint: null,
      rule: '*.tmp',
    },
    problem: {
      cause: 'unreadable',
      message: 'It may not be read',
      hint: 'Give yourself permission to read it, then check again.',
      rule: null,
    },
  };
  if (problem) {
    return { state: 'problem', cause: problem.code, ...problem, holders, rule: null };
  }
  return { state, holders: state === 'up-to-date' || state === 'conflict' ? holders : [], ...why[state] };
}
