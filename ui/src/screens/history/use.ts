// What a folder takes beside its files, in parts.
import type { FolderSpace } from '../../api/generated/control';
import { text } from '../../format/text';

export type Part = { name: keyof typeof text.history.space.parts; bytes: number };

/** The parts that take anything, always in the same order. */
export function partsOf(space: FolderSpace): Part[] {
  const all: Part[] = [
    { name: 'history', bytes: space.history_bytes },
    { name: 'conflicts', bytes: space.conflicts_bytes },
    { name: 'staging', bytes: space.staging_bytes },
    { name: 'texts', bytes: space.texts_bytes },
    { name: 'database', bytes: space.database_bytes },
  ];
  return all.filter(({ bytes }) => bytes > 0);
}

export function besides(space: FolderSpace): number {
  return partsOf(space).reduce((sum, { bytes }) => sum + bytes, 0);
}
