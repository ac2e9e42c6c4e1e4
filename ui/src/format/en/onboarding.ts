export const onboarding = {
  welcome: 'Welcome to driftless',
  intro: 'It keeps folders the same on your devices. No account, no server.',
  nameTitle: 'What is this device called?',
  nameHint: 'Your other devices show this name.',
  next: 'Continue',
  startTitle: 'Where do you want to begin?',
  pair: 'Pair a device',
  pairDetail: 'driftless runs on another computer already.',
  add: 'Add a folder',
  addDetail: 'Choose what to keep the same, and pair later.',
  later: 'Look around first',
  step: (now: number, all: number) => `Step ${now} of ${all}`,
};
