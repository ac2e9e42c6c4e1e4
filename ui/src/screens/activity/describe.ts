// How an event reads in a line.
import type { EventBody, ItemAction, Status } from '../../api/generated/control';
import type { IconName } from '../../components/icons';
import { safe } from '../../format/safe';
import { text } from '../../format/text';

export type EventLine = { icon: IconName; what: string; path: string; where: string };

const say = text.activity;
const ICONS: Record<ItemAction, IconName> = {
  created: 'plus',
  changed: 'pen',
  metadata: 'sliders',
  renamed: 'right',
  deleted: 'bin',
};

export function describe(body: EventBody, status: Status | null): EventLine {
  const label = (id: string) => safe(status?.folders.find((folder) => folder.id === id)?.label ?? id);
  const line = (icon: IconName, what: string, path = '', where = ''): EventLine => ({
    icon,
    what,
    path,
    where,
  });
  switch (body.type) {
    case 'item-synced': {
      const by = deviceName(status, body.device);
      const where = by === null ? label(body.folder) : `${label(body.folder)}, ${say.by(by)}`;
      return line(ICONS[body.action], say.actions[body.action], body.path, where);
    }
    case 'device-connected':
      return line('laptop', say.connected(body.name));
    case 'device-disconnected':
      return line('laptop', say.disconnected(body.name));
    case 'conflict-opened':
      return line('fork', say.conflictOpened, body.path, label(body.folder));
    case 'conflict-resolved':
      return line('fine', say.conflictResolved, body.path, label(body.folder));
    case 'problem-opened': {
      const where = body.folder === null ? '' : label(body.folder);
      return line('needs-you', say.problemOpened, body.problem.path || body.problem.message, where);
    }
    case 'problem-cleared':
      return line('fine', say.problemCleared, body.path, body.folder === null ? '' : label(body.folder));
    case 'paired':
      return line('link', say.paired(body.name));
    case 'offer':
      return line('folder', say.offered(body.offer.label));
    default:
      return line('info', say.other);
  }
}

function deviceName(status: Status | null, id: string | null): string | null {
  if (status === null || id === null) return null;
  if (id === status.device.id) return status.device.name;
  return status.devices.find((device) => device.id === id)?.name ?? null;
}
