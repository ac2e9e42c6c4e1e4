// Fails when what the window loads has grown too large: at the start, or when a part of it is first needed.
import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const KIB = 1024;
const START_LIMIT_BYTES = 150 * KIB;
const LATER_LIMIT_BYTES = 170 * KIB;

const dist = new URL('../dist/', import.meta.url);
const read = (name) => readFileSync(new URL(`assets/${name}`, dist), 'utf8');

/** A script and all that it imports at once; what is imported later is written as a call. */
function withImports(name, found = new Set()) {
  if (found.has(name)) return found;
  found.add(name);
  for (const [, other] of read(name).matchAll(/(?:from|import)\s*["']\.\/([^"']+\.js)["']/g)) {
    withImports(other, found);
  }
  return found;
}

const page = readFileSync(new URL('index.html', dist), 'utf8');
const start = new Set();
for (const [, name] of page.matchAll(/(?:src|href)="[^"]*assets\/([^"]+\.js)"/g)) withImports(name, start);
const later = readdirSync(new URL('assets/', dist)).filter(
  (name) => name.endsWith('.js') && !start.has(name),
);

const size = (names) => [...names].reduce((sum, name) => sum + gzipSync(read(name)).length, 0);
let isTooLarge = start.size === 0;
for (const [when, names, limit] of [
  ['at the start', start, START_LIMIT_BYTES],
  ['when needed', later, LATER_LIMIT_BYTES],
]) {
  const bytes = size(names);
  console.log(`JavaScript ${when}: ${(bytes / KIB).toFixed(1)} KiB gzipped of ${limit / KIB} allowed`);
  isTooLarge ||= bytes > limit;
}
if (isTooLarge) process.exit(1);
