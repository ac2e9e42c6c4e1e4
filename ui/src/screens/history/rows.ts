// Displaced versions as the rows of a list: under the day on which they went.
import type { FoundVersion } from '../../api/generated/control';
import { day, dayStart } from '../../format/number';
import { text } from '../../format/text';

export type Row = { day: string } | { version: FoundVersion };

/** `entries` come newest first. */
export function rowsOf(entries: readonly FoundVersion[], nowMs: number): Row[] {
  const rows: Row[] = [];
  let last: number | null = null;
  for (const version of entries) {
    const start = dayStart(version.displaced_at_ms);
    if (start !== last) rows.push({ day: called(start, nowMs) });
    last = start;
    rows.push({ version });
  }
  return rows;
}

function called(start: number, nowMs: number): string {
  if (start === dayStart(nowMs)) return text.history.today;
  if (start === dayStart(nowMs, 1)) return text.history.yesterday;
  return day(nowMs, start);
}

export type Span = keyof typeof text.history.times;

/** When a span of time began; null for any time. */
export function beginOf(span: Span, nowMs: number): number | null {
  switch (span) {
    case 'any':
      return null;
    case 'today':
      return dayStart(nowMs);
    case 'week':
      return dayStart(nowMs, 7);
    case 'month':
      return dayStart(nowMs, 30);
  }
}
