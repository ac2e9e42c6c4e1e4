// What opens in front of a screen: axe finds nothing in it, it fits the smallest window, and Escape closes it.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SIZES, Ui } from './harness';

const SHOTS = new URL('shots/', import.meta.url).pathname;

const SMALLEST = SIZES[1] ?? { width: 720, height: 480 };

let ui: Ui;

beforeAll(async () => {
  mkdirSync(SHOTS, { recursive: true });
  ui = await Ui.start();
});

afterAll(() => ui.stop());

const choose = (name: string, item: string) => async (page: Page) => {
  await page.getByRole('button', { name: `More for ${name}` }).click();
  await page.getByRole('menuitem', { name: item }).click();
  await page.getByRole('dialog').waitFor();
};

/** By the name of their picture: where they open, and how. */
const OVERLAYS: [name: string, daemon: string, place: string, open: (page: Page) => Promise<unknown>][] = [
  ['menu', 'typical', 'folders', (page) => page.getByRole('button', { name: 'More for Documents' }).click()],
  ['share', 'crowded', 'folders', choose('Everything', 'Share…')],
  ['folder-settings', 'typical', 'folders', choose('Documents', 'Folder settings…')],
  ['remove-folder', 'typical', 'folders', choose('Documents', 'Remove…')],
  ['undo-changes', 'problems', 'folders', choose('Projects', 'Undo what was changed here…')],
  ['rename-device', 'typical', 'devices', choose('Work laptop', 'Rename…')],
  ['device', 'typical', 'devices', choose('Laptop in the kitchen', 'Details…')],
  ['remove-device', 'typical', 'devices', choose('Work laptop', 'Remove…')],
  [
    'lid',
    'typical',
    'folders',
    (page) => page.getByRole('button', { name: 'Safe to close the lid?' }).click(),
  ],
  [
    'new-identity',
    'cloned',
    'folders',
    (page) => page.getByRole('button', { name: 'New identity…' }).click(),
  ],
  [
    'bulk',
    'crowded',
    'conflicts/c1',
    async (page) => {
      await page.getByRole('checkbox').check();
      await page.getByRole('button', { name: 'Keep both' }).click();
      await page.getByRole('button', { name: /^Settle/ }).isEnabled();
    },
  ],
  [
    'bulk-refused',
    'crowded',
    'conflicts',
    async (page) => {
      await page.getByRole('checkbox', { name: 'Select all' }).check();
      await page.getByRole('button', { name: 'maria-laptop (this device)' }).click();
      await page.getByText('1 conflict stays open').waitFor();
    },
  ],
  [
    'version',
    'decide',
    'history/projects/notes%2FGarden.md',
    async (page) => {
      await page
        .getByRole('button', { name: /^Look at/ })
        .first()
        .click();
      await page.getByRole('dialog').getByText('## Tools').first().waitFor();
    },
  ],
  [
    'version-image',
    'typical',
    'history',
    async (page) => {
      await page
        .getByRole('button', { name: /^Look at .*png/ })
        .first()
        .click();
      await page.getByRole('img').first().waitFor();
    },
  ],
  [
    'undo-device',
    'crowded',
    'history',
    async (page) => {
      await page.getByRole('button', { name: 'Undo a device…' }).click();
      await page.getByRole('button', { name: 'Since yesterday' }).click();
      await page.getByText(/files put back/).waitFor();
    },
  ],
  [
    'policies',
    'decide',
    'folders',
    async (page) => {
      await choose('Projects', 'Folder settings…')(page);
      await page.getByRole('button', { name: 'Rule for some files' }).click();
      await page.getByText('Of 11 open conflicts').scrollIntoViewIfNeeded();
    },
  ],
  [
    'from-history',
    'decide',
    'conflicts/text',
    async (page) => {
      await page.getByRole('button', { name: 'Another version…' }).click();
      await page.getByRole('radio').first().check();
      await page.getByRole('dialog').getByText('# Garden').waitFor();
    },
  ],
];

