// What the scripted daemon's replies have in common: pages, and errors as values.
import type { ApiError } from '../generated/control';

export function pageOf<T>(
  list: readonly T[],
  after: string | undefined,
  limit: number,
): { entries: T[]; next: string | null } {
  const from = after === undefined ? 0 : Number(after);
  const to = from + limit;
  return { entries: list.slice(from, to), next: to < list.length ? String(to) : null };
}

export function found<T>(list: readonly T[], is: (one: T) => boolean, word: string): T {
  const one = list.find(is);
  if (one === undefined) throw failure('not-found', `there is no “${word}”`);
  return one;
}

export function failure(code: ApiError['code'], message: string, hint: string | null = null): ApiError {
  return { code, message, hint };
}
