// Conflicts for the scripted daemon: ordinary ones in any number, and one of every kind there is.
import type { Conflict, ConflictHead } from '../generated/control';
import { deviceId, DEVICES, HARD_NAMES, HOME, pick } from './words';

const HOUR_MS = 3_600_000;

export function conflict(folder: string, label: string, path: string, at: number, nowMs: number): Conflict {
  const head = (device: number, name: string, hours: number, shown: boolean) => ({
    device: deviceId(device),
    device_name: name,
    kind: 'file' as const,
    size: 48_200 + 1711 * pick(at + device, 40),
    mtime_ms: nowMs - hours * HOUR_MS,
    shown,
    deleted: false,
    content_here: true,
    content_path: `${HOME}/${label}/${path}`,
    version: `${at}-${device}`,
  });
  const theirs = head(1, DEVICES[0], 1 + pick(at, 9), true);
  return {
    id: `c${at}`,
    folder,
    folder_label: label,
    path,
    opened_at_ms: nowMs - HOUR_MS,
    base: null,
    heads: [
      at % 9 === 8 ? { ...theirs, deleted: true, size: 0 } : theirs,
      head(0, 'maria-laptop', 2 + pick(at, 30), false),
      // A device that changed a file twice, not knowing of itself, is in conflict with itself.
      ...(at === 2 ? [{ ...head(0, 'maria-laptop', 50, false), version: '2-before' }] : []),
    ],
  };
}

/** One of every kind, each with an ID that says what it is. */
export function ofEveryKind(nowMs: number): Conflict[] {
  const make = (id: string, path: string, change: (one: Conflict) => Partial<Conflict> = () => ({})) => {
    const one = { ...conflict('projects', 'Projects', path, 0, nowMs), id };
    one.base = { size: 46_100, mtime_ms: nowMs - 50 * HOUR_MS, device_name: DEVICES[0] };
    return { ...one, ...change(one) };
  };
  const change = (one: Conflict, at: number, fields: Partial<ConflictHead>) => ({
    heads: one.heads.map((head, index) => (index === at ? { ...head, ...fields } : head)),
  });
  const absent = { content_path: null, size: 0 };
  return [
    make('text', 'notes/Garden.md'),
    make('no-base', 'notes/Shopping.txt', () => ({ base: null })),
    make('long', 'long/Log.txt'),
    make('named', `notes/${HARD_NAMES[0]}.md`, (one) => change(one, 0, { device_name: HARD_NAMES[0] })),
    make('hard', 'hard/مستندات 🌻.txt'),
    make('image', 'pictures/Fox.png'),
    make('other', 'budget/Budget 2026.ods', () => ({ base: null })),
    make('three', 'notes/Three.md', (one) => ({
      heads: [
        ...one.heads,
        {
          ...(one.heads[0] as ConflictHead),
          device: deviceId(2),
          device_name: DEVICES[1],
          shown: false,
          version: '0-2',
          mtime_ms: nowMs - 5 * HOUR_MS,
        },
      ],
    })),
    make('deleted', 'notes/Old list.md', (one) => change(one, 0, { ...absent, deleted: true })),
    make('directory', 'work/Report', (one) => change(one, 0, { ...absent, kind: 'directory' })),
    make('not-here', 'notes/On its way.md', (one) => ({
      ...change(one, 1, { content_here: false, content_path: null }),
    })),
  ];
}
