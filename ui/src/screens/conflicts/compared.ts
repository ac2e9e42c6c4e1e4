// Which two texts of a conflict stand beside each other, and what they are called.
import type { ConflictHead } from '../../api/generated/control';
import type { Pair } from '../../components/diff/panes';
import { moment } from '../../format/number';
import { text } from '../../format/text';
import type { Merge, Place, Side } from '../../state/merge';

/** The daemon takes no larger text. */
export const MOST_BYTES = 1 << 20;

/** Both versions, or what they began from and one of them. */
export type Compared = 'both' | 'ours' | 'theirs';

export function sidesOf(compared: Compared): { a: Side; b: Side } {
  return compared === 'both' ? { a: 'ours', b: 'theirs' } : { a: 'base', b: compared };
}

export function pairOf(
  merge: Merge,
  compared: Compared,
  names: { ours: string; theirs: string },
): Omit<Pair, 'alike'> {
  const label = { ...names, base: text.conflicts.merge.before };
  const { a: left, b: right } = sidesOf(compared);
  const show = (side: Side) => ({ label: label[side], text: merge.lines[side].join('') });
  const isDone = ({ kind }: Place) => kind !== 'conflict';
  return {
    a: show(left),
    b: show(right),
    places: merge.places.map((place) => ({
      a: place.spans[left],
      b: place.spans[right],
      done: isDone(place),
    })),
  };
}

/** What a version is called: its device's name, with the time where that device made several. */
export function versionName(head: ConflictHead, all: readonly ConflictHead[]): string {
  const alone = all.every((other) => other === head || other.device !== head.device);
  return alone ? head.device_name : text.conflicts.fromWhen(head.device_name, moment(head.mtime_ms));
}

/** The same for who hears a button without seeing where it is. */
export function spokenName(head: ConflictHead, all: readonly ConflictHead[]): string {
  const say = text.conflicts;
  return all.some((other) => other !== head && other.device === head.device)
    ? say.versionOf(head.device_name, moment(head.mtime_ms))
    : say.version(head.device_name);
}
