// What the scripted daemon answers. Changes its world as the real one would, and tells of it through `tell`.
import type { Api, MethodName } from '../client';
import type { DeviceStatus, EventBody, FolderStatus, FolderView, PreviewWarning } from '../generated/control';
import { decisions } from './decisions';
import { browse, explain } from './files';
import { history } from './history';
import { policies } from './policies';
import { QR } from './qr';
import { failure, found, pageOf } from './replies';
import { deviceId, HOME } from './words';
import { device, folder, type World } from './world';

export type Handlers = {
  [M in MethodName]: (params: Api[M]['params']) => Api[M]['reply'] | Promise<Api[M]['reply']>;
};

/** The one code that pairs. */
export const CODE = '314159';
const WAIT_MS = 1500;
const LOOK_MS = 50;

export function handlersOf(world: World, tell: (body: EventBody) => void): Handlers {
  return {
    ...general(world),
    ...devices(world, tell),
    ...folders(world, tell),
    ...decisions(world, tell),
    ...policies(world, tell),
    ...history(world, tell),
    ...own(world),
  };
}

export type Part<Name extends string> = Pick<Handlers, Extract<MethodName, Name | `${Name}.${string}`>>;

function general(
  world: World,
): Part<'status' | 'wait' | 'doctor' | 'shutdown' | 'subscribe' | 'transfer' | 'activity'> {
  return {
    status: () => structuredClone(world.status),
    wait: async ({ folders, timeout_s = Infinity }) => {
      const lacking = () =>
        world.status.folders
          .filter((one) => folders.length === 0 || folders.includes(one.id))
          .filter((one) => one.need_files > 0 || one.only_here_files > 0)
          .map((one) => `${one.label}: 1 of 2 copies are complete`);
      const until = Date.now() + timeout_s * 1000;
      while (lacking().length > 0 && Date.now() < until) {
        await new Promise((looked) => setTimeout(looked, LOOK_MS));
      }
      return { done: lacking().length === 0, missing: lacking() };
    },
    doctor: () => ({
      checks: [
        { name: 'watches', state: 'ok', message: 'enough for all folders', mend: null },
        { name: 'clock', state: 'warning', message: 'is 4 minutes ahead', mend: 'Turn on automatic time.' },
        { name: 'network', state: 'ok', message: 'port 22100 is open', mend: null },
      ],
    }),
    shutdown: () => ({}),
    subscribe: () => ({}),
    'transfer.list': () => world.transfers,
    'activity.list': ({ after, limit = 200 }) => {
      return pageOf(world.activity, after, limit);
    },
  };
}

function devices(world: World, tell: (body: EventBody) => void): Part<'device' | 'pair'> {
  const find = (word: string) =>
    found(world.status.devices, (one) => one.id === word || one.name === word, word);
  const view = (one: DeviceStatus) => ({
    id: one.id,
    name: one.name,
    addresses: [],
    paused: one.paused,
    connected: one.connected,
    address: one.address,
    last_seen_ms: one.last_seen_ms,
    folders: one.folders.map((shared) => shared.id),
  });
  const change = (word: string, fields: Partial<DeviceStatus>) => {
    const one = Object.assign(find(word), fields);
    tell({ type: 'config-changed' });
    return view(one);
  };
  const admit = (id: string, name: string, connected: boolean) => {
    const one = {
      ...device(0, Date.now()),
      id,
      name,
      connected,
      address: connected ? '192.168.1.34:22100' : null,
    };
    world.status.devices = [...world.status.devices.filter((other) => other.id !== id), one];
    tell({ type: 'paired', device: id, name });
    return one;
  };
  return {
    'device.list': () => world.status.devices.map(view),
    'device.add': ({ id, name }) => view(admit(id, name ?? id.slice(0, 7), false)),
    'device.remove': ({ device }) => {
      const { id } = find(device);
      world.status.devices = world.status.devices.filter((one) => one.id !== id);
      for (const one of world.status.folders) one.devices = one.devices.filter((other) => other !== id);
      tell({ type: 'config-changed' });
      return {};
    },
    'device.rename': ({ device, name }) => change(device, { name }),
    'device.pause': ({ device }) => change(device, { paused: true, connected: false, address: null }),
    'device.resume': ({ device }) => change(device, { paused: false }),
    'device.rekey': () => {
      world.status.device.id = deviceId(99);
      const path = '';
      world.status.problems?.forEach(({ code }) =>
        tell({ type: 'problem-cleared', folder: null, path, code }),
      );
      const problem = { code: 'new-identity', path, message: 'this is a new device now', hint: null };
      world.status.problems = [problem];
      tell({ type: 'problem-opened', folder: null, problem });
      return { id: world.status.device.id };
    },
    'pair.open': () => ({ code: CODE, expires_in_s: 300 }),
    'pair.wait': async () => {
      await new Promise((done) => setTimeout(done, 40 * WAIT_MS));
      throw failure('timed-out', 'the code expired');
    },
    'pair.close': () => ({}),
    'pair.enter': ({ code }) => {
      if (code !== CODE)
        throw failure(
          'refused',
          'the code is not the one that the other device shows',
          'Show a new code there and type that one.',
        );
      const { id, name } = admit(deviceId(40), 'Laptop in the kitchen', true);
      return { id, name };
    },
    'pair.nearby': () => world.nearby,
    'pair.requests': () => world.requests,
    'pair.answer': ({ id, accept }) => {
      const request = found(world.requests, (one) => one.id === id, id);
      world.requests = world.requests.filter((one) => one !== request);
      world.status.requests = world.requests.length;
      if (accept) admit(request.id, request.name, true);
      return {};
    },
    'pair.link': () => {
      const { id, name, addresses } = world.status.device;
      return { link: `driftless://device/${id}?name=${name}&address=${addresses[0] ?? ''}`, qr: QR };
    },
  };
}

