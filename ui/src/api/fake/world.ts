// The scripted daemon's world: what it would hold in memory and on disk, for each scenario.
import type {
  Activity,
  Conflict,
  DeviceStatus,
  FolderPolicies,
  FolderStatus,
  FoundVersion,
  HistorySettings,
  Nearby,
  OfferView,
  PairRequest,
  Problem,
  Rules,
  Settings,
  Status,
  Transfer,
} from '../generated/control';
import type { AppSettings } from '../app';
import { conflict, ofEveryKind } from './conflicts';
import { events, versions } from './past';
import { deviceId, DEVICES, fileName, FOLDERS, HARD_NAMES, HOME, pick } from './words';

export const SCENARIOS = [
  'empty',
  'first-run',
  'typical',
  'decide',
  'crowded',
  'storm',
  'problems',
  'cloned',
  'offline',
  'gone',
  'starting',
] as const;
export type Scenario = (typeof SCENARIOS)[number];

export type World = {
  status: Status;
  offers: OfferView[];
  conflicts: Conflict[];
  history: FoundVersion[];
  activity: Activity[];
  transfers: Transfer[];
  nearby: Nearby[];
  requests: PairRequest[];
  rules: Map<string, Rules>;
  policies: Map<string, Pick<FolderPolicies, 'rules' | 'otherwise'>>;
  /** What folders have of their own. */
  retention: Map<string, HistorySettings>;
  settings: Settings;
  app: AppSettings;
  /** How many files lie directly in a folder's root. */
  flatFiles: number;
};

const HOUR_MS = 3_600_000;
const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

export function worldOf(scenario: Scenario, nowMs: number): World {
  switch (scenario) {
    case 'empty':
    case 'first-run':
    case 'starting':
      return blank();
    case 'typical':
    case 'gone':
      return typical(nowMs);
    case 'decide':
      return open(remembered(typical(nowMs)), ofEveryKind(nowMs));
    case 'offline':
      return offline(nowMs);
    case 'problems':
      return problems(nowMs);
    case 'cloned':
      return cloned(nowMs);
    case 'crowded':
    case 'storm':
      return crowded(nowMs);
  }
}

function blank(): World {
  return {
    status: {
      device: { id: deviceId(0), name: 'maria-laptop', addresses: ['192.168.1.20:22100'] },
      version: '0.1.0',
      offers: 0,
      requests: 0,
      folders: [],
      devices: [],
    },
    offers: [],
    conflicts: [],
    history: [],
    activity: [],
    transfers: [],
    nearby: [{ name: 'Laptop in the kitchen', addresses: ['192.168.1.34:22100'], pairing: true }],
    requests: [],
    rules: new Map(),
    policies: new Map(),
    retention: new Map(),
    settings: {
      name: 'maria-laptop',
      discovery: true,
      requests: true,
      send_bytes_per_s: null,
      receive_bytes_per_s: null,
      limit_hours: null,
      history: { enabled: true, days: 30, max_bytes: null },
    },
    app: {
      start_at_login: true,
      theme: 'system',
      notify: { conflicts: true, problems: true, requests: true, finished: true },
    },
    flatFiles: 40,
  };
}

function typical(nowMs: number): World {
  const world = blank();
  const devices = [device(0, nowMs), { ...device(1, nowMs), connected: false, address: null }];
  const ids = devices.map((other) => other.id);
  world.status.devices = devices;
  world.status.folders = [
    { ...folder('Documents', 4210, 3.1 * GIB), devices: ids, copies: 3 },
    {
      ...folder('Photos', 18_204, 96 * GIB),
      devices: ids.slice(0, 1),
      state: 'syncing',
      need_files: 214,
      need_bytes: 1.9 * GIB,
      rate_bytes_per_s: 21 * MIB,
      eta_s: 92,
      copies: 1,
    },
    { ...folder('Projects', 61_877, 8.4 * GIB), devices: ids, copies: 2, only_here_files: 12 },
  ];
  for (const shared of devices) {
    shared.folders = world.status.folders
      .filter((one) => one.devices.includes(shared.id))
      .map((one) => ({ id: one.id, need_files: 0, need_bytes: 0 }));
  }
  const away = devices[1]?.folders[1];
  if (away) Object.assign(away, { need_files: 12, need_bytes: 4.6 * MIB });
  world.transfers = ['Summer/IMG 2041.jpg', 'Summer/IMG 2042.jpg', 'Summer/film.mp4'].map((path, at) => ({
    folder: 'photos',
    path,
    direction: at === 1 ? 'sending' : 'receiving',
    files: 1,
    devices: [DEVICES[0]],
    bytes: (at + 1) * 12 * MIB,
    done_bytes: (at + 1) * 5 * MIB,
    rate_bytes_per_s: (3 - at) * 3 * MIB,
  }));
  world.offers = [offer('Recipes', devices[0], nowMs)];
  world.activity = events(world, 40, nowMs);
  world.history = versions(world, 24, nowMs);
  return open(world, [conflict('projects', 'Projects', 'budget/Budget 2026.ods', 0, nowMs)]);
}

