// Deciding conflicts: texts by their places, others as a whole, one by one or many at once.
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import '../../ui/src/api/fake';
import { Ui, type Window } from './harness';

let ui: Ui;

beforeAll(async () => {
  ui = await Ui.start();
});

afterAll(() => ui.stop());

/** Everything that was asked under this name, in order. */
function asked(app: Window, what: string): Promise<unknown[]> {
  return app.page.evaluate(
    (what) => window.driftlessFake?.asked.filter((one) => one.what === what).map((one) => one.params) ?? [],
    what,
  );
}

async function finish(app: Window): Promise<void> {
  expect(await app.close()).toEqual([]);
}

const result = (page: Page) => page.getByRole('textbox', { name: 'The merged text' });
const save = (page: Page) => page.getByRole('button', { name: 'Save the merge' });

/** The one saved text. */
async function savedText(app: Window): Promise<string> {
  await app.page.getByText('1 conflict settled on all devices.').waitFor();
  const [only] = (await asked(app, 'conflict.resolve')) as { resolution: { keep: string; text: string } }[];
  expect(only?.resolution.keep).toBe('text');
  return only?.resolution.text ?? '';
}

test('a text is merged by keys alone, seen on every device before it is saved, and undone', async () => {
  const app = await ui.open({ daemon: 'decide', place: 'conflicts/text' });
  const { page } = app;
  await result(page).waitFor();
  await page.getByText('1 place to choose at first.').waitFor();
  expect(await save(page).isDisabled()).toBe(true);
  await page.keyboard.press('2');
  await page.getByRole('button', { name: 'Take what maria-laptop has here', pressed: true }).waitFor();
  const foreseen = page.getByRole('complementary', { name: 'What your devices will hold' });
  await foreseen.getByText('maria-laptop, Laptop in the kitchen and Work laptop will hold').waitFor();
  await foreseen.getByText(/Into the history: Laptop in the kitchen’s/).waitFor();
  await page.keyboard.press('3');
  await page.getByRole('button', { name: /^Take both/, pressed: true }).waitFor();
  await save(page).press('Enter');
  const text = await savedText(app);
  expect(text).toContain('first week of November, after the rain.\nPlant the garlic on Saturday.\nAsk Jo');
  // What only one of them changed merged by itself.
  expect(text).toContain('Buy fleece for the lemon tree.');
  expect(text).toContain('The ladder is back.');
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByText('Undone.').waitFor();
  expect(await asked(app, 'conflict.undo')).toEqual([{ ids: ['text'] }]);
  await finish(app);
});

test('what is written by hand stands in place of a choice, until one is made again or it is taken back', async () => {
  const app = await ui.open({ daemon: 'decide', place: 'conflicts/no-base' });
  const { page } = app;
  await page.getByText('What both began from is not known').waitFor();
  await result(page).getByText('Choose above what goes here').first().click();
  await page.keyboard.type('Milk of any kind');
  await page.getByText('Written by you. A choice would replace it.').waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('1');
  await expect.poll(() => result(page).innerText()).toContain('Bread (the dark one)');
  expect(await result(page).innerText()).not.toContain('any kind');
  await result(page).focus();
  await page.keyboard.press('ControlOrMeta+z');
  await page.getByText('Written by you. A choice would replace it.').waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('n');
  await page.getByText('2 of 3').waitFor();
  await page.keyboard.press('2');
  await page.keyboard.press('n');
  await page.keyboard.press('1');
  await page.keyboard.press('n');
  await page.getByText('1 of 3').waitFor();
  await save(page).click();
  expect(await savedText(app)).toBe(
    'Milk of any kind\nApples\nCoffee\nTea\nCandles\nMatches\nRice\nLentils\nSoap\n',
  );
  await finish(app);
});

test('of three versions any two are compared, and either with what they began from', async () => {
  const app = await ui.open({ daemon: 'decide', place: 'conflicts/three' });
  const { page } = app;
  await page.getByLabel('Compare').selectOption({ label: 'maria-laptop and Work laptop' });
  await page.getByRole('button', { name: 'Take what Work laptop has here' }).waitFor();
  expect((await asked(app, 'conflict.texts')).at(-1)).toEqual({ id: 'three', versions: ['0-0', '0-2'] });
  await page.getByLabel('Compare').selectOption({ label: 'Before, and Work laptop' });
  await page.getByRole('heading', { name: 'Before', exact: true }).waitFor();
  await page.getByText('Plant the garlic in the second week of October.').waitFor();
  await finish(app);
});

