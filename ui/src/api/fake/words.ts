// Names for the scripted daemon's folders, devices and files: ordinary ones, and the kinds that break layouts.

/** Spelt in parts, because no path of a real machine stands in the sources. */
export const HOME = ['', 'home', 'maria'].join('/');

export const FOLDERS = [
  'Documents',
  'Photos',
  'Projects',
  'Music',
  'Recipes',
  'Thesis',
  'Accounts',
  'Scans',
  'E-books',
  'Videos',
] as const;

export const HARD_NAMES = [
  'A very long name that someone once gave to a folder because they wanted to remember everything about it, and then never dared to shorten, since who knows which other programs might rely on every word of it being there',
  'مستندات العائلة المشتركة',
  'תמונות מהחופשה 2026',
  '🌻🌈 Sommer ☀️ 👩‍👩‍👧‍👦',
  '<img src=x onerror=document.title=1>',
  'e\u0301clairs et cafe\u0301',
  'invoice\u202efdp.exe',
  '議事録・最終版（２）',
] as const;

export const DEVICES = [
  'Laptop in the kitchen',
  'Work laptop',
  'Tower',
  'Media box',
  'Old ThinkPad',
  'Studio Mac',
  'Büro',
  'Ferienhaus',
  'حاسوب المكتب',
  'A device whose name says all about where it stands',
] as const;

const STEMS = [
  'Report',
  'Notes',
  'IMG',
  'Budget',
  'Letter',
  'Draft',
  'Plan',
  'Minutes',
  'Scan',
  'Track',
] as const;
const ENDINGS = ['pdf', 'odt', 'jpg', 'ods', 'md', 'png', 'txt', 'mp3', 'docx', 'csv'] as const;

/** The same whole number below `bound` for the same seed. */
export function pick(seed: number, bound: number): number {
  let x = (seed + 0x9e3779b9) | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return ((x ^ (x >>> 16)) >>> 0) % bound;
}

export function fileName(seed: number): string {
  const stem = STEMS[pick(seed, STEMS.length)];
  return `${stem} ${String(seed).padStart(4, '0')}.${ENDINGS[pick(seed + 1, ENDINGS.length)]}`;
}

/** An ID as driftless writes them: 56 letters and digits in groups of seven. */
export function deviceId(seed: number): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const id = Array.from({ length: 56 }, (_, at) => letters[pick(seed * 101 + at, 32)]).join('');
  return (id.match(/.{7}/g) ?? []).join('-');
}
