// How values read: sizes, counts, durations and times, in the same words as the command line.

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** `512 B`, `1.5 KiB`, `20 GiB`: binary units, three significant digits at most. */
export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  let value = bytes / 1024;
  let unit = 0;
  // 1023.95 would round up to 1024.
  while (value >= 1023.5 && unit + 1 < UNITS.length) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(value < 9.95 ? 1 : 0)} ${UNITS[unit]}`;
}

export function rate(bytesPerS: number): string {
  return `${size(bytesPerS)}/s`;
}

/** `1,234,567`. */
export function count(number: number): string {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 file`, `1,204 files`. */
export function plural(number: number, one: string, many = `${one}s`): string {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** How long something will take, as calm as it is certain: `a few seconds`, `about 2 min`. */
export function estimate(seconds: number): string {
  if (seconds < 10) return 'a few seconds';
  if (seconds < 60) return `about ${Math.ceil(seconds / 10) * 10} s`;
  if (seconds < 3600) return `about ${Math.ceil(seconds / 60)} min`;
  if (seconds < 86_400) return `about ${Math.floor((seconds + 1800) / 3600)} h`;
  return `about ${plural(Math.floor((seconds + 43_200) / 86_400), 'day')}`;
}

/** `just now`, `3 min ago`, `2 days ago`. A time to come is `just now`. */
export function ago(nowMs: number, thenMs: number): string {
  const seconds = Math.floor(Math.max(0, nowMs - thenMs) / 1000);
  if (seconds < 60) return 'just now';
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${plural(Math.floor(seconds / 86_400), 'day')} ago`;
}

const MOMENT = new Intl.DateTimeFormat(undefined, {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
});

/** A date and time as the desktop's language writes it. */
export function moment(ms: number): string {
  return MOMENT.format(ms);
}

const WEEKDAY = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const DATE = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', year: 'numeric' });

/** When the day of a time began, by this device's clock and calendar; of the day so many before it. */
export function dayStart(ms: number, daysBefore = 0): number {
  const date = new Date(ms);
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() - daysBefore).getTime();
}

/** A date as the desktop's language writes it, with the weekday where it is not long ago. */
export function day(nowMs: number, thenMs: number): string {
  return (nowMs - thenMs < 300 * 86_400_000 ? WEEKDAY : DATE).format(thenMs);
}

/** A time as a field for a date and time wants it, by this device's clock. */
export function localMoment(ms: number): string {
  const date = new Date(ms);
  const two = (number: number) => String(number).padStart(2, '0');
  const days = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-');
  return `${days}T${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** How much is there, rounded down so that 100 is never said early. */
export function percent(done: number, missing: number): number {
  const whole = done + missing;
  return whole === 0 ? 0 : Math.floor((done * 100) / whole);
}