test('in a text of five thousand lines one goes from place to place, and the two sides stay beside each other', async () => {
  const app = await ui.open({ daemon: 'decide', place: 'conflicts/long' });
  const { page } = app;
  await result(page).waitFor();
  await page.keyboard.press('p');
  await page.getByText('17 of 17').waitFor();
  const left = page.getByText('04899', { exact: false }).first();
  const right = page.getByText('04899', { exact: false }).nth(1);
  await left.waitFor();
  await expect
    .poll(async () => {
      const tops = [await left.boundingBox(), await right.boundingBox()].map((box) => box?.y ?? NaN);
      return Math.abs((tops[0] ?? NaN) - (tops[1] ?? NaN));
    })
    .toBeLessThan(2);
  await finish(app);
});

test('a version that is on its way is waited for, and compared once it is here', async () => {
  const app = await ui.open({ daemon: 'decide', place: 'conflicts/not-here' });
  const { page } = app;
  await page.getByText('One version is still on its way.').waitFor();
  expect(
    await page.getByRole('button', { name: 'Keep this: The version of maria-laptop' }).isDisabled(),
  ).toBe(true);
  await page.evaluate(() => {
    const fake = window.driftlessFake;
    const one = fake?.world.conflicts.find(({ id }) => id === 'not-here');
    for (const head of one?.heads ?? []) head.content_here = true;
    fake?.tell({ type: 'item-synced', folder: 'projects', path: 'x', action: 'changed', device: null });
  });
  await result(page).waitFor();
  await finish(app);
});

test('pictures stand side by side with their sizes, and before any choice it is said what will be where', async () => {
  const app = await ui.open({ daemon: 'decide', place: 'conflicts/image' });
  const { page } = app;
  await page.getByRole('img', { name: 'The version of maria-laptop' }).waitFor();
  await expect.poll(() => page.getByRole('img').count()).toBe(3);
  await page.getByText('4,000 × 2,267 pixels').waitFor();
  const drawn = await page
    .getByRole('img')
    .evaluateAll((all) => all.map((one) => (one as HTMLImageElement).naturalWidth));
  expect(drawn).toEqual([640, 640, 640]);
  await page.getByRole('button', { name: 'Keep both' }).focus();
  await page.getByText('Fox (maria-laptop).png').waitFor();
  expect(await asked(app, 'conflict.resolve')).toEqual([]);
  await finish(app);
});

test('a version out of the history settles a conflict', async () => {
  const app = await ui.open({ daemon: 'decide', place: 'conflicts/text' });
  const { page } = app;
  await page.getByRole('button', { name: 'Another version…' }).click();
  const keep = page.getByRole('button', { name: 'Keep this version' });
  expect(await keep.isDisabled()).toBe(true);
  await page.getByRole('radio').first().check();
  await keep.click();
  await page.getByText('1 conflict settled on all devices.').waitFor();
  expect(await asked(app, 'conflict.resolve')).toEqual([
    { id: 'text', resolution: { keep: 'history', version: 'v3' }, seen: ['0-1', '0-0'] },
  ]);
  await finish(app);
});

test('many are selected and decided at once, and what cannot be done is said first and left open', async () => {
  const app = await ui.open({ daemon: 'crowded', place: 'conflicts' });
  const { page } = app;
  await page.getByRole('checkbox', { name: 'Select all' }).check();
  await page.getByRole('button', { name: 'maria-laptop (this device)' }).click();
  await page.getByText('1 conflict stays open').waitFor();
  await page.getByText('That device made several versions.').waitFor();
  expect(await asked(app, 'conflict.resolve')).toEqual([]);
  await page.getByRole('button', { name: 'Settle 299 conflicts' }).click();
  await page.getByText('299 conflicts settled on all devices.').waitFor();
  await page.getByText('1 conflict needs you').waitFor();
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByText('300 conflicts need you').waitFor();
  await finish(app);
});
