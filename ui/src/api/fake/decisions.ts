// What the scripted daemon answers about conflicts.
import type {
  Conflict,
  ConflictHead,
  EventBody,
  Foreseen,
  ForeseenFile,
  Resolution,
} from '../generated/control';
import type { Part } from './methods';
import { failure, found, pageOf } from './replies';
import { textsOf } from './samples';
import type { World } from './world';

export function decisions(world: World, tell: (body: EventBody) => void): Part<'conflict'> {
  const settled = new Map<string, World['conflicts'][number]>();
  const find = (id: string) => found(world.conflicts, (one) => one.id === id, id);
  return {
    'conflict.list': ({ folder, after, limit = 1000 }) => {
      const list = world.conflicts.filter((one) => folder === undefined || one.folder === folder);
      const page = pageOf(list, after, limit);
      return { conflicts: page.entries, next: page.next };
    },
    'conflict.show': ({ id }) => find(id),
    'conflict.texts': ({ id, versions }) => textsOf(find(id), versions),
    'conflict.foresee': ({ ids, resolution }) => ids.map((id) => foresee(world, find(id), resolution)),
    'conflict.resolve': ({ id, resolution, seen }) => {
      const one = find(id);
      if (seen && one.heads.some(({ version }) => !seen.includes(version)))
        throw failure('refused', 'another version came meanwhile', 'Look at it and choose again.');
      const { refused } = foresee(world, one, resolution);
      if (refused !== null) throw failure('refused', refused);
      settled.set(id, one);
      world.conflicts = world.conflicts.filter((other) => other !== one);
      countConflicts(world);
      tell({
        type: 'conflict-resolved',
        folder: one.folder,
        id,
        path: one.path,
        device: world.status.device.id,
        by_policy: false,
      });
      return {
        folder: one.folder,
        path: one.path,
        beside: resolution.keep === 'both' ? [besideOf(one, 0)] : [],
      };
    },
    'conflict.undo': ({ ids }) => {
      const paths = [];
      for (const id of ids) {
        const one = settled.get(id);
        if (!one) throw failure('not-found', 'this resolution was not made here');
        world.conflicts = [one, ...world.conflicts];
        countConflicts(world);
        tell({ type: 'conflict-opened', folder: one.folder, id, path: one.path });
        paths.push(one.path);
      }
      return { paths };
    },
  };
}

function foresee(world: World, one: Conflict, resolution: Resolution): Foreseen {
  const folder = world.status.folders.find(({ id }) => id === one.folder);
  const others = world.status.devices.filter(({ id }) => folder?.devices.includes(id));
  const said: Foreseen = {
    id: one.id,
    path: one.path,
    refused: null,
    holds: [],
    to_history: [],
    devices: [world.status.device.name, ...others.map(({ name }) => name)],
  };
  const made = (size: number, device_name: string | null): Foreseen => ({
    ...said,
    holds: [{ path: one.path, kind: 'file', size, device_name, deleted: false }],
    to_history: one.heads.filter(({ deleted }) => !deleted).map((head) => fileOf(one.path, head)),
  });
  switch (resolution.keep) {
    case 'device':
    case 'version': {
      const kept = one.heads.filter((head) =>
        resolution.keep === 'version'
          ? head.version === resolution.version
          : [head.device, head.device_name].includes(resolution.device),
      );
      const [head] = kept;
      const refused = (why: string) => ({ ...said, refused: why, devices: [] });
      if (!head) return refused('that device made none of the versions');
      if (kept.length > 1) return refused('that device made several versions');
      if (!head.content_here && !head.deleted) return refused('its content is not on this device yet');
      const away = one.heads.filter((other) => other !== head && !other.deleted);
      return {
        ...said,
        holds: [fileOf(one.path, head)],
        to_history: away.map((other) => fileOf(one.path, other)),
      };
    }
    case 'both':
      return {
        ...said,
        holds: one.heads.map((head, at) => fileOf(at === 0 ? one.path : besideOf(one, at), head)),
      };
    case 'text':
      return made(new TextEncoder().encode(resolution.text).length, null);
    case 'with-file':
      return made(1234, null);
    case 'history': {
      const kept = world.history.find(({ version }) => version === resolution.version);
      return made(kept?.size ?? 0, kept?.device_name ?? null);
    }
  }
}

function fileOf(path: string, head: ConflictHead): ForeseenFile {
  const { kind, size, device_name, deleted } = head;
  return { path, kind, size, device_name, deleted };
}

function besideOf(one: Conflict, at: number): string {
  const dot = one.path.lastIndexOf('.');
  const name = ` (${one.heads[at]?.device_name ?? 'other'})`;
  return dot < 0 ? one.path + name : one.path.slice(0, dot) + name + one.path.slice(dot);
}

export function countConflicts(world: World): void {
  for (const one of world.status.folders) {
    one.conflicts = world.conflicts.filter((conflict) => conflict.folder === one.id).length;
  }
}
