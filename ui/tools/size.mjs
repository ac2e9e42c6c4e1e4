// Fails when what the window loads has grown too large.
import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const LIMIT_BYTES = 150 * 1024;

const assets = new URL('../dist/assets/', import.meta.url);
const scripts = readdirSync(assets).filter((name) => name.endsWith('.js'));
const bytes = scripts
  .map((script) => gzipSync(readFileSync(new URL(script, assets))).length)
  .reduce((sum, size) => sum + size, 0);
console.log(`JavaScript: ${(bytes / 1024).toFixed(1)} KiB gzipped of ${LIMIT_BYTES / 1024} allowed`);
if (scripts.length === 0 || bytes > LIMIT_BYTES) process.exit(1);
