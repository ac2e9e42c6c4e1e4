// Draws every icon from its source with `rsvg-convert`. What it writes is checked in; icons/README.md says what goes where.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

const here = import.meta.dirname;
const app = join(here, '..', 'src-tauri', 'icons');

/** Of a source, the square picture of `width` pixels that it is read at; `from` is drawn on a grid that suits the width. */
function draw(from, width, to) {
  mkdirSync(dirname(to), { recursive: true });
  execFileSync('rsvg-convert', ['--width', width, '--height', width, '--output', to, join(here, from)].map(String));
}

/** The grid of 16 falls on whole pixels at its multiples; 22 and 24 have drawings of their own. */
const source = { 22: 'driftless-22.svg', 24: 'driftless-24.svg' };
for (const width of [16, 22, 24, 32, 48, 64, 128, 256, 512]) {
  draw(source[width] ?? 'driftless.svg', width, join(here, 'hicolor', `${width}x${width}`, 'apps', 'driftless.png'));
}

for (const [name, width] of [
  ['32x32', 32],
  ['128x128', 128],
  ['128x128@2x', 256],
  ['icon', 512],
]) {
  draw('driftless.svg', width, join(app, `${name}.png`));
}

for (const state of ['idle', 'syncing', 'paused', 'conflict', 'error', 'offline']) {
  draw(join('tray', `${state}.svg`), 44, join(app, 'tray', `${state}.png`));
}
