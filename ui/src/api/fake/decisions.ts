// What the scripted daemon answers about conflicts and its history.
import type { EventBody } from '../generated/control';
import type { Part } from './methods';
import { failure, found, pageOf } from './replies';
import type { World } from './world';

export function decisions(world: World, tell: (body: EventBody) => void): Part<'conflict' | 'history'> {
  const settled = new Map<string, World['conflicts'][number]>();
  return {
    'conflict.list': ({ folder, after, limit = 1000 }) => {
      const list = world.conflicts.filter((one) => folder === undefined || one.folder === folder);
      const page = pageOf(list, after, limit);
      return { conflicts: page.entries, next: page.next };
    },
    'conflict.show': ({ id }) => found(world.conflicts, (one) => one.id === id, id),
    'conflict.resolve': ({ id, resolution }) => {
      const one = found(world.conflicts, (other) => other.id === id, id);
      settled.set(id, one);
      world.conflicts = world.conflicts.filter((other) => other !== one);
      countConflicts(world);
      tell({
        type: 'conflict-resolved',
        folder: one.folder,
        id,
        path: one.path,
        device: world.status.device.id,
      });
      return {
        folder: one.folder,
        path: one.path,
        beside: resolution.keep === 'both' ? [`${one.path} (2)`] : [],
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
    'history.list': () => ({ entries: [], next: null }),
    'history.restore': ({ folder, path, to }) => {
      const restored = to ?? path;
      tell({
        type: 'item-synced',
        folder,
        path: restored,
        action: 'changed',
        device: world.status.device.id,
      });
      return { path: restored };
    },
    'history.search': ({ folder, text = '', after, limit = 200 }) => {
      const wanted = text.toLowerCase();
      const list = world.history.filter(
        (one) => (folder === undefined || one.folder === folder) && one.path.toLowerCase().includes(wanted),
      );
      return { ...pageOf(list, after, limit), cut_short: false };
    },
  };
}

function countConflicts(world: World): void {
  for (const one of world.status.folders) {
    one.conflicts = world.conflicts.filter((conflict) => conflict.folder === one.id).length;
  }
}
