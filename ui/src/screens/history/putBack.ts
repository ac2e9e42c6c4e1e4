// Putting a displaced version back.
import type { FoundVersion } from '../../api/generated/control';
import { beside } from '../../format/beside';
import { moment } from '../../format/number';
import { text } from '../../format/text';
import type { Daemon } from '../../state/daemon.svelte';
import { notices } from '../../state/notices.svelte';

/** In its place, where it pushes what is there into the history, or beside it; says whether it is back. */
export async function putBack(
  daemon: Daemon,
  { folder, path, version, displaced_at_ms }: FoundVersion,
  where: 'place' | 'copy' = 'place',
): Promise<boolean> {
  const say = text.history;
  const to = where === 'copy' ? { to: beside(path, say.copySuffix(moment(displaced_at_ms))) } : {};
  const restored = await notices.try(daemon.call('history.restore', { folder, path, version, ...to }));
  if (restored) notices.tell(say.done(restored.path));
  return restored !== undefined;
}
