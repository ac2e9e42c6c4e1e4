// A million files, and ten thousand events a second: the window stays quick, and small.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CDPSession } from 'playwright-core';
import '../../ui/src/api/fake';
import { Ui } from './harness';

let ui: Ui;

beforeAll(async () => {
  ui = await Ui.start();
});

afterAll(() => ui.stop());

/** A frame at 50 frames a second. */
const FRAME_MS = 20;
const FRAMES = 120;
const MEMORY_BYTES = 64 << 20;

/** How long the page's thread computed so far, whatever else this machine did meanwhile. */
async function computedMs(session: CDPSession): Promise<number> {
  const { metrics } = await session.send('Performance.getMetrics');
  return 1000 * (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? NaN);
}

/** What the page's scripts hold on to. */
async function keptBytes(session: CDPSession): Promise<number> {
  await session.send('HeapProfiler.collectGarbage');
  return (await session.send('Runtime.getHeapUsage')).usedSize;
}

test('a folder of a million files scrolls at more than 50 frames a second, with few elements', async () => {
  const app = await ui.open({ daemon: 'crowded', place: 'folders/f0' });
  const { page } = app;
  const tree = page.getByRole('tree');
  await tree.getByText('Archive').waitFor();
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const before = await computedMs(session);
  await tree.evaluate(
    (scroller, frames) =>
      new Promise<void>((done) => {
        let frame = 0;
        const step = () => {
          // By hand for a while, then by dragging the scroll bar.
          scroller.scrollTop += frame < frames / 2 ? 90 : 250_000;
          frame += 1;
          if (frame < frames) requestAnimationFrame(step);
          else done();
        };
        requestAnimationFrame(step);
      }),
    FRAMES,
  );
  const perFrame = ((await computedMs(session)) - before) / FRAMES;
  console.log(`a frame of scrolling takes ${perFrame.toFixed(1)} ms`);
  expect(perFrame).toBeLessThan(FRAME_MS);
  expect(await page.evaluate(() => document.querySelectorAll('*').length)).toBeLessThan(1500);
  // Of all that was dragged past, little was asked for and less was kept.
  const asked = await page.evaluate(
    () => window.driftlessFake?.asked.filter(({ what }) => what === 'folder.browse').length ?? 0,
  );
  expect(asked).toBeLessThan(2 * FRAMES);
  expect(await keptBytes(session)).toBeLessThan(MEMORY_BYTES);
  await tree.focus();
  await page.keyboard.press('End');
  await page.keyboard.press('End');
  await tree.getByText(/ 999999\./).waitFor();
  expect(await app.close()).toEqual([]);
});

test('ten thousand events a second are shown ten times a second at most, and the window still answers', async () => {
  const app = await ui.open({ daemon: 'storm', place: 'activity' });
  const { page } = app;
  await page
    .getByText(/^[\d,]{4,} files$/)
    .first()
    .waitFor();
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const before = await computedMs(session);
  const { changes, seconds } = await page.evaluate(
    () =>
      new Promise<{ changes: number; seconds: number }>((done) => {
        let changes = 0;
        const began = performance.now();
        const watcher = new MutationObserver(() => (changes += 1));
        watcher.observe(document.querySelector('[role=list]') ?? document.body, {
          subtree: true,
          childList: true,
          characterData: true,
        });
        const step = () => {
          const seconds = (performance.now() - began) / 1000;
          if (seconds < 3) requestAnimationFrame(step);
          else done({ changes, seconds });
        };
        requestAnimationFrame(step);
      }),
  );
  const share = ((await computedMs(session)) - before) / (seconds * 10);
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  console.log(
    `${changes} changes in ${seconds.toFixed(1)} s, ${share.toFixed(0)}% of a core, ${usedSize >> 20} MiB`,
  );
  // One more for the list of transfers and the clock.
  expect(changes / seconds).toBeLessThanOrEqual(11);
  const statuses = await page.evaluate(
    () => window.driftlessFake?.asked.filter(({ what }) => what === 'status').length ?? 0,
  );
  expect(statuses / seconds).toBeLessThan(4);
  expect(await keptBytes(session)).toBeLessThan(MEMORY_BYTES);
  const asked = Date.now();
  await page.getByRole('link', { name: 'Devices' }).click();
  await page.getByRole('heading', { name: 'Devices', exact: true }).waitFor();
  expect(Date.now() - asked).toBeLessThan(2000);
  expect(await app.close()).toEqual([]);
});
