// What the screens need and the control API does not offer yet, in the style of its method table.
//
// Once the daemon has a method, its types come from `generated/` and its lines here go. Times are `_ms` since the
// Unix epoch, durations `_s`, sizes bytes, as everywhere in the API. Methods that begin with `app.` are answered
// by the desktop app and never reach the daemon.
import type { Done, EntryKind, FolderAdd, FolderMode, FolderView } from './generated/control';

/** How one path of a folder stands on this device. */
export type FileState =
  /** Here, and on every connected device of the folder. */
  | 'up-to-date'
  /** Here, and on no other device yet. */
  | 'only-here'
  /** Being fetched or applied just now. */
  | 'receiving'
  /** Known, and not here yet. */
  | 'waiting'
  | 'conflict'
  /** Kept out of syncing by a rule. */
  | 'left-out'
  /** Something is wrong with it. */
  | 'problem';

/** Lists one directory, directories first, then by name. */
export type FolderBrowse = {
  folder: string;
  /** The directory below the folder's root; the root when empty. */
  path: string;
  /** How many entries to pass over. */
  offset: number;
  /** At most so many; 1000 is the most. */
  limit: number;
};

export type BrowsePage = {
  entries: BrowseEntry[];
  /** How many entries the directory has. */
  total: number;
};

export type BrowseEntry = {
  name: string;
  kind: EntryKind;
  /** Of a directory, all below it. */
  size: number;
  mtime_ms: number;
  /** Of a directory, the most pressing of all below it. */
  state: FileState;
};

/** Says why a path is as it is: "why isn't this here?" */
export type FolderExplain = { folder: string; path: string };

export type Explanation = {
  state: FileState;
  /** A stable kebab-case word for the cause: a `Problem` code, or `device-offline`, `paused`, `queued`, `rule`, `conflict`, `settled`. */
  cause: string;
  /** What is the case, as one sentence without a period. */
  message: string;
  /** What to do about it, where something can be done. */
  hint: string | null;
  /** Devices that durably hold the shown version. */
  holders: string[];
  /** The rule that leaves it out, as written, where one does. */
  rule: string | null;
};

/** Names for sets of rules that most people want. Replies with `IgnorePreset`s. */
export type FolderPresets = Record<string, never>;
export type IgnorePreset = { id: string; label: string; patterns: string[]; suggested: boolean };

/** Counts what adding a directory would sync. Changes nothing. */
export type FolderPreview = { path: string; presets: string[]; patterns: string[] };

export type PreviewResult = {
  /** Whether the directory exists; it will be made otherwise. */
  exists: boolean;
  files: number;
  bytes: number;
  left_out_files: number;
  left_out_bytes: number;
  /** Whether counting stopped at its bound of time, so that there is more. */
  at_least: boolean;
  warnings: PreviewWarning[];
};

export type PreviewWarning =
  | { type: 'home-directory' }
  | { type: 'system-directory' }
  | { type: 'inside-folder'; label: string }
  | { type: 'around-folder'; label: string }
  | { type: 'little-space'; device_name: string; free_bytes: number }
  | { type: 'not-writable' };

/** The rules of a folder. */
export type FolderRules = { folder: string };
export type Rules = { presets: string[]; patterns: string[] };

/** Changes a folder; absent fields stay as they are. Replies with the `FolderView`. */
export type FolderSet = { folder: string; label?: string; mode?: FolderMode; rules?: Rules };

/** What to leave out from the beginning, so that nothing is sent that should not be. */
export type FolderAddWithRules = FolderAdd & { rules?: Rules };

/** Settings of the desktop app itself. */
export type AppSettings = {
  start_at_login: boolean;
  theme: 'system' | 'light' | 'dark';
  notify: { conflicts: boolean; problems: boolean; requests: boolean; finished: boolean };
};
export type AppInfo = { version: string; home: string; data_dir: string };

export interface WantedMethods {
  'folder.browse': { params: FolderBrowse; reply: BrowsePage };
  'folder.explain': { params: FolderExplain; reply: Explanation };
  'folder.presets': { params: FolderPresets; reply: IgnorePreset[] };
  'folder.preview': { params: FolderPreview; reply: PreviewResult };
  'folder.rules': { params: FolderRules; reply: Rules };
  'folder.set': { params: FolderSet; reply: FolderView };
  'folder.add': { params: FolderAddWithRules; reply: FolderView };
  'app.settings': { params: Record<string, never>; reply: AppSettings };
  'app.configure': { params: Partial<AppSettings>; reply: AppSettings };
  'app.info': { params: Record<string, never>; reply: AppInfo };
  'app.export-logs': { params: { path: string }; reply: Done };
  /** Tells by a notification, once, when everything of this device is on another one. */
  'app.tell-when-safe': { params: Record<string, never>; reply: Done };
  'app.restart-daemon': { params: Record<string, never>; reply: Done };
}
