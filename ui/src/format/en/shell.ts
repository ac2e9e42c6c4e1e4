import { count, estimate, plural } from '../number';
import { named, safe } from '../safe';

export const shell = {
  app: 'driftless',
  sections: 'Sections',
  folders: 'Folders',
  devices: 'Devices',
  conflicts: 'Conflicts',
  history: 'History',
  activity: 'Activity',
  settings: 'Settings',
  conflictCount: (number: number) => `${plural(number, 'conflict')} to look at`,
  problemCount: (number: number) => `${plural(number, 'problem')} to look at`,
  thisDevice: 'This device',
  starting: 'Starting…',
  loading: 'Loading…',
  skip: 'Skip to content',
  back: 'Back',
  cancel: 'Cancel',
  close: 'Close',
  done: 'Done',
  save: 'Save',
  more: (name: string) => `More for ${named(name)}`,
  copied: 'Copied',
  dismiss: 'Dismiss',
  gone: 'driftless is not running in the background',
  goneDetail: 'Nothing syncs until it does. Your files are safe where they are.',
  restart: 'Start it again',
  lid: 'Safe to close the lid?',
  lidTitle: 'Is it safe to close the lid?',
  lidAsking: 'Looking whether everything here is also on another device…',
  lidYes: 'Yes, it is safe to close the lid',
  lidYesDetail: 'Everything here is on another device, too.',
  lidNoDevice: 'No other device is online, so what changed here lately may be only here.',
  lidNo: 'Not yet',
  lidTell: 'Tell me when it is',
  lidWillTell: 'You will be told as soon as it is safe to close the lid.',
  lidApart: (labels: string[]) => {
    const some = labels.slice(0, 3).map(named).join(', ');
    const more = labels.length > 3 ? ` and ${labels.length - 3} more` : '';
    return `Not counted, because paused or on no other device: ${some}${more}`;
  },
  andMore: (number: number) => `and ${count(number)} more`,
};

export const headline = {
  online: (connected: number, known: number) => {
    if (known === 0) return 'No other device yet';
    return connected === 0 ? 'No device online' : `${plural(connected, 'device')} online`;
  },
  stopped: (label: string) => `${safe(label)} has stopped`,
  severalStopped: 'Several folders have stopped',
  heldBack: (label: string) => `A large change in ${safe(label)} waits for your yes`,
  conflicts: (number: number) => `${plural(number, 'conflict')} ${number === 1 ? 'needs' : 'need'} you`,
  receiving: (files: number, etaS: number | null) => {
    if (files === 0) return 'Receiving';
    const what = `Receiving ${plural(files, 'file')}`;
    return etaS === null ? what : `${what}, ${estimate(etaS)}`;
  },
  problems: (number: number) => `${plural(number, 'problem')} ${number === 1 ? 'needs' : 'need'} a look`,
  offers: (number: number) => `${plural(number, 'folder')} ${number === 1 ? 'is' : 'are'} offered to you`,
  scanning: 'Looking for changes',
  noFolders: 'No folders yet',
  allPaused: 'Everything is paused',
  sending: (files: number) => `Sending ${plural(files, 'file')}`,
  restUpToDate: (paused: number) => `Everything else is up to date, ${plural(paused, 'folder')} paused`,
  upToDate: 'Everything is up to date',
};
