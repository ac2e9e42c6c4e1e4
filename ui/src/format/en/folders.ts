import { count, plural, size } from '../number';
import { named } from '../safe';

export const folders = {
  title: 'Folders',
  add: 'Add folder',
  addNamed: (name: string) => `Add “${named(name)}”`,
  unknown: 'No such folder',
  unknownTitle: 'This folder is not here',
  unknownDetail: 'It may have been removed from this device.',
  empty: 'No folders yet',
  emptyDetail: 'Add a folder, and driftless keeps it the same on every device that you share it with.',
  drop: 'Drop to add this folder',
  dropHint: 'You can also drop a folder anywhere on this window.',
  states: {
    'up-to-date': 'Up to date',
    scanning: 'Looking for changes',
    syncing: 'Receiving',
    paused: 'Paused',
    stopped: 'Stopped',
  },
  waits: 'Waits for your yes',
  conflict: (number: number) => plural(number, 'conflict'),
  problem: (number: number) => plural(number, 'problem'),
  toGo: (files: number, bytes: number) => `${plural(files, 'file')} to go, ${size(bytes)}`,
  holds: (files: number, bytes: number) => `${plural(files, 'file')}, ${size(bytes)}`,
  onlyHere: (files: number) => `${plural(files, 'file is', 'files are')} only here yet`,
  onDevices: (copies: number) => `On ${plural(copies, 'device')}`,
  notShared: 'Only on this device',
  localChanges: (number: number) => `${plural(number, 'change')} kept here`,
  sharedWith: (names: string[]) => `With ${names.map(named).join(', ')}`,
  modes: { 'send-receive': 'Both ways', 'send-only': 'Sends only', 'receive-only': 'Receives only' },
  modeDetails: {
    'send-receive': 'Changes made anywhere arrive everywhere.',
    'send-only': 'Changes made here go out; none come in.',
    'receive-only': 'Changes come in; what you change here stays here.',
  },
  open: 'Open in file manager',
  pause: 'Pause',
  resume: 'Resume',
  share: 'Share…',
  settings: 'Folder settings…',
  settingsTitle: (label: string) => `Settings of “${named(label)}”`,
  rescan: 'Look for changes now',
  scrub: 'Check files for damage',
  scrubbing: (label: string) =>
    `Every file of “${named(label)}” is read again. You will see what comes of it.`,
  scrubbed: (label: string, files: number, bytes: number) =>
    `“${named(label)}”: ${plural(files, 'file')} read, ${size(bytes)}. All are as they were saved.`,
  scrubFound: (label: string, number: number) =>
    `“${named(label)}”: ${plural(number, 'file')} changed although nobody saved ${number === 1 ? 'it' : 'them'}.`,
  scrubShow: 'Choose',
  remove: 'Remove…',
  removeTitle: (label: string) => `Remove “${named(label)}”?`,
  removeDetail:
    'It stops syncing on this device. All files stay where they are, here and on your other devices.',
  removeHistory: 'Delete its history here, too',
  removeConfirm: 'Remove folder',
  removed: (label: string) => `“${named(label)}” no longer syncs here. Its files are still there.`,
  offer: (device: string, label: string) => `${named(device)} offers “${named(label)}”`,
  offerHolds: (files: number | null, bytes: number | null) =>
    files === null || bytes === null
      ? 'Its size is not known yet.'
      : `${plural(files, 'file')}, ${size(bytes)}`,
  accept: 'Accept…',
  decline: 'Decline',
  acceptTitle: (label: string) => `Where should “${named(label)}” go?`,
  accepted: (label: string) => `“${named(label)}” is on its way.`,
  heldBack: (deletions: number, rewrites: number, device: string | null) => {
    const from = device === null ? 'elsewhere' : named(device);
    const parts = [
      deletions > 0 ? `delete ${plural(deletions, 'file')}` : '',
      rewrites > 0 ? `rewrite ${plural(rewrites, 'file')}` : '',
    ].filter((part) => part !== '');
    return `A change from ${from} would ${parts.join(' and ')} here`;
  },
  heldBackDetail:
    'That is unusually many, so it waits for your yes. Replaced and deleted files stay in the history.',
  letThrough: 'Let it happen',
  pauseInstead: 'Pause the folder',
  override: 'Send what is here to everyone',
  revertLocal: 'Undo what was changed here…',
  revertTitle: (number: number) => `Undo ${plural(number, 'change')} made here?`,
  revertDetail: 'The folder becomes what the other devices have. Your changed files move to the history.',
  revertConfirm: 'Undo changes',
  name: 'Name',
  direction: 'Direction',
  shareTitle: (label: string) => `Who has “${named(label)}”?`,
  shareNobody: 'Pair a device first; then you can share folders with it.',
  where: 'Where',
  whereHint: 'A folder on this device; it is made if it does not exist.',
  choose: 'Choose…',
  chooseTitle: 'Choose a folder to sync',
  withWhom: 'With whom',
  leaveOut: 'What to leave out',
  leaveOutHint: 'These never leave this device.',
  /** Of a set of rules, the first few. */
  someRules: (rules: string[]) =>
    rules.length > 4 ? `${rules.slice(0, 3).join(', ')} and ${rules.length - 3} more` : rules.join(', '),
  ownRules: 'Also leave out',
  writtenRules: (rules: readonly string[]) =>
    `Lines in .driftlessignore that are kept as they are: ${rules.map(named).join(', ')}`,
  ownRulesHint: 'One rule a line, such as *.tmp or downloads/',
  counting: 'Counting…',
  preview: (files: number, bytes: number, atLeast: boolean) =>
    `${atLeast ? 'More than ' : ''}${plural(files, 'file')}, ${size(bytes)} will sync`,
  previewLeftOut: (files: number, bytes: number) => `${count(files)} left out, ${size(bytes)}`,
  previewNew: 'The folder does not exist yet and will be made.',
  added: (label: string) => `“${named(label)}” was added.`,
  warnings: {
    'home-directory':
      'This is your whole home folder. Settings and caches in it differ between devices; pick a folder inside it.',
    'system-directory': 'This belongs to the system. Syncing it can break this device.',
    'inside-folder': (label: string) => `This is inside “${named(label)}”, which syncs already.`,
    'around-folder': (label: string) => `“${named(label)}” inside of it syncs already.`,
    'little-space': (device: string, bytes: number) => `${named(device)} has only ${size(bytes)} free.`,
    'not-writable': 'You may not write here, so nothing could arrive.',
  },
};
