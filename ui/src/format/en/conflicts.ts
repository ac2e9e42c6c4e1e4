import type { ForeseenFile } from '../../api/generated/control';
import { plural, size } from '../number';
import { named, nameOf, safe } from '../safe';

/** Names one after the other, of many only the first. */
function listed(names: readonly string[]): string {
  const shown = names.length > 3 ? [...names.slice(0, 2), `${names.length - 2} more`] : names;
  const last = shown.at(-1);
  const first = shown.slice(0, -1).map(named).join(', ');
  return [first, last === undefined ? '' : named(last)].filter((part) => part !== '').join(' and ');
}

export const conflicts = {
  title: 'Conflicts',
  intro: 'Changed on two devices at once. Both versions are safe; choose which to keep.',
  empty: 'No conflicts',
  emptyDetail: 'When two devices change the same file at once, both versions are kept and you choose here.',
  changedBy: (devices: string[]) => `Changed on ${devices.map(named).join(' and ')}`,
  open: (path: string) => `Choose for ${named(path)}`,
  back: 'All conflicts',
  at: (folder: string, parent: string) =>
    parent === '' ? safe(folder) : `${safe(folder)} / ${safe(parent)}`,
  version: (device: string) => `The version of ${named(device)}`,
  versionOf: (device: string, when: string) => `The version of ${named(device)} from ${when}`,
  fromWhen: (device: string, when: string) => `${safe(device)}, ${when}`,
  thisDevice: 'this device',
  inFolder: 'In the folder now',
  beside: 'Kept aside',
  deleted: 'Deleted it',
  changed: (when: string) => `Changed ${when}`,
  size: (bytes: number) => size(bytes),
  notHere: 'Its content has not arrived yet',
  waits: 'One version is still on its way. It can be compared once it is here.',
  kinds: { file: 'A file', directory: 'A folder', symlink: 'A link' },
  before: 'Before',
  beforeDetail: 'What both began from',
  tooLarge: 'These texts are too large to be compared here. Open them to look at both.',
  compare: 'Compare',
  compareTwo: (one: string, other: string) => `${named(one)} and ${named(other)}`,
  compareBefore: (one: string) => `Before, and ${named(one)}`,
  newer: 'Newer',
  larger: 'Larger',
  keepThis: 'Keep this',
  keepDeletion: 'Delete it',
  keepAll: (versions: number) => (versions > 2 ? 'Keep all' : 'Keep both'),
  keepAllDetail: (versions: number) =>
    versions > 2
      ? 'The other versions get names of their own beside it.'
      : 'The other version gets a name of its own beside it.',
  look: 'Open',
  sameForOthers: (number: number) =>
    `Do the same for the other ${number === 1 ? 'one' : number} in this folder`,
  pick: (path: string) => `Select ${named(path)}`,
  pickAll: 'Select all',
  picked: (number: number) => `${number} selected. Keep`,
  pickedThis: (device: string) => `${named(device)} (this device)`,
  pickedOther: 'Another device…',
  pickedBoth: 'Both',
  sameForOthersWhole: (number: number) =>
    `When keeping all of one side or both, do so for the other ${number === 1 ? 'one' : number} in this folder`,
  bulkTitle: (number: number) => `Choose for ${plural(number, 'file')}?`,
  bulkKeep: (device: string) =>
    `Each becomes the version of ${named(device)}. Other versions move to the history.`,
  bulkBoth: 'Each keeps both versions, under two names.',
  bulkRefused: (number: number) => `${plural(number, 'conflict stays', 'conflicts stay')} open:`,
  bulkWaiting: 'Looking what this would do…',
  bulkConfirm: (number: number) => `Settle ${plural(number, 'conflict')}`,
  settled: (number: number) => `${plural(number, 'conflict')} settled on all devices.`,
  undo: 'Undo',
  undone: 'Undone.',
  gone: 'This conflict is settled',
  goneDetail: 'Someone chose a version, here or on another device.',
  fromHistory: 'Another version…',
  fromHistoryTitle: 'Keep an older version',
  fromHistoryNone: 'No older version of this file is kept here.',
  fromHistoryKeep: 'Keep this version',
  foresee: {
    title: 'What your devices will hold',
    hint: 'Point at a choice to see here what every device will hold.',
    on: (devices: readonly string[]) => `${listed(devices)} will hold`,
    facts: ({ size: bytes, device_name, deleted, kind }: ForeseenFile) => {
      const from = device_name === null ? '' : ` by ${named(device_name)}`;
      if (deleted) return `deleted${from}`;
      return kind === 'directory' ? `a folder${from}` : `${size(bytes)}${from}`;
    },
    away: (files: readonly ForeseenFile[]) =>
      `Into the history: ${files.map(({ device_name, size: bytes, path }) => `${device_name === null ? named(nameOf(path)) : named(device_name)}’s, ${size(bytes)}`).join('; ')}`,
    becomes: (files: readonly ForeseenFile[]) =>
      files
        .map(
          (file, at) => `${at === 0 ? '' : `${named(nameOf(file.path))}, `}${conflicts.foresee.facts(file)}`,
        )
        .join('; '),
  },
  merge: {
    title: 'Where the two differ',
    places: 'The place that you are at',
    previous: 'Previous place',
    next: 'Next place',
    withKey: (what: string, key: string) => `${what} (${key})`,
    position: (at: number, count: number) => `${at} of ${count}`,
    bothChanged: 'Both changed this. Which one?',
    differs: 'They differ here. Which one?',
    chosen: 'Chosen',
    edited: 'Written by you. A choice would replace it.',
    alike: 'Both changed this in the same way.',
    alone: (device: string) => `Only ${device} changed this, so it is in already.`,
    choose: (device: string) => `Take what ${named(device)} has here`,
    both: 'Both',
    bothName: 'Take both, one after the other',
    before: 'As before',
    beforeName: 'Take what it was before',
    merged: 'Merged text',
    save: 'Save the merge',
    left: (number: number) => `${plural(number, 'place')} to choose at first.`,
    ready: 'Every place is settled.',
    itself: (number: number) =>
      `${plural(number, 'place')} merged by ${number === 1 ? 'itself' : 'themselves'}.`,
    noBase: 'What both began from is not known, so you choose wherever they differ.',
    tooLarge: (limit: string) => `This is more than ${limit}, which is too large to be saved here.`,
  },
};
