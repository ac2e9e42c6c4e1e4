import { plural } from '../number';
import { named } from '../safe';

export const policies = {
  title: 'Conflicts',
  intro: 'When two devices change a file at once. What is not kept is always in the history.',
  settles: 'What settles them',
  otherwise: 'All other files',
  words: { ask: 'Ask me', newest: 'The newest', merge: 'Merge texts, else ask' },
  device: (name: string) => `What ${named(name)} has`,
  command: 'A program, which is set up in the configuration file or by the command line only.',
  pattern: (at: number) => `Files of rule ${at}`,
  patternHint: '*.md',
  policy: (pattern: string) => `What settles ${pattern === '' ? 'these' : named(pattern)}`,
  add: 'Rule for some files',
  remove: 'Remove the rule',
  raise: 'Move the rule up',
  would: (open: number, settled: number) => {
    if (open === 0) return 'No conflict is open now.';
    const all = `Of ${plural(open, 'open conflict')}, `;
    return settled === 0
      ? `${all}none would settle itself.`
      : `${all}${settled} would settle ${settled === 1 ? 'itself' : 'themselves'}.`;
  },
};
