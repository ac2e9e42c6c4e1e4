// What the daemon told, folded into what the screens show.
//
// Pure: equal views and frames give equal views. Events say what happened, but not every number that it changed;
// `stale` asks for the status again, and `daemon.svelte.ts` decides when.
import type {
  DeviceStatus,
  Event,
  EventBody,
  FolderStatus,
  OfferView,
  Problem,
  Status,
  SubscriptionFrame,
} from '../api/generated/control';

/** How many events are kept for the list of what happened lately. */
export const RECENT = 500;
/** How many problems of one folder are kept; the daemon keeps as many. */
const PROBLEMS = 100;

export type View = {
  /** Null until the first snapshot. */
  readonly status: Status | null;
  readonly offers: readonly OfferView[];
  /** Where to go on after a broken connection. */
  readonly cursor: string | null;
  /** What happened since this program began to listen, newest first, at most `RECENT`. */
  readonly recent: readonly Event[];
  /** Whether numbers in `status` may be out of date. */
  readonly stale: boolean;
  /** Counts up when a list of conflicts, of displaced files or of the configuration may have changed. */
  readonly changes: { readonly conflicts: number; readonly files: number; readonly config: number };
};

export const NOTHING: View = {
  status: null,
  offers: [],
  cursor: null,
  recent: [],
  stale: false,
  changes: { conflicts: 0, files: 0, config: 0 },
};

/** The view after `frames`, which came in this order. */
export function fold(view: View, frames: readonly SubscriptionFrame[]): View {
  if (frames.length === 0) return view;
  const draft = new Draft(view);
  for (const frame of frames) {
    if ('snapshot' in frame) draft.reset(frame.snapshot.status, frame.snapshot.offers, frame.snapshot.cursor);
    else draft.take(frame.event);
  }
  return draft.finish();
}

/** The view with a status that was asked for. */
export function withStatus(view: View, status: Status): View {
  return { ...view, status, stale: false };
}

/** A view in the making: copies what it changes, once for all frames that came together. */
class Draft {
  #view: View;
  #folders: Map<string, FolderStatus> | null = null;
  #devices: Map<string, DeviceStatus> | null = null;
  /** What is wrong with the whole device. */
  #problems: Problem[] | null = null;
  #offers: readonly OfferView[];
  #events: Event[] = [];
  #cursor: string | null;
  #stale: boolean;
  #changes: { conflicts: number; files: number; config: number };

  constructor(view: View) {
    this.#view = view;
    this.#offers = view.offers;
    this.#cursor = view.cursor;
    this.#stale = view.stale;
    this.#changes = { ...view.changes };
  }

  reset(status: Status, offers: readonly OfferView[], cursor: string): void {
    this.#view = { ...this.#view, status };
    this.#folders = null;
    this.#devices = null;
    this.#problems = null;
    this.#offers = offers;
    this.#cursor = cursor;
    this.#stale = false;
    this.#changes.conflicts += 1;
    this.#changes.files += 1;
    this.#changes.config += 1;
  }

  take(event: Event): void {
    this.#cursor = event.cursor;
    if (event.body.type !== 'progress' && event.body.type !== 'folder-state') this.#remember(event);
    this.#apply(event.body, event.at_ms);
  }

  finish(): View {
    const { status, recent } = this.#view;
    const events = this.#events.slice(-RECENT).reverse();
    return {
      status: status && this.#statusNow(status),
      offers: this.#offers,
      cursor: this.#cursor,
      recent: events.length === 0 ? recent : [...events, ...recent].slice(0, RECENT),
      stale: this.#stale,
      changes: this.#changes,
    };
  }

  #statusNow(status: Status): Status {
    return {
      ...status,
      folders: this.#folders ? [...this.#folders.values()] : status.folders,
      devices: this.#devices ? [...this.#devices.values()] : status.devices,
      ...(this.#problems ? { problems: this.#problems } : {}),
      offers: this.#offers.length,
    };
  }

