// Asking for conflicts in pages until there are no more.
import type { Conflict, ConflictPage } from '../../api/generated/control';
import type { Daemon } from '../../state/daemon.svelte';

/** Beyond this many, the rest shows up as the first ones are settled. */
const MOST = 5000;

/** All open conflicts, or those of one folder, in the daemon's order. */
export async function allConflicts(daemon: Daemon, folder?: string): Promise<Conflict[]> {
  const all: Conflict[] = [];
  let after: string | null = null;
  do {
    const page: ConflictPage = await daemon.call('conflict.list', {
      ...(folder === undefined ? {} : { folder }),
      ...(after === null ? {} : { after }),
    });
    all.push(...page.conflicts);
    after = page.next;
  } while (after !== null && all.length < MOST);
  return all;
}
