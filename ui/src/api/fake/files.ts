// The scripted daemon's files: listings that are computed, so that a million of them cost nothing.
import type {
  BrowseEntry,
  BrowsePage,
  Explanation,
  FileState,
  FolderStatus,
  Problem,
} from '../generated/control';
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
    return {
      name: directory,
      kind: 'directory',
      size: 4_000_000 * (index + 3),
      at_least: false,
      mtime_ms,
      state,
    };
  }
  const seed = index - directories.length;
  const name = (depth === 1 ? HARD_NAMES[seed] : undefined) ?? fileName(seed);
  return {
    name,
    kind: 'file',
    size: 900 + pick(seed, 9_000_000),
    at_least: false,
    mtime_ms,
    state: stateOf(seed),
  };
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

export function explain(path: string, state: FileState, holders: string[], problem?: Problem): Explanation {
  const why: Record<FileState, Pick<Explanation, 'cause' | 'message' | 'hint'>> = {
    'up-to-date': { cause: 'settled', message: 'This device has the newest version', hint: null },
    'only-here': {
      cause: 'device-offline',
      message: 'It was changed here, and no other device of this folder has been online since',
      hint: 'Turn on one of the devices that share this folder.',
    },
    receiving: { cause: 'queued', message: 'It is on its way', hint: null },
    waiting: {
      cause: 'device-offline',
      message: 'Only Work laptop has it, and it is offline',
      hint: 'Turn on Work laptop; it then arrives by itself.',
    },
    conflict: {
      cause: 'conflict',
      message: 'It was changed on two devices at once',
      hint: 'Choose which version to keep.',
    },
    'left-out': {
      cause: 'rule',
      message: 'a rule leaves it out: *.tmp',
      hint: 'change line 3 of .driftlessignore to have it synced',
    },
    problem: {
      cause: 'unreadable',
      message: 'It may not be read',
      hint: 'Give yourself permission to read it, then check again.',
    },
  };
  const rule = state === 'left-out';
  const said = {
    path,
    state,
    ...why[state],
    holders: state === 'up-to-date' || state === 'conflict' ? holders : [],
    rule: rule ? '*.tmp' : null,
    rule_file: rule ? '.driftlessignore' : null,
    rule_line: rule ? 3 : null,
  };
  if (!problem) return said;
  return {
    ...said,
    state: 'problem',
    cause: problem.code,
    message: problem.message,
    hint: problem.hint,
    holders,
  };
}
