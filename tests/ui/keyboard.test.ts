// Every screen by the Tab key alone: all that can be worked is reached, is in sight, and shows that it is.
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Ui } from './harness';

let ui: Ui;

beforeAll(async () => {
  ui = await Ui.start();
});

afterAll(() => ui.stop());

const PLACES = [
  ['typical', 'folders'],
  ['typical', 'folders/projects'],
  ['typical', 'add-folder'],
  ['problems', 'devices'],
  ['typical', 'pair'],
  ['typical', 'conflicts'],
  ['typical', 'conflicts/c0'],
  ['decide', 'conflicts/text'],
  ['decide', 'conflicts/image'],
  ['typical', 'history'],
  ['typical', 'space'],
  ['problems', 'activity'],
  ['typical', 'settings'],
  ['gone', 'folders'],
] as const;

type Stop = { what: string; inSight: boolean; ring: boolean };

/** Where the focus is, or null when it left the page. */
function stopOf(page: Page): Promise<Stop | null> {
  return page.evaluate(() => {
    const at = document.activeElement;
    if (!(at instanceof HTMLElement) || at === document.body) return null;
    const { top, bottom, left, right } = at.getBoundingClientRect();
    const styles = [getComputedStyle(at), getComputedStyle(at, '::after')];
    return {
      what: `${at.tagName} ${at.getAttribute('aria-label') ?? at.textContent.trim().slice(0, 40)}`,
      inSight: bottom > 0 && right > 0 && top < innerHeight && left < innerWidth,
      ring: styles.some(
        ({ outlineStyle, outlineWidth }) => outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2,
      ),
    };
  });
}

/** Controls that the Tab key should reach; of radio buttons one in each group. */
function reachable(page: Page): Promise<number> {
  return page.evaluate(() => {
    const all = document.querySelectorAll<HTMLElement>(
      'a[href], button, input, select, textarea, summary, [tabindex]',
    );
    const shown = [...all].filter(
      (one) =>
        one.tabIndex >= 0 && !one.matches(':disabled') && one.checkVisibility() && !one.closest('[popover]'),
    );
    const radios = shown.filter((one) => one instanceof HTMLInputElement && one.type === 'radio');
    const groups = new Set(radios.map((one) => (one as HTMLInputElement).name));
    return shown.length - radios.length + groups.size;
  });
}

test.each(PLACES)('with the %s daemon, Tab walks through all of %s', async (daemon, place) => {
  const app = await ui.open({ daemon, place });
  const { page } = app;
  if (daemon === 'gone') await page.getByRole('alert').waitFor();
  await app.settle();
  const wanted = await reachable(page);
  const stops: Stop[] = [];
  for (let press = 0; press < 200; press += 1) {
    await page.keyboard.press('Tab');
    const stop = await stopOf(page);
    if (stop === null) break;
    stops.push(stop);
  }
  expect(stops.filter(({ inSight, ring }) => !inSight || !ring)).toEqual([]);
  // The platform may stop more often, as within a field for a time, and a long list goes on as one walks.
  expect(stops.length).toBeGreaterThanOrEqual(wanted);
  expect(stops.length).toBeLessThan(2 * wanted + 8);
  expect(await app.close()).toEqual([]);
});
