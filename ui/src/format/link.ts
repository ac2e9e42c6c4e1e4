// A device as a person passes it on: a link, or its bare ID.

/** What a link names, as `device.add` takes it. */
export type LinkTarget = { id: string; name?: string; addresses: string[] };

const MOST_ADDRESSES = 8;
const LONGEST_NAME = 64;

/** Reads `driftless://device/ID?name=NAME&address=HOST:PORT` or an ID; null for anything else. */
export function readLink(pasted: string): LinkTarget | null {
  const word = pasted.trim();
  const bare = readId(word);
  if (bare !== null) return { id: bare, addresses: [] };
  const link = /^driftless:\/\/device\/([^?/]+)\/?(?:\?(.*))?$/i.exec(word);
  const id = readId(link?.[1] ?? '');
  if (id === null) return null;
  const query = new URLSearchParams(link?.[2] ?? '');
  const name = query.get('name')?.slice(0, LONGEST_NAME);
  const addresses = query.getAll('address').slice(0, MOST_ADDRESSES);
  return { id, addresses, ...(name ? { name } : {}) };
}

/** 56 letters and digits in groups of seven, however they were typed; the daemon checks the check digits. */
function readId(text: string): string | null {
  const letters = text.replace(/[\s-]/g, '').toUpperCase();
  if (!/^[A-Z2-7]{56}$/.test(letters)) return null;
  return (letters.match(/.{7}/g) ?? []).join('-');
}