  #remember(event: Event): void {
    this.#events.push(event);
    // In a storm, forget early rather than all at the end.
    if (this.#events.length > 4 * RECENT) this.#events = this.#events.slice(-RECENT);
  }

  #apply(body: EventBody, atMs: number): void {
    switch (body.type) {
      case 'device-connected':
        this.#device(body.device, { connected: true, address: body.address, last_seen_ms: atMs });
        this.#stale = true;
        return;
      case 'device-disconnected':
        this.#device(body.device, { connected: false, address: null, last_seen_ms: atMs });
        this.#stale = true;
        return;
      case 'folder-state':
        this.#folder(body.folder, () => ({ state: body.state, reason: body.reason }));
        this.#stale = true;
        return;
      case 'progress': {
        const { need_files, need_bytes, rate_bytes_per_s, eta_s } = body;
        this.#folder(body.folder, () => ({ need_files, need_bytes, rate_bytes_per_s, eta_s }));
        return;
      }
      case 'item-synced':
        this.#changes.files += 1;
        this.#stale = true;
        return;
      case 'conflict-opened':
        this.#folder(body.folder, (folder) => ({ conflicts: folder.conflicts + 1 }));
        this.#changes.conflicts += 1;
        this.#stale = true;
        return;
      case 'conflict-resolved':
        this.#folder(body.folder, (folder) => ({ conflicts: Math.max(0, folder.conflicts - 1) }));
        this.#changes.conflicts += 1;
        this.#stale = true;
        return;
      case 'problem-opened':
        if (body.folder === null)
          this.#problems = [...without(this.#wrong(), body.problem), body.problem].slice(-PROBLEMS);
        else this.#folder(body.folder, (folder) => opened(folder, body.problem));
        this.#stale = true;
        return;
      case 'problem-cleared':
        if (body.folder === null) this.#problems = without(this.#wrong(), body);
        else this.#folder(body.folder, (folder) => cleared(folder, body.path, body.code));
        this.#stale = true;
        return;
      case 'offer':
        this.#offers = [...this.#offers.filter((offer) => offer.id !== body.offer.id), body.offer];
        return;
      case 'pair-requested':
        this.#stale = true;
        return;
      case 'stale-edit':
        // What it says is remembered with all that happened lately.
        return;
      case 'paired':
      case 'config-changed':
        this.#changes.config += 1;
        this.#stale = true;
        return;
      default:
        // A newer daemon may tell of more than this version knows.
        body satisfies never;
    }
  }

  #wrong(): Problem[] {
    return this.#problems ?? this.#view.status?.problems ?? [];
  }

  #folder(id: string, change: (folder: FolderStatus) => Partial<FolderStatus>): void {
    this.#folders ??= new Map(this.#view.status?.folders.map((folder) => [folder.id, folder]));
    const folder = this.#folders.get(id);
    if (folder) this.#folders.set(id, { ...folder, ...change(folder) });
  }

  #device(id: string, change: Partial<DeviceStatus>): void {
    this.#devices ??= new Map(this.#view.status?.devices.map((device) => [device.id, device]));
    const device = this.#devices.get(id);
    if (device) this.#devices.set(id, { ...device, ...change });
  }
}

function opened(folder: FolderStatus, problem: Problem): Partial<FolderStatus> {
  const others = without(folder.problems, problem);
  const isNew = others.length === folder.problems.length;
  return {
    problems: [...others, problem].slice(0, PROBLEMS),
    problem_count: folder.problem_count + (isNew ? 1 : 0),
  };
}

function cleared(folder: FolderStatus, path: string, code: string): Partial<FolderStatus> {
  const others = without(folder.problems, { path, code });
  return { problems: others, problem_count: Math.max(others.length, folder.problem_count - 1) };
}

function without(problems: readonly Problem[], gone: Pick<Problem, 'path' | 'code'>): Problem[] {
  return problems.filter((problem) => problem.path !== gone.path || problem.code !== gone.code);
}
