// Every string that a person sees, by screen. Another language is another directory beside `en/`.
import { activity } from './en/activity';
import { conflicts } from './en/conflicts';
import { content } from './en/content';
import { devices } from './en/devices';
import { diff } from './en/diff';
import { files } from './en/files';
import { folders } from './en/folders';
import { history } from './en/history';
import { onboarding } from './en/onboarding';
import { pairing } from './en/pairing';
import { policies } from './en/policies';
import { settings } from './en/settings';
import { headline, shell } from './en/shell';

export const text = {
  activity,
  conflicts,
  content,
  devices,
  diff,
  files,
  folders,
  headline,
  history,
  onboarding,
  pairing,
  policies,
  settings,
  shell,
};
