// The directions of a folder as choices.
import type { FolderMode } from '../../api/generated/control';
import { text } from '../../format/text';

const MODES: FolderMode[] = ['send-receive', 'send-only', 'receive-only'];

export const modeOptions = MODES.map((mode) => ({
  value: mode,
  label: text.folders.modes[mode],
  detail: text.folders.modeDetails[mode],
}));
