// Contents for the scripted daemon: texts that were changed on two sides, and pictures drawn on the spot.
import type { Conflict, ConflictTextsReply, PreviewView, RegionKind } from '../generated/control';

/** A stretch of a text: who changed it, what it was, and what the two sides made of it. */
type Stretch = { kind: RegionKind; base: string[]; ours: string[]; theirs: string[] };

const same = (...lines: string[]): Stretch => ({
  kind: 'unchanged',
  base: lines,
  ours: lines,
  theirs: lines,
});
const ours = (base: string[], changed: string[]): Stretch => ({
  kind: 'ours',
  base,
  ours: changed,
  theirs: base,
});
const theirs = (base: string[], changed: string[]): Stretch => ({
  kind: 'theirs',
  base,
  ours: base,
  theirs: changed,
});
const both = (base: string[], left: string[], right: string[]): Stretch => ({
  kind: 'conflict',
  base,
  ours: left,
  theirs: right,
});

const GARDEN = [
  same('# Garden', '', 'What to do before the frost.', ''),
  theirs([], ['Buy fleece for the lemon tree.', '']),
  same('## Beds', '', 'The strawberries move to the sunny side.'),
  both(
    ['Plant the garlic in the second week of October.'],
    ['Plant the garlic in the first week of November, after the rain.'],
    ['Plant the garlic on Saturday.', 'Ask Jo for the long spade.'],
  ),
  same('', '## Tools', '', 'Oil the shears.'),
  ours(['Return the ladder.'], ['The ladder is back.']),
  same('', 'Call about the shed.'),
];

const SHOPPING = [
  both([], ['Milk', 'Bread (the dark one)'], ['Oat milk', 'Bread']),
  same('Apples', 'Coffee', 'Tea'),
  both([], [], ['Candles', 'Matches']),
  same('Rice', 'Lentils'),
  both([], ['Soap'], ['Soap, two']),
];

/** What breaks layouts and disguises things: other directions, signs that are not seen, a line without end. */
const HARD = [
  same('مرحبا بالعالم، هذا نص طويل قليلا', 'שלום עולם', '👩‍👩‍👧‍👦 🌻🌈 ☀️'),
  both(['\tplain'], ['invoice\u202efdp.exe\u0007', '\ttabbed'], ['<img src=x onerror=document.title=1>']),
  same('x'.repeat(300_000)),
  theirs(['end'], ['the end '.repeat(400)]),
];

/** A text of 5,000 lines in which every hundredth was changed by one or both. */
function long(): Stretch[] {
  const line = (at: number) => `${String(at).padStart(5, '0')} the quick brown fox jumps over the lazy dog`;
  return Array.from({ length: 50 }, (_, at): Stretch[] => {
    const lines = Array.from({ length: 99 }, (_, more) => line(at * 100 + more));
    const last = [line(at * 100 + 99)];
    const left = [`${last.join('')}, twice`];
    const right = [`${last.join('')}, and again${' and again'.repeat(at % 5 === 0 ? 40 : 0)}`];
    if (at % 3 === 0) return [same(...lines), both(last, left, right)];
    return [same(...lines), at % 3 === 1 ? ours(last, left) : theirs(last, right)];
  }).flat();
}

function stretchesOf(path: string): Stretch[] | null {
  const ending = path.slice(path.lastIndexOf('.') + 1);
  if (path.startsWith('long/')) return long();
  if (path.startsWith('hard/')) return HARD;
  if (path.includes('Shopping')) return SHOPPING;
  return ['md', 'txt', 'csv'].includes(ending) ? GARDEN : null;
}

/** How two versions of a conflict combine. */
export function textsOf(one: Conflict, pair: [string, string] | undefined): ConflictTextsReply {
  const [first = '', second = ''] = pair ?? one.heads.map(({ version }) => version);
  const versions: [string, string] = [first, second];
  const heads = one.heads.filter(({ version }) => versions.includes(version));
  const none = (not_text: string): ConflictTextsReply => ({
    versions,
    not_text,
    base: null,
    ours: '',
    theirs: '',
    regions: [],
    merged: null,
  });
  if (heads.some(({ deleted, kind }) => deleted || kind !== 'file')) return none('no-file');
  if (heads.some(({ content_here }) => !content_here)) return none('not-here');
  const stretches = stretchesOf(one.path);
  if (!stretches) return none('not-text');
  const joined = (side: 'base' | 'ours' | 'theirs') =>
    stretches.flatMap((stretch) => stretch[side].map((text) => `${text}\n`)).join('');
  const known = one.base !== null;
  return {
    versions,
    not_text: null,
    base: known ? joined('base') : null,
    ours: joined('ours'),
    theirs: joined('theirs'),
    regions: stretches.map((stretch) => ({
      kind: known || stretch.kind === 'unchanged' ? stretch.kind : 'conflict',
      base: known ? stretch.base.length : 0,
      ours: stretch.ours.length,
      theirs: stretch.theirs.length,
    })),
    merged: null,
  };
}

/** What the content of a path looks like; `seed` tells versions apart. */
export function previewOf(path: string, seed: number): PreviewView {
  const ending = path.slice(path.lastIndexOf('.') + 1);
  if (ending === 'png' || ending === 'jpg') return picture(seed);
  const stretches = stretchesOf(path);
  if (!stretches) return { kind: 'none', why: 'this kind of file has no preview' };
  const side = (['theirs', 'ours', 'base'] as const)[seed % 3] ?? 'base';
  const text = stretches.flatMap((stretch) => stretch[side].map((line) => `${line}\n`)).join('');
  return { kind: 'text', text, cut_short: false };
}

function picture(seed: number): PreviewView {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [640, 427];
  const drawing = canvas.getContext('2d');
  if (drawing) {
    const sky = drawing.createLinearGradient(0, 0, 0, 427);
    sky.addColorStop(0, `hsl(${200 + 30 * seed} 60% 60%)`);
    sky.addColorStop(1, `hsl(${30 + 40 * seed} 70% 80%)`);
    drawing.fillStyle = sky;
    drawing.fillRect(0, 0, 640, 427);
    drawing.fillStyle = `hsl(${120 + 20 * seed} 40% 35%)`;
    drawing.beginPath();
    drawing.ellipse(320, 460, 420, 160 + 20 * seed, 0, 0, 2 * Math.PI);
    drawing.fill();
    drawing.fillStyle = 'hsl(48 90% 70%)';
    drawing.beginPath();
    drawing.arc(120 + 140 * seed, 110, 46, 0, 2 * Math.PI);
    drawing.fill();
  }
  const png = canvas.toDataURL('image/png').replace(/^[^,]*,/, '');
  return { kind: 'image', png, width: 4000, height: 2667 - 400 * (seed % 2) };
}
