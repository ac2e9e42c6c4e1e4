import { expect, test } from 'vitest';
import type { ConflictTextsReply, RegionKind } from '../api/generated/control';
import { chosen, draftOf, mergeOf, settledBy, stops, withLineEnds, type Merge } from './merge';

type Stretch = [kind: RegionKind, base: string, ours: string, theirs: string];

/** Texts made of stretches; every line is a word. */
function merge(stretches: Stretch[], lineEnd = '\n', base = true): Merge {
  const lines = (text: string) => text.split(' ').filter((word) => word !== '');
  const whole = (at: 1 | 2 | 3) =>
    stretches.flatMap((stretch) => lines(stretch[at]).map((word) => word + lineEnd)).join('');
  const reply: ConflictTextsReply = {
    versions: ['a', 'b'],
    not_text: null,
    base: base ? whole(1) : null,
    ours: whole(2),
    theirs: whole(3),
    regions: stretches.map(([kind, ...texts]) => {
      const [base = 0, ours = 0, theirs = 0] = texts.map((text) => lines(text).length);
      return { kind, base, ours, theirs };
    }),
    merged: null,
  };
  return mergeOf(reply);
}

const GARDEN: Stretch[] = [
  ['unchanged', 'a b', 'a b', 'a b'],
  ['ours', 'c', 'C', 'c'],
  ['unchanged', 'd', 'd', 'd'],
  ['conflict', 'e', 'E1 E2', 'E3'],
  ['alike', 'f', 'F', 'F'],
  ['theirs', '', '', 'G'],
];

test('what merges by itself is merged, and a place to choose at is an empty line until someone chose', () => {
  const shown = merge(GARDEN);
  const draft = draftOf(shown);
  expect(draft.text).toBe('a\nb\nC\nd\n\nF\nG\n');
  expect(draft.spots.map(({ from, to }) => draft.text.slice(from, to))).toEqual(['C\n', '\n', 'F\n', 'G\n']);
  expect(shown.places.map(settledBy)).toEqual(['ours', null, 'ours', 'theirs']);
});

test('each choice puts the lines of its side, both in order', () => {
  const shown = merge(GARDEN);
  const place = shown.places[1];
  if (!place) throw new Error('there is a second place');
  const choices = (['ours', 'theirs', 'both', 'base'] as const).map((choice) => chosen(shown, place, choice));
  expect(choices).toEqual(['E1\nE2\n', 'E3\n', 'E1\nE2\nE3\n', 'e\n']);
});

test('one goes through the places to choose at, or through all where nobody has to', () => {
  expect(stops(merge(GARDEN))).toEqual([1]);
  expect(stops(merge(GARDEN.filter(([kind]) => kind !== 'conflict')))).toEqual([0, 1, 2]);
});

test('lines keep their ends, and two last lines without an end do not run together', () => {
  const windows = merge(GARDEN, '\r\n');
  expect(draftOf(windows).text).toBe('a\nb\nC\nd\n\nF\nG\n');
  expect(withLineEnds(windows, 'a\nb\n')).toBe('a\r\nb\r\n');
  const mixed = mergeOf({
    versions: ['a', 'b'],
    not_text: null,
    base: null,
    ours: 'one\r\ntwo',
    theirs: 'one\r\nthree\n',
    regions: [
      { kind: 'unchanged', base: 0, ours: 1, theirs: 1 },
      { kind: 'conflict', base: 0, ours: 1, theirs: 1 },
    ],
    merged: null,
  });
  expect(withLineEnds(mixed, draftOf(mixed).text)).toBe('one\r\n\n');
  const [place] = mixed.places;
  if (!place) throw new Error('there is a place');
  expect(chosen(mixed, place, 'both')).toBe('two\nthree\n');
});
