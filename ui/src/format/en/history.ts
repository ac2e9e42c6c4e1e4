import { named } from '../safe';

export const history = {
  title: 'History',
  intro: 'What syncing replaced or deleted can be put back.',
  empty: 'Nothing here yet',
  emptyDetail: 'When a file is replaced or deleted from another device, its old version is kept here.',
  noMatch: 'Nothing found',
  noMatchDetail: 'Try fewer letters, or all folders.',
  search: 'Search by name',
  folder: 'Folder',
  allFolders: 'All folders',
  reasons: {
    overwritten: (device: string | null) =>
      `Replaced by ${device === null ? 'another device' : named(device)}`,
    deleted: (device: string | null) => `Deleted by ${device === null ? 'another device' : named(device)}`,
    conflict: () => 'Not chosen in a conflict',
    reverted: () => 'Undone here',
    edited: () => 'Edited here',
    removed: () => 'Deleted here',
  },
  putBack: 'Put back',
  putBackName: (path: string) => `Put back ${named(path)}`,
  putCopy: 'Put back as a copy',
  putCopyName: (path: string) => `Put a copy of ${named(path)} beside it`,
  done: (path: string) => `“${named(path)}” is back.`,
  copySuffix: (moment: string) => ` (from ${moment})`,
};
