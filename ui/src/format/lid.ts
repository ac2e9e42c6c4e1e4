// What keeps the lid open: the folders that the question is about, and what each of them still lacks.
//
// Whether it is safe is decided by the daemon (`wait`); these are the words for why it is not yet.
import type { FolderStatus, Status } from '../api/generated/control';
import { safety } from './folder';
import { safe, sentence } from './safe';
import { text } from './text';

/** Folders that can be on another device in full, and those that cannot: nobody has them, or they are paused. */
export function lidFolders(status: Status): { asked: FolderStatus[]; apart: FolderStatus[] } {
  const canBe = (folder: FolderStatus) => folder.devices.length > 0 && folder.state !== 'paused';
  return {
    asked: status.folders.filter(canBe),
    apart: status.folders.filter((folder) => !canBe(folder)),
  };
}

/** What a folder still lacks, in words; null when nothing of it is known to. */
export function lidLacks(folder: FolderStatus): { label: string; words: string } | null {
  const lacks = (words: string) => ({ label: safe(folder.label), words });
  if (folder.state === 'stopped') return lacks(sentence(folder.reason ?? text.folders.states.stopped));
  if (folder.held_back) return lacks(text.folders.waits);
  if (folder.only_here_files > 0) return lacks(safety(folder).words);
  if (folder.need_files > 0) return lacks(text.folders.toGo(folder.need_files, folder.need_bytes));
  return folder.state === 'scanning' ? lacks(text.folders.states.scanning) : null;
}
