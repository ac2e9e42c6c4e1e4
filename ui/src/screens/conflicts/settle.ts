// Settling conflicts, with the way back.
import type { Conflict, Resolution } from '../../api/generated/control';
import { text } from '../../format/text';
import type { Daemon } from '../../state/daemon.svelte';
import { notices } from '../../state/notices.svelte';

/** Settles each in turn and offers to undo what was settled; says whether all were. */
export async function settle(
  daemon: Daemon,
  conflicts: readonly Conflict[],
  resolution: Resolution,
): Promise<boolean> {
  const done: string[] = [];
  for (const { id, heads } of conflicts) {
    // Among these it was chosen; of others that came meanwhile nobody knew.
    const seen = heads.map(({ version }) => version);
    if (!(await notices.try(daemon.call('conflict.resolve', { id, resolution, seen })))) break;
    done.push(id);
  }
  if (done.length > 0) {
    notices.tell(text.conflicts.settled(done.length), {
      label: text.conflicts.undo,
      run: () => void undo(daemon, done),
    });
  }
  return done.length === conflicts.length;
}

/** Who made versions of these: this device first, then who made the most. */
export function devicesOf(
  conflicts: readonly Conflict[],
  ownId: string | undefined,
): { id: string; name: string }[] {
  const made = new Map<string, { name: string; weight: number }>();
  for (const { device: id, device_name: name } of conflicts.flatMap(({ heads }) => heads)) {
    made.set(id, { name, weight: (made.get(id)?.weight ?? (id === ownId ? Infinity : 0)) + 1 });
  }
  return [...made].sort(([, a], [, b]) => b.weight - a.weight).map(([id, { name }]) => ({ id, name }));
}

async function undo(daemon: Daemon, ids: string[]): Promise<void> {
  if (await notices.try(daemon.call('conflict.undo', { ids }))) notices.tell(text.conflicts.undone);
}
