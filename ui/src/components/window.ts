// Which rows of a long list are in sight, and where they are drawn.

/** Browsers cut elements off beyond about 33.5 million pixels. */
const TALLEST_PX = 30_000_000;
/** Rows drawn beyond each edge, so that scrolling shows no gap. */
const BEYOND = 6;

export type Sight = {
  /** Rows `from` to `to`, the last one excluded, are drawn. */
  from: number;
  to: number;
  wholePx: number;
  /** Where a row is drawn. */
  drawnAt: (index: number) => number;
  /** The scroll positions between which all of a row is in sight. */
  revealing: (index: number) => { first: number; last: number };
};

/**
 * Decides what is drawn of `count` rows of `rowPx` when `viewPx` of them are seen at scroll position `top`.
 *
 * A list taller than an element can be is squeezed: scroll positions are scaled, rows keep their height.
 */
export function place(list: { count: number; rowPx: number; viewPx: number; top: number }): Sight {
  const { count, rowPx, viewPx } = list;
  const realPx = count * rowPx;
  const wholePx = Math.min(realPx, TALLEST_PX);
  const scrollable = Math.max(0, wholePx - viewPx);
  const squeeze = realPx > wholePx && scrollable > 0 ? (realPx - viewPx) / scrollable : 1;
  const top = Math.min(Math.max(0, list.top), scrollable);
  const realTop = top * squeeze;
  return {
    from: Math.max(0, Math.floor(realTop / rowPx) - BEYOND),
    to: Math.min(count, Math.ceil((realTop + viewPx) / rowPx) + BEYOND),
    wholePx,
    drawnAt: (index) => index * rowPx - realTop + top,
    revealing: (index) => ({
      first: Math.max(0, ((index + 1) * rowPx - viewPx) / squeeze),
      last: (index * rowPx) / squeeze,
    }),
  };
}
