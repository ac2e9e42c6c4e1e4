import { expect, test } from 'vitest';
import { place } from './window';

test('only rows in sight and a few beyond are drawn, at their places', () => {
  const sight = place({ count: 1000, rowPx: 20, viewPx: 200, top: 4000 });
  expect([sight.from, sight.to, sight.wholePx]).toEqual([194, 216, 20_000]);
  expect(sight.drawnAt(200)).toBe(4000);
  expect(sight.revealing(200)).toEqual({ first: 3820, last: 4000 });
});

test('nothing is drawn of an empty list', () => {
  expect(place({ count: 0, rowPx: 20, viewPx: 200, top: 0 })).toMatchObject({ from: 0, to: 0, wholePx: 0 });
});

test('a list taller than a browser can draw is squeezed, and both its ends can be reached', () => {
  const list = { count: 50_000_000, rowPx: 32, viewPx: 600 };
  const first = place({ ...list, top: 0 });
  expect(first.wholePx).toBeLessThan(33_000_000);
  expect(first.from).toBe(0);
  const last = place({ ...list, top: first.wholePx });
  expect(last.to).toBe(50_000_000);
  // The last row ends where the list ends.
  expect(last.drawnAt(49_999_999) + 32).toBeCloseTo(last.wholePx, 3);
  const middle = place({ ...list, top: first.revealing(25_000_000).last });
  expect(middle.from).toBeLessThanOrEqual(25_000_000);
  expect(middle.to).toBeGreaterThan(25_000_000);
});
