// Every screen in every state: axe finds nothing, nothing sticks out of the window, and a picture is kept of it.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SIZES, Ui, type Theme } from './harness';

const SHOTS = new URL('shots/', import.meta.url).pathname;
const THEMES: Theme[] = ['light', 'dark'];

/** Screens by the name of their picture. */
const SCREENS: Record<string, string> = {
  folders: 'folders',
  'add-folder': 'add-folder',
  devices: 'devices',
  pair: 'pair',
  conflicts: 'conflicts',
  history: 'history',
  space: 'space',
  activity: 'activity',
  settings: 'settings',
};

/** Which screens are looked at with which daemon, besides all of them when empty, typical and crowded. */
const SPECIAL: [daemon: string, screen: string, place: string][] = [
  ['first-run', 'onboarding', ''],
  ['starting', 'folders', 'folders'],
  ['typical', 'folder', 'folders/projects'],
  ['typical', 'conflict', 'conflicts/c0'],
  ['typical', 'no-folder', 'folders/none'],
  ['crowded', 'folder', 'folders/f0'],
  ['decide', 'history-of-file', 'history/projects/notes%2FGarden.md'],
  ['crowded', 'conflict', 'conflicts/c1'],
  ...['text', 'no-base', 'long', 'named', 'hard', 'image', 'three', 'deleted', 'directory', 'not-here'].map(
    (kind): [string, string, string] => ['decide', `conflict-${kind}`, `conflicts/${kind}`],
  ),
  ['problems', 'folders', 'folders'],
  ['problems', 'folder', 'folders/documents'],
  ['problems', 'activity', 'activity'],
  ['problems', 'devices', 'devices'],
  ['cloned', 'folders', 'folders'],
  ['cloned', 'folder', 'folders/projects'],
  ['offline', 'folders', 'folders'],
  ['offline', 'devices', 'devices'],
  ['offline', 'pair', 'pair'],
  ['gone', 'folders', 'folders'],
];

const CASES = [
  ...['empty', 'typical', 'crowded'].flatMap((daemon) =>
    Object.entries(SCREENS).map(([screen, place]): [string, string, string] => [daemon, screen, place]),
  ),
  ...SPECIAL,
];

let ui: Ui;

beforeAll(async () => {
  mkdirSync(SHOTS, { recursive: true });
  ui = await Ui.start();
});

afterAll(() => ui.stop());

test.each(CASES)(
  'with the %s daemon, axe finds nothing on %s and all of it fits',
  async (daemon, screen, place) => {
    const window = await ui.open({ daemon, place });
    if (daemon === 'gone') await window.page.getByRole('alert').waitFor();
    for (const theme of THEMES) {
      await window.page.emulateMedia({ colorScheme: theme });
      for (const size of SIZES) {
        await window.page.setViewportSize(size);
        await window.settle();
        await window.page.screenshot({
          path: join(SHOTS, `${daemon}-${screen}-${theme}-${size.width}.png`),
        });
        const overflow = await window.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        expect(overflow, `something is wider than ${size.width}`).toBeLessThanOrEqual(0);
      }
      expect(await window.axe(theme === 'light' ? 'all' : 'colours'), theme).toEqual([]);
    }
    expect(await window.close()).toEqual([]);
  },
);