function folders(world: World, tell: (body: EventBody) => void): Part<'folder'> {
  const find = (word: string) =>
    found(world.status.folders, (one) => one.id === word || one.label === word, word);
  const change = (word: string, fields: Partial<FolderStatus>) => {
    const one = Object.assign(find(word), fields);
    tell({ type: 'folder-state', folder: one.id, state: one.state, reason: one.reason });
    return viewOf(world, one);
  };
  /** Forgets problems with these paths. */
  const mend = (word: string, paths: string[]) => {
    const problems = find(word).problems.filter((one) => !paths.includes(one.path));
    change(word, { problems, problem_count: problems.length });
  };
  const begin = (label: string, path: string, fields: Partial<FolderStatus>, id?: string) => {
    if (world.status.folders.some((one) => one.path === path)) {
      throw failure('already-exists', `${path} is a synced folder already`);
    }
    const one = {
      ...folder(label, 128, 14_000_000, id ?? `new-${world.status.folders.length}`),
      path,
      ...fields,
    };
    world.status.folders.push(one);
    tell({ type: 'config-changed' });
    return viewOf(world, one);
  };
  return {
    'folder.add': ({ path, label, mode, share, rules }) => {
      const view = begin(label ?? path.slice(path.lastIndexOf('/') + 1), path, { mode, devices: share });
      if (rules) world.rules.set(view.id, rules);
      return view;
    },
    'folder.share': ({ folder, devices }) =>
      change(folder, { devices: [...new Set([...find(folder).devices, ...devices])] }),
    'folder.unshare': ({ folder, devices }) =>
      change(folder, { devices: find(folder).devices.filter((one) => !devices.includes(one)) }),
    'folder.offers': () => world.offers,
    'folder.accept': ({ folder, path, mode }) => {
      const offer = found(world.offers, (one) => one.id === folder, folder);
      forgetOffer(world, offer.id);
      return begin(
        offer.label,
        path,
        { mode, devices: [offer.device], state: 'syncing', need_files: 318 },
        offer.id,
      );
    },
    'folder.decline': ({ folder }) => {
      forgetOffer(world, folder);
      tell({ type: 'config-changed' });
      return {};
    },
    'folder.list': () => world.status.folders.map((one) => viewOf(world, one)),
    'folder.pause': ({ folder }) => change(folder, { state: 'paused' }),
    'folder.resume': ({ folder }) =>
      change(folder, { state: find(folder).need_files > 0 ? 'syncing' : 'up-to-date' }),
    'folder.rescan': ({ folder }) => {
      change(folder, { state: 'scanning' });
      setTimeout(() => change(folder, { state: 'up-to-date' }), WAIT_MS);
      return {};
    },
    'folder.remove': ({ folder }) => {
      const one = find(folder);
      world.status.folders = world.status.folders.filter((other) => other !== one);
      tell({ type: 'config-changed' });
      return {};
    },
    'folder.confirm': ({ folder }) => {
      const { held_back, problems } = find(folder);
      const others = problems.filter((one) => one.code !== 'mass-change');
      change(folder, { held_back: null, problems: others, problem_count: others.length });
      return { deletions: held_back?.deletions ?? 0, rewrites: held_back?.rewrites ?? 0 };
    },
    'folder.override': () => ({}),
    'folder.changes': ({ folder }) =>
      Array.from({ length: find(folder).local_changes }, (_, at) => ({
        path: `notes/${at}.md`,
        action: 'changed' as const,
        size: 900,
      })),
    'folder.revert': ({ folder, paths }) => {
      const files = paths.length === 0 ? find(folder).local_changes : paths.length;
      mend(folder, paths);
      if (paths.length === 0) change(folder, { local_changes: 0 });
      return { files };
    },
    'folder.keep': ({ folder, paths }) => {
      mend(folder, paths);
      return {};
    },
    'folder.scrub': ({ folder }) => {
      const { files, bytes, problems } = find(folder);
      const corrupt = problems.filter(({ code }) => code === 'corrupt').map(({ path }) => path);
      return { files, bytes, corrupt };
    },
    'folder.browse': ({ folder, path, offset, limit = 1000 }) =>
      find(folder).files === 0 ? { entries: [], total: 0 } : browse(world, find(folder), path, offset, limit),
    'folder.explain': ({ folder, path }) => {
      const at = path.lastIndexOf('/');
      const shown = find(folder);
      const listing = browse(world, shown, path.slice(0, Math.max(0, at)), 0, 1000).entries;
      const entry = listing.find((one) => one.name === path.slice(at + 1));
      const problem = shown.problems.find((one) => one.path === path);
      return explain(path, entry?.state ?? 'up-to-date', shown.devices, problem);
    },
    'folder.presets': () => [
      { id: 'build', label: 'Build outputs', patterns: ['target/', 'node_modules/', '*.o'], suggested: true },
      { id: 'cache', label: 'Caches', patterns: ['.cache/', '__pycache__/'], suggested: true },
      {
        id: 'clutter',
        label: 'System clutter',
        patterns: ['.DS_Store', 'Thumbs.db', '.Trash-*'],
        suggested: true,
      },
    ],
    'folder.preview': ({ path, presets, patterns }) =>
      previewOf(world, path, presets.length + patterns.length),
    'folder.rules': ({ folder }) => ({
      ...(world.rules.get(find(folder).id) ?? { presets: ['clutter'], patterns: [] }),
      written: ['*.iso'],
    }),
    'folder.set': ({ folder, label, mode, rules, history }) => {
      const one = find(folder);
      if (rules) world.rules.set(one.id, rules);
      if (history === null) world.retention.delete(one.id);
      else if (history) world.retention.set(one.id, history);
      return change(folder, {
        ...(label === undefined ? {} : { label }),
        ...(mode === undefined ? {} : { mode }),
      });
    },
  };
}

