// The one sentence about the state of things; the command line decides it in the same order.
import type { FolderStatus, Status } from '../api/generated/control';
import type { Meaning } from './meaning';
import { text } from './text';

export type Headline = { meaning: Meaning; sentence: string; online: string };

const say = text.headline;

/**
 * What needs a person comes first, then what is being done, then rest. It says that everything is up to date only
 * when every folder that is not paused says so itself.
 */
export function headline(status: Status): Headline {
  const connected = status.devices.filter((device) => device.connected).length;
  const online = say.online(connected, status.devices.length);
  return { ...summary(status), online };
}

function summary(status: Status): Omit<Headline, 'online'> {
  const { folders } = status;
  const stopped = folders.filter((folder) => folder.state === 'stopped');
  const heldBack = folders.find((folder) => folder.held_back !== null);
  const conflicts = sum(folders, (folder) => folder.conflicts);
  const need = sum(folders, (folder) => folder.need_files);
  const ofTheWhole = status.problems?.length ?? 0;
  const problems =
    ofTheWhole + sum(folders, (folder) => Math.max(folder.problem_count, folder.problems.length));
  const paused = folders.filter((folder) => folder.state === 'paused').length;
  const [first] = stopped;
  if (first) {
    return {
      meaning: 'broken',
      sentence: stopped.length === 1 ? say.stopped(first.label) : say.severalStopped,
    };
  }
  if (heldBack) return { meaning: 'needs-you', sentence: say.heldBack(heldBack.label) };
  if (ofTheWhole > 0) return { meaning: 'needs-you', sentence: say.problems(problems) };
  if (conflicts > 0) return { meaning: 'needs-you', sentence: say.conflicts(conflicts) };
  if (need > 0 || folders.some((folder) => folder.state === 'syncing')) {
    return { meaning: 'working', sentence: say.receiving(need, longest(folders)) };
  }
  if (problems > 0) return { meaning: 'needs-you', sentence: say.problems(problems) };
  if (status.offers > 0) return { meaning: 'needs-you', sentence: say.offers(status.offers) };
  if (folders.some((folder) => folder.state === 'scanning'))
    return { meaning: 'working', sentence: say.scanning };
  if (folders.length === 0) return { meaning: 'fine', sentence: say.noFolders };
  if (paused === folders.length) return { meaning: 'rest', sentence: say.allPaused };
  const sending = mostNeeded(status);
  if (sending > 0) return { meaning: 'working', sentence: say.sending(sending) };
  if (paused > 0) return { meaning: 'fine', sentence: say.restUpToDate(paused) };
  return { meaning: 'fine', sentence: say.upToDate };
}

function sum(folders: readonly FolderStatus[], of: (folder: FolderStatus) => number): number {
  return folders.reduce((total, folder) => total + of(folder), 0);
}

/** Known only when it is known of every folder that needs something. */
function longest(folders: readonly FolderStatus[]): number | null {
  let longest: number | null = null;
  for (const { need_files, need_bytes, eta_s } of folders) {
    if (need_files === 0 && need_bytes === 0) continue;
    if (eta_s === null) return null;
    longest = Math.max(longest ?? 0, eta_s);
  }
  return longest;
}

/** The most files that any one connected device still needs from here. */
function mostNeeded(status: Status): number {
  const needs = status.devices
    .filter((device) => device.connected)
    .map((device) => device.folders.reduce((total, folder) => total + folder.need_files, 0));
  return Math.max(0, ...needs);
}
