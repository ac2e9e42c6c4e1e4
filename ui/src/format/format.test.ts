import { describe, expect, test } from 'vitest';
import golden from '../../../tests/golden/headline.json';
import { folder, problem, worldOf } from '../api/fake/world';
import type { Status } from '../api/generated/control';
import { beside } from './beside';
import { folderLine, safety } from './folder';
import { headline } from './headline';
import { readLink } from './link';
import { ago, count, estimate, percent, plural, size } from './number';
import { named, nameOf, parentOf, safe, sentence, shortPath } from './safe';

describe('numbers', () => {
  test.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [10_240, '10 KiB'],
    [1024 ** 2 - 1, '1.0 MiB'],
    [5 * 1024 ** 4, '5.0 TiB'],
  ])('%d bytes read as %s', (bytes, words) => expect(size(bytes)).toBe(words));

  test.each([
    [0, 'a few seconds'],
    [41, 'about 50 s'],
    [61, 'about 2 min'],
    [5400, 'about 2 h'],
    [200_000, 'about 2 days'],
  ])('%d seconds take %s', (seconds, words) => expect(estimate(seconds)).toBe(words));

  test('thousands are set apart and one thing is one', () => {
    expect(count(1_234_567)).toBe('1,234,567');
    expect([plural(1, 'file'), plural(1204, 'file')]).toEqual(['1 file', '1,204 files']);
  });

  test('time goes by in words, and what is to come is just now', () => {
    const hour = 3_600_000;
    expect([ago(0, 5), ago(3 * 60_000, 0), ago(5 * hour, 0), ago(49 * hour, 0)]).toEqual([
      'just now',
      '3 min ago',
      '5 h ago',
      '2 days ago',
    ]);
  });

  test('a hundred per cent is never said early', () => {
    expect(percent(999_999, 1)).toBe(99);
    expect(percent(5, 0)).toBe(100);
    expect(percent(0, 0)).toBe(0);
  });
});

describe('names', () => {
  test('L4: what could reorder, hide or break text is written out, and all else stays', () => {
    expect(safe('invoice\u202efdp.exe')).toBe('invoice\\u{202e}fdp.exe');
    expect(safe('a\nb\tc\u0000')).toBe('a\\nb\\tc\\u{0}');
    expect(safe('e\u0301 👩‍👩‍👧 مستندات <b>')).toBe('e\u0301 👩‍👩‍👧 مستندات <b>');
  });

  test('L4: a name too long for a sentence keeps both its ends, and no character is torn or let through', () => {
    expect(named('Reports 2026')).toBe('Reports 2026');
    expect(named(`begin ${'x'.repeat(200)} end.pdf`)).toMatch(/^begin x+…x+ end\.pdf$/);
    expect(named('👩‍👩‍👧'.repeat(60))).toBe(`${'👩‍👩‍👧'.repeat(27)}…${'👩‍👩‍👧'.repeat(27)}`);
    expect(named('👩‍👩‍👧'.repeat(20))).toBe('👩‍👩‍👧'.repeat(20));
    expect(named(`${'x'.repeat(99)}\u202efdp.exe`)).toContain('\\u{202e}fdp.exe');
  });

  test('home is a tilde only where it is home', () => {
    expect(shortPath('/data/ann/x', '/data/ann')).toBe('~/x');
    expect(shortPath('/data/ann', '/data/ann/')).toBe('~');
    expect(shortPath('/data/anna/x', '/data/ann')).toBe('/data/anna/x');
    expect(shortPath('/x', '')).toBe('/x');
  });

  test('a path has a name and a parent', () => {
    expect([nameOf('a/b/c'), nameOf('c'), parentOf('a/b/c'), parentOf('c')]).toEqual(['c', 'c', 'a/b', '']);
  });

  test('a message reads as a sentence, once', () => {
    expect([sentence('may not be read'), sentence('Done.'), sentence('')]).toEqual([
      'May not be read.',
      'Done.',
      '',
    ]);
  });

  test('a copy keeps its ending, and its name never makes a directory', () => {
    expect(beside('a.b/c.txt', ' (2)')).toBe('a.b/c (2).txt');
    expect(beside('a.b/c', ' (2)')).toBe('a.b/c (2)');
    expect(beside('.profile', ' (2)')).toBe('.profile (2)');
    expect(beside('c.txt', ' (1/2 3:4)')).toBe('c (1-2 3.4).txt');
  });
});

