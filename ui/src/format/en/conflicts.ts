import { plural, size } from '../number';
import { named, safe } from '../safe';

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
  thisDevice: 'this device',
  inFolder: 'In the folder now',
  beside: 'Kept aside',
  deleted: 'Deleted it',
  changed: (when: string) => `Changed ${when}`,
  size: (bytes: number) => size(bytes),
  notHere: 'Its content has not arrived yet',
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
  bulkTitle: (number: number) => `Choose for ${plural(number, 'file')}?`,
  bulkKeep: (device: string) =>
    `Each becomes the version of ${named(device)}. Other versions move to the history.`,
  bulkBoth: 'Each keeps both versions, under two names.',
  bulkConfirm: (number: number) => `Settle ${plural(number, 'conflict')}`,
  settled: (number: number) => `${plural(number, 'conflict')} settled on all devices.`,
  undo: 'Undo',
  undone: 'Undone.',
  gone: 'This conflict is settled',
  goneDetail: 'Someone chose a version, here or on another device.',
};