/** Things that open within a screen. */
const PARTS: [name: string, daemon: string, place: string, open: (page: Page) => Promise<unknown>][] = [
  [
    'code',
    'typical',
    'pair',
    async (page) => {
      await page.getByRole('button', { name: 'Show a code' }).click();
      await page.getByText('Works for').waitFor();
    },
  ],
  [
    'far-away',
    'typical',
    'pair',
    async (page) => {
      await page.getByText('Not on the same network?').click();
      await page.getByRole('button', { name: 'Show this device’s ID' }).click();
      await page.getByLabel('Link or ID').scrollIntoViewIfNeeded();
    },
  ],
  [
    'paired',
    'typical',
    'pair',
    async (page) => {
      await page.getByLabel(/^Code that/).fill('314159');
      await page.getByRole('button', { name: 'Pair', exact: true }).click();
      await page.getByRole('button', { name: 'Finish' }).waitFor();
    },
  ],
  [
    'why',
    'typical',
    'folders/projects',
    async (page) => {
      await page.getByRole('treeitem', { name: /Left out/ }).click();
      await page.getByRole('button', { name: 'Change the rules' }).waitFor();
    },
  ],
  [
    'filled',
    'typical',
    'add-folder/%2Fetc%2Fssl',
    (page) => page.getByText('belongs to the system').waitFor(),
  ],
  ['begin', 'first-run', '', (page) => page.getByRole('button', { name: 'Continue' }).click()],
  [
    'settings-end',
    'typical',
    'settings',
    async (page) => {
      for (const name of ['Limit sending', 'Limit receiving', 'Only at certain hours']) {
        await page.getByRole('switch', { name }).click();
      }
      await page.getByRole('switch', { name: 'Limit how much space' }).click();
      await page.getByRole('button', { name: 'Check this installation' }).click();
      await page.getByText('Turn on automatic time').scrollIntoViewIfNeeded();
    },
  ],
  [
    'notices',
    'typical',
    'history',
    async (page) => {
      await page
        .getByRole('button', { name: /^Put back/ })
        .first()
        .click();
      await page.getByText('is back.').waitFor();
    },
  ],
  [
    'space-details',
    'crowded',
    'space',
    async (page) => {
      await page.getByText('How long history is kept here').first().waitFor({ state: 'attached' });
      await page.locator('summary').first().click();
      await page.getByLabel('How long history is kept here').first().selectOption('This long');
      await page.getByRole('switch', { name: 'Limit how much space' }).first().waitFor();
    },
  ],
  [
    'stale',
    'decide',
    'folders',
    async (page) => {
      await page.getByRole('heading', { name: 'Projects' }).waitFor();
      await page.evaluate(() =>
        window.driftlessFake?.tell({
          type: 'stale-edit',
          folder: 'projects',
          path: 'notes/Garden.md',
          device: '',
          device_name: 'Laptop in the kitchen',
          deleted: false,
        }),
      );
      await page.getByText('You edited an older one').waitFor();
    },
  ],
  [
    'merged',
    'decide',
    'conflicts/text',
    async (page) => {
      await page.getByRole('textbox', { name: 'The merged text' }).waitFor();
      await page.keyboard.press('3');
      await page.getByText('Every place is settled').scrollIntoViewIfNeeded();
    },
  ],
  ['selected', 'crowded', 'conflicts', (page) => page.getByRole('checkbox').nth(2).check()],
  ['drop', 'typical', 'folders', (page) => page.evaluate(() => window.driftlessFake?.drop({ kind: 'over' }))],
];

async function look(app: Awaited<ReturnType<Ui['open']>>, name: string, sizes = SIZES): Promise<void> {
  for (const size of sizes) {
    await app.page.setViewportSize(size);
    await app.settle();
    await app.page.screenshot({ path: join(SHOTS, `open-${name}-${size.width}.png`) });
  }
  for (const colorScheme of ['light', 'dark'] as const) {
    await app.page.emulateMedia({ colorScheme });
    expect(await app.axe(colorScheme === 'light' ? 'all' : 'colours'), colorScheme).toEqual([]);
  }
}

test.each(OVERLAYS)(
  '%s is whole in a small window, and Escape closes it',
  async (name, daemon, place, open) => {
    const app = await ui.open({ daemon, place, size: SMALLEST });
    await open(app.page);
    await look(app, name, [SMALLEST]);
    const front = app.page.locator('dialog[open], [popover]:popover-open');
    const box = await front.boundingBox();
    const { width, height } = app.page.viewportSize() ?? { width: 0, height: 0 };
    expect(
      box && box.x >= 0 && box.y >= 0 && box.x + box.width <= width && box.y + box.height <= height,
    ).toBe(true);
    await app.page.keyboard.press('Escape');
    await expect.poll(() => front.count()).toBe(0);
    expect(await app.close()).toEqual([]);
  },
);

test.each(PARTS)('axe finds nothing in %s', async (name, daemon, place, open) => {
  const app = await ui.open({ daemon, place });
  await open(app.page);
  await look(app, name);
  expect(await app.close()).toEqual([]);
});