function own(world: World): Part<'settings' | 'app'> {
  return {
    'settings.get': () => world.settings,
    'settings.set': (changes) => {
      world.settings = { ...world.settings, ...changes };
      world.status.device.name = world.settings.name;
      return world.settings;
    },
    'app.settings': () => world.app,
    'app.configure': (changes) => {
      world.app = { ...world.app, ...changes };
      return world.app;
    },
    'app.info': () => ({ version: '0.1.0', home: HOME, data_dir: `${HOME}/.local/share/driftless` }),
    'app.export-logs': () => ({}),
    'app.tell-when-safe': () => ({}),
    'app.restart-daemon': () => ({}),
  };
}

function previewOf(world: World, path: string, rules: number) {
  const warnings: PreviewWarning[] = [];
  if (path === HOME) warnings.push({ type: 'home-directory' });
  if (/^\/(etc|usr|bin|var|boot)(\/|$)/.test(path)) warnings.push({ type: 'system-directory' });
  for (const one of world.status.folders) {
    if (path.startsWith(`${one.path}/`)) warnings.push({ type: 'inside-folder', label: one.label });
    if (one.path.startsWith(`${path}/`)) warnings.push({ type: 'around-folder', label: one.label });
  }
  const exists = !path.endsWith('new');
  const left_out_files = exists ? rules * 310 : 0;
  return {
    exists,
    files: exists ? 1204 : 0,
    bytes: exists ? 3_400_000_000 : 0,
    left_out_files,
    left_out_bytes: left_out_files * 41_000,
    at_least: path === HOME,
    warnings,
  };
}

function viewOf(world: World, one: FolderStatus): FolderView {
  const members = world.status.devices.filter((other) => one.devices.includes(other.id));
  return {
    id: one.id,
    label: one.label,
    path: one.path,
    mode: one.mode,
    paused: one.state === 'paused',
    devices: members.map(({ id, name }) => ({ id, name })),
  };
}

function forgetOffer(world: World, id: string): void {
  world.offers = world.offers.filter((one) => one.id !== id);
  world.status.offers = world.offers.length;
}
