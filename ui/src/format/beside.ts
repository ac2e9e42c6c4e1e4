// Names for copies.

/** A path with something added to its name before the ending: `a/b.txt` and ` (2)` give `a/b (2).txt`. */
export function beside(path: string, suffix: string): string {
  const slash = path.lastIndexOf('/');
  const dot = path.lastIndexOf('.');
  // No name may hold a slash, and a dot that begins a name ends nothing.
  const added = suffix.replaceAll('/', '-').replaceAll(':', '.');
  return dot > slash + 1 ? path.slice(0, dot) + added + path.slice(dot) : path + added;
}
