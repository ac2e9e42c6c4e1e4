// Names come from other people's disks: they are shown as text, and must not be able to reorder it.

/** Characters that move the cursor or change the direction of text; `driftless-cli` escapes the same. */
const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc1f]/g;

/** Writes unsafe characters as `\u{…}`, so that a name is only ever shown. */
export function safe(text: string): string {
  return text.replace(UNSAFE, (character) => {
    if (character === '\n') return '\\n';
    if (character === '\t') return '\\t';
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  });
}

/** Characters of a name that a sentence has room for. */
const NAMED = 56;
const characters = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** A name within a sentence: both its ends, where it is too long to be read on the way. */
export function named(name: string): string {
  // No character is shorter than one unit, so most names need no look at theirs.
  if (name.length <= NAMED) return safe(name);
  const all = Array.from(characters.segment(name), ({ segment }) => segment);
  if (all.length <= NAMED) return safe(name);
  const half = (NAMED - 2) / 2;
  return safe(`${all.slice(0, half).join('').trimEnd()}…${all.slice(-half).join('').trimStart()}`);
}

/** A path as people write it: the home directory as `~`. */
export function shortPath(path: string, home: string): string {
  const below = home.replace(/\/+$/, '');
  if (below !== '' && (path === below || path.startsWith(`${below}/`)))
    return safe(`~${path.slice(below.length)}`);
  return safe(path);
}

/** A message of the daemon, which begins small and has no period, as a sentence of its own. */
export function sentence(message: string): string {
  const shown = safe(message);
  const first = shown.codePointAt(0);
  if (first === undefined) return '';
  const letter = String.fromCodePoint(first);
  return letter.toUpperCase() + shown.slice(letter.length) + (/[.!?…]$/.test(shown) ? '' : '.');
}

/** The last component. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** All but the last component, without its slash; empty for a path of one component. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
