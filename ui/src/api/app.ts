// What the desktop app answers itself, in the style of the control API's method table: nothing here reaches the daemon.
//
// The other end is `src-tauri/src/own.rs` and `settings.rs`.
import type { Done } from './generated/control';

/** Settings of the desktop app itself. */
export type AppSettings = {
  start_at_login: boolean;
  theme: 'system' | 'light' | 'dark';
  notify: { conflicts: boolean; problems: boolean; requests: boolean; finished: boolean };
};
export type AppInfo = { version: string; home: string; data_dir: string };

export interface AppMethods {
  'app.settings': { params: Record<string, never>; reply: AppSettings };
  'app.configure': { params: Partial<AppSettings>; reply: AppSettings };
  'app.info': { params: Record<string, never>; reply: AppInfo };
  'app.export-logs': { params: { path: string }; reply: Done };
  /** Tells by a notification, once, when everything of this device is on another one. */
  'app.tell-when-safe': { params: Record<string, never>; reply: Done };
  'app.restart-daemon': { params: Record<string, never>; reply: Done };
}
