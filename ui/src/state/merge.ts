// Two versions of a text and how they combine: the places where they differ, and what each choice makes of them.
//
// Pure. Which stretches differ is the daemon's word (`conflict.texts`); what is edited by hand is the editor's.
import type { ConflictTextsReply, RegionKind } from '../api/generated/control';

/** Lines from `from` to `to`, the last one excluded, counted from 0. */
export type Span = { from: number; to: number };

export type Side = 'base' | 'ours' | 'theirs';
export type Choice = 'ours' | 'theirs' | 'both' | 'base';

/** A place where at least one version differs from the others. */
export type Place = { kind: Exclude<RegionKind, 'unchanged'>; spans: Record<Side, Span> };

export type Merge = {
  /** What ends a line in all of the texts, if that is one and the same. */
  lineEnd: '\n' | '\r\n';
  /** Whether it is known what both were made from. */
  hasBase: boolean;
  /** The lines of each text with their ends, which are `\n` unless ends are mixed. */
  lines: Record<Side, readonly string[]>;
  places: readonly Place[];
};

/** A merged text in the making, and where in it the places are: offsets, the end excluded. */
export type Draft = { text: string; spots: readonly Span[] };

export function mergeOf(reply: ConflictTextsReply): Merge {
  const texts = { base: reply.base ?? '', ours: reply.ours, theirs: reply.theirs };
  const uniform = Object.values(texts).every((text) => text === '' || !/(^|[^\r])\n|\r(?!\n)/.test(text));
  const lineEnd = uniform && Object.values(texts).some((text) => text.includes('\r\n')) ? '\r\n' : '\n';
  const read = (text: string) => linesOf(lineEnd === '\n' ? text : text.replaceAll('\r\n', '\n'));
  const at = { base: 0, ours: 0, theirs: 0 };
  const places: Place[] = [];
  for (const { kind, base, ours, theirs } of reply.regions) {
    const spans = {
      base: { from: at.base, to: at.base + base },
      ours: { from: at.ours, to: at.ours + ours },
      theirs: { from: at.theirs, to: at.theirs + theirs },
    };
    if (kind !== 'unchanged') places.push({ kind, spans });
    at.base += base;
    at.ours += ours;
    at.theirs += theirs;
  }
  return {
    lineEnd,
    hasBase: reply.base !== null,
    lines: { base: read(texts.base), ours: read(texts.ours), theirs: read(texts.theirs) },
    places,
  };
}

/** What a choice puts at a place. */
export function chosen(merge: Merge, place: Place, choice: Choice): string {
  const part = (side: Side) => merge.lines[side].slice(place.spans[side].from, place.spans[side].to).join('');
  if (choice !== 'both') return part(choice);
  const [first, second] = [part('ours'), part('theirs')];
  // A last line without an end would run into the first line of the other.
  return first === '' || first.endsWith('\n') || second === '' ? first + second : `${first}\n${second}`;
}

/** What a place is before a person chooses: whoever changed it alone is right. */
export function settledBy(place: Place): Choice | null {
  switch (place.kind) {
    case 'ours':
    case 'alike':
      return 'ours';
    case 'theirs':
      return 'theirs';
    case 'conflict':
      return null;
  }
}

/** The text with everything merged that merges by itself, and an empty line at places that need a choice. */
export function draftOf(merge: Merge): Draft {
  const spots: Span[] = [];
  let text = '';
  let line = 0;
  for (const place of merge.places) {
    text += merge.lines.ours.slice(line, place.spans.ours.from).join('');
    const choice = settledBy(place);
    const put = choice === null ? '\n' : chosen(merge, place, choice);
    spots.push({ from: text.length, to: text.length + put.length });
    text += put;
    line = place.spans.ours.to;
  }
  return { text: text + merge.lines.ours.slice(line).join(''), spots };
}

/** A text as it is saved. */
export function withLineEnds(merge: Merge, text: string): string {
  return merge.lineEnd === '\n' ? text : text.replaceAll('\n', '\r\n');
}

/** Which places one goes through: those to choose at, or all where there are none. */
export function stops(merge: Merge): number[] {
  const all = merge.places.map((_, index) => index);
  const open = all.filter((index) => merge.places[index]?.kind === 'conflict');
  return open.length > 0 ? open : all;
}

function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}
