// The scripted daemon's past: what it displaced and what happened, made up or as it goes.
import type { Activity, EventBody, FoundVersion } from '../generated/control';
import { deviceId, DEVICES, fileName, HARD_NAMES, pick } from './words';
import type { World } from './world';

const MINUTE_MS = 60_000;

export function versions(world: World, number: number, nowMs: number): FoundVersion[] {
  const reasons = [
    'overwritten',
    'deleted',
    'overwritten',
    'conflict',
    'reverted',
    'edited',
    'removed',
  ] as const;
  return Array.from({ length: number }, (_, at) => {
    const one = world.status.folders[pick(at >> 3, world.status.folders.length)];
    return {
      folder: one?.id ?? '',
      folder_label: one?.label ?? '',
      version: `v${at}`,
      path: number > 100 && HARD_NAMES[at] ? HARD_NAMES[at] : `Letters/${fileName(at)}`,
      size: 2000 + pick(at, 4_000_000),
      displaced_at_ms: nowMs - at * 37 * MINUTE_MS,
      device: deviceId(1 + pick(at, 2)),
      device_name: DEVICES[pick(at, 2)] ?? null,
      reason: reasons[at % reasons.length] ?? 'overwritten',
    };
  });
}

export function events(world: World, number: number, nowMs: number): Activity[] {
  const actions = ['created', 'changed', 'renamed', 'deleted', 'changed'] as const;
  return Array.from({ length: number }, (_, at): Activity => {
    const at_ms = nowMs - (at + 1) * 4 * MINUTE_MS;
    const device = world.status.devices[0];
    const one = world.status.folders[pick(at >> 2, world.status.folders.length)];
    const path = number > 100 && HARD_NAMES[at] ? HARD_NAMES[at] : `Letters/${fileName(at)}`;
    const count = at % 6 === 1 ? 214 : 1;
    const body: EventBody =
      at % 12 === 5 && device
        ? { type: 'paired', device: device.id, name: device.name }
        : {
            type: 'item-synced',
            folder: one?.id ?? '',
            path,
            action: actions[at % actions.length] ?? 'changed',
            device: device?.id ?? null,
          };
    return {
      id: number - at,
      since_ms: at_ms - (count - 1) * 100,
      at_ms,
      count,
      paths: count === 1 ? [path] : Array.from({ length: 20 }, (_, more) => `Letters/${fileName(more)}`),
      body,
      folder_label: one?.label ?? null,
      device_name: device?.name ?? null,
    };
  });
}

/** Adds to what happened, as one with what it goes on with. */
export function remember(world: World, body: EventBody, at_ms: number): void {
  if (body.type === 'progress' || body.type === 'config-changed') return;
  const last = world.activity[0];
  const path = 'path' in body ? body.path : '';
  if (last && body.type === 'item-synced' && last.body.type === body.type && at_ms - last.at_ms < 10_000) {
    world.activity[0] = { ...last, at_ms, count: last.count + 1, body };
    return;
  }
  const folder = 'folder' in body ? world.status.folders.find((one) => one.id === body.folder) : undefined;
  const entry: Activity = {
    id: (last?.id ?? 0) + 1,
    since_ms: at_ms,
    at_ms,
    count: 1,
    paths: path === '' ? [] : [path],
    body,
    folder_label: folder?.label ?? null,
    device_name: null,
  };
  world.activity = [entry, ...world.activity];
}
