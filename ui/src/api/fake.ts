// A scripted daemon behind the transport's interface, for development and fast tests.
//
// The page's query chooses the scenario (`?daemon=typical`); `window.driftlessFake` lets a test make things happen.
// Never part of the app: only `--mode fake` builds contain it.
import type { MethodName } from './client';
import type { ApiError, EventBody, Subscribe, SubscriptionFrame } from './generated/control';
import { handlersOf, type Handlers } from './fake/methods';
import { HOME } from './fake/words';
import { remember } from './fake/past';
import { SCENARIOS, worldOf, type Scenario, type World } from './fake/world';
import type { Drop, Listener, Open, Pick, Stop, Transport } from './transport';

const NO_DAEMON: ApiError = {
  code: 'failed',
  message: 'driftless is not running in the background',
  hint: 'Start it again.',
};
/** A storm: so many events, so often. */
const STORM = { events: 500, everyMs: 50 };

/** What tests hold on to. */
export type Fake = {
  world: World;
  /** Everything that was asked of the desktop or the daemon, in order. */
  asked: { what: string; params: unknown }[];
  /** What the next dialogs yield. */
  picks: (string | null)[];
  tell(body: EventBody): void;
  drop(drop: Drop): void;
  die(): void;
  revive(): void;
};

declare global {
  interface Window {
    driftlessFake?: Fake;
  }
}

export class FakeTransport implements Transport {
  readonly #scenario: Scenario;
  readonly #world: World;
  readonly #handlers: Handlers;
  readonly #fake: Fake;
  #listeners = new Set<Listener>();
  #drops = new Set<(drop: Drop) => void>();
  #alive: boolean;
  #sequence = 1;

  constructor(query: string) {
    const word = new URLSearchParams(query).get('daemon');
    this.#scenario = SCENARIOS.find((scenario) => scenario === word) ?? 'typical';
    this.#world = worldOf(this.#scenario, Date.now());
    this.#handlers = handlersOf(this.#world, (body) => this.#tell(body));
    this.#alive = true;
    if (this.#scenario === 'gone') setTimeout(() => this.#die(), 300);
    if (this.#scenario !== 'first-run') localStorage.setItem('driftless.seen', 'yes');
    if (this.#scenario === 'storm') setInterval(() => this.#storm(), STORM.everyMs);
    this.#fake = {
      world: this.#world,
      asked: [],
      picks: [],
      tell: (body) => this.#tell(body),
      drop: (drop) => this.#drops.forEach((listener) => listener(drop)),
      die: () => this.#die(),
      revive: () => (this.#alive = true),
    };
    window.driftlessFake = this.#fake;
  }

  async call(method: string, params: object): Promise<unknown> {
    this.#fake.asked.push({ what: method, params });
    await Promise.resolve();
    if (this.#scenario === 'starting') return new Promise(() => undefined);
    if (method === 'app.restart-daemon') this.#alive = true;
    if (!this.#alive && !method.startsWith('app.')) throw NO_DAEMON;
    const handler = this.#handlers[method as MethodName] as ((params: object) => unknown) | undefined;
    if (!handler)
      throw { code: 'usage', message: `there is no method ${method}`, hint: null } satisfies ApiError;
    return structuredClone(await handler(params));
  }

  subscribe(_params: Subscribe, listener: Listener): Stop {
    queueMicrotask(() => {
      if (this.#scenario === 'starting') return;
      if (!this.#alive) return listener.onEnd(NO_DAEMON);
      this.#listeners.add(listener);
      const { status, offers } = structuredClone({ status: this.#world.status, offers: this.#world.offers });
      listener.onFrames([{ snapshot: { cursor: this.#cursor(), status, offers } }]);
    });
    return () => this.#listeners.delete(listener);
  }

  pick(request: Pick): Promise<string | null> {
    this.#fake.asked.push({ what: 'pick', params: request });
    const answer = this.#fake.picks.shift();
    return Promise.resolve(answer === undefined ? `${HOME}/Music` : answer);
  }

  open(request: Open): Promise<void> {
    this.#fake.asked.push({ what: 'open', params: request });
    return Promise.resolve();
  }

  onDrop(listener: (drop: Drop) => void): Stop {
    this.#drops.add(listener);
    return () => this.#drops.delete(listener);
  }

  #cursor(): string {
    this.#sequence += 1;
    return `1-${this.#sequence.toString(16)}`;
  }

  #frame(body: EventBody): SubscriptionFrame {
    remember(this.#world, body, Date.now());
    return { event: { cursor: this.#cursor(), at_ms: Date.now(), body } };
  }

  #tell(body: EventBody): void {
    const frame = this.#frame(body);
    this.#listeners.forEach((listener) => listener.onFrames([frame]));
  }

  #die(): void {
    this.#alive = false;
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    listeners.forEach((listener) => listener.onEnd(NO_DAEMON));
  }

  #storm(): void {
    const { folders } = this.#world.status;
    const frames = Array.from({ length: STORM.events }, (_, at) => {
      const folder = folders[at % folders.length]?.id ?? '';
      if (at % 50 !== 0) {
        const path = `Storm/${this.#sequence}.txt`;
        return this.#frame({ type: 'item-synced', folder, path, action: 'created', device: null });
      }
      const need_files = 1_000_000 - this.#sequence;
      return this.#frame({
        type: 'progress',
        folder,
        need_files,
        need_bytes: need_files * 900,
        rate_bytes_per_s: 9_000_000,
        eta_s: 600,
      });
    });
    this.#listeners.forEach((listener) => listener.onFrames(frames));
  }
}
