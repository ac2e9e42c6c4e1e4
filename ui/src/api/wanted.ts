// What the screens need and the control API does not offer yet, in the style of its method table.
//
// Once the daemon has a method, its types come from `generated/` and its lines here go. Times are `_ms` since the
// Unix epoch, durations `_s`, sizes bytes, as everywhere in the API. Methods that begin with `app.` are answered
// by the desktop app and never reach the daemon.
import type { Done } from './generated/control';

/** Settings of the desktop app itself. */
export type AppSettings = {
  start_at_login: boolean;
  theme: 'system' | 'light' | 'dark';
  notify: { conflicts: boolean; problems: boolean; requests: boolean; finished: boolean };
};
export type AppInfo = { version: string; home: string; data_dir: string };

export interface WantedMethods {
  'app.settings': { params: Record<string, never>; reply: AppSettings };
  'app.configure': { params: Partial<AppSettings>; reply: AppSettings };
  'app.info': { params: Record<string, never>; reply: AppInfo };
  'app.export-logs': { params: { path: string }; reply: Done };
  /** Tells by a notification, once, when everything of this device is on another one. */
  'app.tell-when-safe': { params: Record<string, never>; reply: Done };
  'app.restart-daemon': { params: Record<string, never>; reply: Done };
}