/** With older versions of the first conflict's file. */
function remembered(world: World): World {
  const path = 'notes/Garden.md';
  const file = { folder: 'projects', folder_label: 'Projects', path };
  world.history = world.history.map((one, at) => (at % 8 === 3 ? { ...one, ...file } : one));
  return world;
}

function crowded(nowMs: number): World {
  const world = blank();
  world.status.devices = DEVICES.map((_, at) => ({
    ...device(at, nowMs),
    ...(at % 3 === 2 ? { connected: false, address: null } : {}),
  }));
  world.status.folders = Array.from({ length: 200 }, (_, at) => crowdedFolder(at, world.status.devices));
  for (const shared of world.status.devices) {
    shared.folders = world.status.folders
      .filter((one) => one.devices.includes(shared.id))
      .map((one, at) => ({ id: one.id, need_files: at === 3 ? 214 : 0, need_bytes: at === 3 ? GIB : 0 }));
  }
  const first = world.status.folders[0];
  if (first) Object.assign(first, { label: 'Everything', files: 1_000_000, bytes: 840 * GIB });
  world.flatFiles = 1_000_000;
  world.history = versions(world, 2000, nowMs);
  world.activity = events(world, 2000, nowMs);
  world.transfers = Array.from({ length: 40 }, (_, at) => ({
    folder: world.status.folders[at]?.id ?? '',
    path: HARD_NAMES[at] ?? `Album/${fileName(at)}`,
    direction: at % 2 === 0 ? 'receiving' : 'sending',
    files: at % 5 === 4 ? 214 : 1,
    devices: [DEVICES[at % DEVICES.length] ?? ''],
    bytes: 50 * MIB,
    done_bytes: pick(at, 50) * MIB,
    rate_bytes_per_s: pick(at, 9) * MIB,
  }));
  const list = Array.from({ length: 300 }, (_, at) => {
    const one = world.status.folders[pick(at >> 4, 12)];
    return conflict(
      one?.id ?? '',
      one?.label ?? '',
      `${at % 4 ? 'Shared/' : ''}${HARD_NAMES[at] ?? fileName(at)}`,
      at,
      nowMs,
    );
  });
  list.sort((a, b) => a.folder.localeCompare(b.folder));
  return open(world, list);
}

function crowdedFolder(at: number, devices: readonly DeviceStatus[]): FolderStatus {
  const label = HARD_NAMES[at - 1] ?? `${FOLDERS[at % FOLDERS.length]} ${2026 - (at >> 3)}`;
  const shown = folder(label, pick(at, 90_000), pick(at, 400) * GIB, `f${at}`);
  shown.devices = devices.slice(0, 1 + pick(at, devices.length)).map((other) => other.id);
  shown.copies = shown.devices.length;
  if (at % 7 === 2) {
    Object.assign(shown, { state: 'syncing', need_files: 40 + at, need_bytes: at * 30 * MIB });
    Object.assign(shown, { rate_bytes_per_s: 4 * MIB, eta_s: 30 * at });
  }
  if (at % 11 === 5) shown.state = 'paused';
  if (at % 13 === 4) shown.only_here_files = at;
  return shown;
}

