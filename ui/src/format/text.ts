// Every string that a person sees, by screen. Another language is another directory beside `en/`.
import { activity } from './en/activity';
import { conflicts } from './en/conflicts';
import { devices } from './en/devices';
import { files } from './en/files';
import { folders } from './en/folders';
import { history } from './en/history';
import { onboarding } from './en/onboarding';
import { pairing } from './en/pairing';
import { settings } from './en/settings';
import { headline, shell } from './en/shell';

export const text = {
  activity,
  conflicts,
  devices,
  files,
  folders,
  headline,
  history,
  onboarding,
  pairing,
  settings,
  shell,
};
