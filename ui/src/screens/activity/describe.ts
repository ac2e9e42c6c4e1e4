// How something that happened reads in a line.
import type { Activity, ItemAction, Status } from '../../api/generated/control';
import type { IconName } from '../../components/icons';
import { nameOf, safe } from '../../format/safe';
import { text } from '../../format/text';

export type EventLine = { icon: IconName; what: string; name: string; paths: string[]; where: string };

const say = text.activity;
const ICONS: Record<ItemAction, IconName> = {
  created: 'plus',
  changed: 'pen',
  metadata: 'sliders',
  renamed: 'right',
  deleted: 'bin',
};

/** How many paths a line names when it is pointed at. */
const NAMED = 20;

export function describe(entry: Activity, status: Status | null): EventLine {
  const { body } = entry;
  const label = entry.folder_label === null ? '' : safe(entry.folder_label);
  const name = entry.count > 1 ? say.files(entry.count) : safe(nameOf(entry.paths[0] ?? ''));
  const paths = entry.paths.slice(0, NAMED);
  const line = (icon: IconName, what: string, where = label): EventLine => ({
    icon,
    what,
    name,
    paths,
    where,
  });
  switch (body.type) {
    case 'item-synced':
      return line(ICONS[body.action], say.actions[body.action], by(entry, label, status));
    case 'conflict-opened':
      return line('fork', say.conflictOpened);
    case 'conflict-resolved':
      return line(
        'fine',
        body.by_policy ? say.conflictByPolicy : say.conflictResolved,
        by(entry, label, status),
      );
    case 'stale-edit':
      return line(
        'needs-you',
        body.deleted ? say.staleDeletion : say.staleEdit,
        `${label}, ${say.newerOn(body.device_name)}`,
      );
    case 'problem-opened': {
      const shown = line('needs-you', say.problemOpened);
      return body.problem.path === '' ? { ...shown, name: safe(body.problem.message) } : shown;
    }
    case 'problem-cleared':
      return line('fine', say.problemCleared);
    case 'folder-state':
      return line('broken', say.stopped);
    case 'paired':
      return { ...line('link', say.paired(body.name), ''), name: '' };
    case 'offer':
      return { ...line('folder', say.offered(body.offer.label), ''), name: '' };
    default:
      return line('info', say.other);
  }
}

/** Where it was, and who did it: another device, or this one where that is told. */
function by(entry: Activity, label: string, status: Status | null): string {
  const own = 'device' in entry.body && entry.body.device !== null ? status?.device.name : undefined;
  const name = entry.device_name ?? own;
  return name === undefined ? label : [label, say.by(name)].filter((word) => word !== '').join(', ');
}