function offline(nowMs: number): World {
  const world = typical(nowMs);
  world.status.devices = world.status.devices.map((other) => ({
    ...other,
    connected: false,
    address: null,
    last_seen_ms: nowMs - 3 * HOUR_MS,
  }));
  world.status.folders = world.status.folders.map((one) => ({ ...one, rate_bytes_per_s: 0, eta_s: null }));
  world.transfers = [];
  world.nearby = [];
  world.offers = [];
  world.conflicts = [];
  return open(world, []);
}

function problems(nowMs: number): World {
  const world = typical(nowMs);
  const [documents, photos, projects] = world.status.folders;
  const [laptop] = world.status.devices;
  if (documents) {
    documents.held_back = { deletions: 1840, rewrites: 12, device: laptop?.id ?? null };
    documents.problems = [problem('mass-change', '', 'a large change waits for your yes')];
  }
  if (photos) {
    Object.assign(photos, { state: 'stopped', rate_bytes_per_s: 0, eta_s: null });
    photos.reason = 'the disk that holds it is not there';
    photos.problems = [problem('io-error', '', 'the disk that holds it is not there')];
  }
  if (projects) {
    projects.problems = [
      problem('name-twin', 'notes/README.md', 'this disk takes it for the same name as notes/Readme.md'),
      problem('unreadable', 'secrets/key.pem', 'may not be read'),
      problem(
        'corrupt',
        `Archive/${fileName(9)}`,
        'its content changed, but nothing is seen to have written to it',
      ),
      problem('disk-full', 'render/frame 0001.exr', 'the disk is full'),
      problem('not-available', 'media/talk.mkv', 'no device that is online has it'),
    ];
    projects.mode = 'receive-only';
    projects.local_changes = 3;
  }
  for (const one of world.status.folders) one.problem_count = one.problems.length;
  world.requests = [
    { id: deviceId(77), name: 'Work laptop', address: '84.12.9.3:22100', asked_at_ms: nowMs },
  ];
  world.status.requests = world.requests.length;
  return world;
}

/** Another computer is a copy of this one. */
function cloned(nowMs: number): World {
  const world = typical(nowMs);
  const message = `another computer uses this device's identity, says ${DEVICES[0]}, and keeps both away`;
  world.status.problems = [problem('identity-in-use', '', message)];
  world.status.devices = world.status.devices.map((other) => ({ ...other, connected: false, address: null }));
  return world;
}

/** Puts conflicts into a world, and their numbers into its status. */
function open(world: World, conflicts: Conflict[]): World {
  world.conflicts = conflicts;
  for (const one of world.status.folders) {
    one.conflicts = conflicts.filter((conflict) => conflict.folder === one.id).length;
  }
  world.status.offers = world.offers.length;
  return world;
}

export function folder(label: string, files: number, bytes: number, id = label.toLowerCase()): FolderStatus {
  return {
    id,
    label,
    path: `${HOME}/${label}`,
    mode: 'send-receive',
    state: 'up-to-date',
    reason: null,
    files,
    bytes: Math.floor(bytes),
    need_files: 0,
    need_bytes: 0,
    conflicts: 0,
    problems: [],
    problem_count: 0,
    rate_bytes_per_s: 0,
    eta_s: null,
    copies: 1,
    only_here_files: 0,
    local_changes: 0,
    held_back: null,
    last_scan_ms: Date.now(),
    devices: [],
  };
}

export function device(at: number, nowMs: number): DeviceStatus {
  return {
    id: deviceId(at + 1),
    name: DEVICES[at % DEVICES.length] ?? 'device',
    connected: true,
    address: `192.168.1.${30 + at}:22100`,
    paused: false,
    last_seen_ms: nowMs - at * 26 * HOUR_MS,
    folders: [],
  };
}

function offer(label: string, from: DeviceStatus | undefined, nowMs: number): OfferView {
  return {
    id: label.toLowerCase(),
    label,
    device: from?.id ?? '',
    device_name: from?.name ?? '',
    files: 318,
    bytes: 42 * MIB,
    offered_at_ms: nowMs,
  };
}

export function problem(code: string, path: string, message: string): Problem {
  return { code, path, message, hint: null };
}