describe('a link', () => {
  const id = Array.from({ length: 8 }, () => 'ABCDEF2').join('-');

  test('or an ID names a device, however it was typed', () => {
    expect(readLink(` ${id} `)).toEqual({ id, addresses: [] });
    expect(readLink(id.replaceAll('-', '').toLowerCase())).toEqual({ id, addresses: [] });
    expect(readLink(`driftless://device/${id}?name=Ann%E2%80%99s&address=10.0.0.7:22100`)).toEqual({
      id,
      name: 'Ann’s',
      addresses: ['10.0.0.7:22100'],
    });
  });

  test.each([
    '',
    'ABC',
    'https://example.org/',
    `driftless://folder/${id}`,
    `${id}A`,
    `driftless://device/1${id}`,
  ])('is not %s', (text) => expect(readLink(text)).toBeNull());
});

describe('the one sentence', () => {
  const calm: Status = {
    ...worldOf('typical', 0).status,
    offers: 0,
    folders: [{ ...folder('A', 1, 1), devices: ['x'], copies: 2 }],
    devices: [],
  };
  const [one] = calm.folders;
  const withFolder = (change: object): Status => ({
    ...calm,
    folders: [{ ...(one ?? folder('A', 1, 1)), ...change }],
  });
  const heldBack = { deletions: 1, rewrites: 0, device: null };

  test.each([
    ['Everything is up to date', calm],
    ['No folders yet', { ...calm, folders: [] }],
    ['Everything is paused', withFolder({ state: 'paused' })],
    ['Looking for changes', withFolder({ state: 'scanning' })],
    ['1 folder is offered to you', { ...calm, offers: 1 }],
    ['1 problem needs a look', withFolder({ problem_count: 1, problems: [problem('io-error', '', '')] })],
    [
      '1 problem needs a look',
      { ...withFolder({ conflicts: 2 }), problems: [problem('identity-in-use', '', '')] },
    ],
    ['Receiving 3 files, about 2 min', withFolder({ state: 'syncing', need_files: 3, eta_s: 100 })],
    ['Receiving 3 files', withFolder({ state: 'scanning', need_files: 3 })],
    ['2 conflicts need you', withFolder({ conflicts: 2, need_files: 3 })],
    ['A large change in A waits for your yes', withFolder({ held_back: heldBack, conflicts: 2 })],
    ['A has stopped', withFolder({ state: 'stopped', held_back: heldBack, conflicts: 2 })],
  ])('is “%s”', (sentence, status) => expect(headline(status).sentence).toBe(sentence));

  // The desktop's panel is held to the same table (src-tauri/src/sentence.rs).
  test.each(golden.cases)('is what the panel says: “$sentence”', (one) => {
    const status = {
      ...{ device: { id: 'A', name: 'here', addresses: [] }, version: '0', offers: 0, problems: [] },
      ...one,
      folders: (one.folders ?? []).map((change) => ({ ...golden.folder, ...change })),
      devices: (one.devices ?? []).map((change) => ({ ...golden.device, ...change })),
    } as unknown as Status;
    const { sentence, online, meaning } = headline(status);
    expect([sentence, online, meaning]).toEqual([one.sentence, one.online, one.meaning]);
  });

  test('I17: says that all is up to date only when every folder says so itself', () => {
    for (const state of ['scanning', 'syncing', 'paused', 'stopped'] as const) {
      const { sentence } = headline(withFolder({ state }));
      expect(sentence, state).not.toContain('Everything is up to date');
    }
  });
});

describe('a folder', () => {
  test('that needs a person is marked so while it says what it does', () => {
    const line = folderLine({ ...folder('A', 1, 1), conflicts: 1 });
    expect(line).toMatchObject({ doing: 'fine', meaning: 'needs-you', word: 'Up to date', percent: null });
  });

  test('is called safe only when it is on another device too, wholly', () => {
    const shared = { ...folder('A', 1, 1), devices: ['x'] };
    expect(safety(folder('A', 1, 1))).toEqual({ safe: false, words: 'Only on this device' });
    expect(safety({ ...shared, copies: 2 })).toEqual({ safe: true, words: 'On 2 devices' });
    expect(safety({ ...shared, copies: 1 }).safe).toBe(false);
    expect(safety({ ...shared, copies: 2, only_here_files: 12 })).toEqual({
      safe: false,
      words: '12 files are only here yet',
    });
  });
});
