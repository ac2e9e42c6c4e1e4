import { named } from '../safe';

export const files = {
  title: 'Files',
  tree: (label: string) => `Files in ${named(label)}`,
  empty: 'This folder has no files yet',
  emptyDetail: 'Whatever you put into it appears on your other devices.',
  states: {
    'up-to-date': 'Up to date',
    'only-here': 'Only here yet',
    receiving: 'Receiving',
    waiting: 'Not here yet',
    conflict: 'Conflict',
    'left-out': 'Left out',
    problem: 'Problem',
  },
  details: 'About the selected file',
  pick: 'Select a file to see where it is, and why.',
  heldBy: (names: string[]) => `On ${names.map(named).join(', ')}`,
  atLeast: (size: string) => `≥ ${size}`,
  show: 'Show',
  showName: (name: string) => `Show ${named(name)} in the file manager`,
  history: 'History',
  historyName: (name: string) => `History of ${named(name)}`,
  resolve: 'Choose a version',
  changeRules: 'Change the rules',
  resume: 'Resume the folder',
};
