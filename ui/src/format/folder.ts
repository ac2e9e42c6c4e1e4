// How a folder's state reads.
import type { FileState, FolderState, FolderStatus } from '../api/generated/control';
import type { Meaning } from './meaning';
import { estimate, percent, rate } from './number';
import { sentence } from './safe';
import { text } from './text';

const say = text.folders;

export type FolderLine = {
  /** What it does now. */
  doing: Meaning;
  /** What it does, or what it needs of a person where it needs something. */
  meaning: Meaning;
  /** The state in a word or two. */
  word: string;
  /** What there is to say about it, in order of weight. */
  facts: string[];
  /** How much is here of what should be, while that is below all of it. */
  percent: number | null;
};

/** What a folder is doing, and what of it is worth saying. */
export function folderLine(folder: FolderStatus): FolderLine {
  const busy = folder.need_files > 0 || folder.need_bytes > 0;
  const done = percent(folder.bytes, folder.need_bytes);
  const facts: string[] = [];
  if (folder.state === 'stopped' && folder.reason !== null) facts.push(sentence(folder.reason));
  if (busy) {
    facts.push(say.toGo(folder.need_files, folder.need_bytes));
    if (folder.rate_bytes_per_s > 0) facts.push(rate(folder.rate_bytes_per_s));
    if (folder.eta_s !== null) facts.push(estimate(folder.eta_s));
  } else {
    facts.push(say.holds(folder.files, folder.bytes));
  }
  const word = folder.state === 'syncing' ? `${say.states.syncing} ${done}%` : say.states[folder.state];
  const doing = meaningOfState(folder.state);
  return {
    doing,
    meaning: meaningOf(folder),
    word,
    facts,
    percent: busy && folder.state === 'syncing' ? done : null,
  };
}

/** What the folder needs of a person weighs more than what it does. */
function meaningOf(folder: FolderStatus): Meaning {
  if (folder.state === 'stopped') return 'broken';
  if (folder.held_back !== null || folder.conflicts > 0 || folder.problem_count > 0) return 'needs-you';
  return meaningOfState(folder.state);
}

function meaningOfState(state: FolderState): Meaning {
  switch (state) {
    case 'scanning':
    case 'syncing':
      return 'working';
    case 'up-to-date':
      return 'fine';
    case 'paused':
      return 'rest';
    case 'stopped':
      return 'broken';
  }
}

/** How safe a folder is, in a few words. */
export function safety(folder: FolderStatus): { safe: boolean; words: string } {
  if (folder.devices.length === 0) return { safe: false, words: say.notShared };
  if (folder.local_changes > 0) return { safe: false, words: say.localChanges(folder.local_changes) };
  if (folder.only_here_files > 0) return { safe: false, words: say.onlyHere(folder.only_here_files) };
  return { safe: folder.copies > 1, words: say.onDevices(Math.max(1, folder.copies)) };
}

/** How a file's state is meant. */
export function meaningOfFile(state: FileState): Meaning {
  switch (state) {
    case 'up-to-date':
      return 'fine';
    case 'only-here':
    case 'left-out':
    case 'waiting':
      return 'rest';
    case 'receiving':
      return 'working';
    case 'conflict':
      return 'needs-you';
    case 'problem':
      return 'broken';
  }
}
