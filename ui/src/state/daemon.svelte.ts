// The daemon as the screens see it: one view that follows it, and the way to ask it for things.
//
// Decides when frames become visible (at most ten times a second, however many there are), when the status is
// asked for again, and when to try a lost connection anew. What frames mean is decided in `fold.ts`.
import { createContext } from 'svelte';
import { CallError, type Api, type Client, type MethodName } from '../api/client';
import type { ApiError, SubscriptionFrame } from '../api/generated/control';
import type { Drop, Open, Pick, Stop } from '../api/transport';
import { sentence } from '../format/safe';
import { fold, NOTHING, withStatus, type View } from './fold';

/** Between two changes of what is shown. */
const SHOW_EVERY_MS = 100;
/** Between two requests for the status. */
const ASK_EVERY_MS = 1000;
const RETRY_MS = { first: 250, most: 4000 };

export type Link = 'starting' | 'live' | 'gone';

export class Daemon {
  link: Link = $state('starting');
  /** Why the daemon is gone, as far as that is known. */
  why: string | null = $state(null);
  view: View = $state.raw(NOTHING);

  readonly #client: Client;
  #waiting: SubscriptionFrame[] = [];
  #showing: ReturnType<typeof setTimeout> | undefined;
  #asking: ReturnType<typeof setTimeout> | undefined;
  #retrying: ReturnType<typeof setTimeout> | undefined;
  #retryMs = RETRY_MS.first;
  #shownAt = -Infinity;
  #stop: Stop = () => undefined;

  constructor(client: Client) {
    this.#client = client;
  }

  /** Begins to follow; the returned function ends it. */
  follow(): Stop {
    this.#connect();
    return () => {
      this.#stop();
      clearTimeout(this.#showing);
      clearTimeout(this.#asking);
      clearTimeout(this.#retrying);
    };
  }

  call<M extends MethodName>(method: M, params: Api[M]['params']): Promise<Api[M]['reply']> {
    return this.#client.call(method, params);
  }

  pick(request: Pick): Promise<string | null> {
    return this.#client.pick(request);
  }

  open(request: Open): Promise<void> {
    return this.#client.open(request);
  }

  onDrop(listener: (drop: Drop) => void): Stop {
    return this.#client.onDrop(listener);
  }

  /** Tries the connection now instead of after the pause that grows with each failure. */
  retry(): void {
    clearTimeout(this.#retrying);
    this.#connect();
  }

  /** Asks for the status now, after something was changed that no event tells of. */
  async refresh(): Promise<void> {
    this.view = withStatus(this.view, await this.call('status', {}));
  }

  #connect(): void {
    this.#stop();
    const after = this.view.cursor;
    this.#stop = this.#client.subscribe(after === null ? { follow: true } : { after, follow: true }, {
      onFrames: (frames) => this.#take(frames),
      onEnd: (error) => this.#lost(error),
    });
    // With a cursor that the daemon still knows, nothing may come until something happens.
    if (after !== null) this.#ask();
  }

  #take(frames: readonly SubscriptionFrame[]): void {
    for (const frame of frames) this.#waiting.push(frame);
    if (this.#showing !== undefined) return;
    const pause = this.#shownAt + SHOW_EVERY_MS - performance.now();
    if (pause <= 0) this.#show();
    else this.#showing = setTimeout(() => this.#show(), pause);
  }

  #show(): void {
    this.#showing = undefined;
    this.#shownAt = performance.now();
    const frames = this.#waiting;
    this.#waiting = [];
    this.view = fold(this.view, frames);
    this.#isLive();
    if (this.view.stale) this.#asking ??= setTimeout(() => this.#ask(), ASK_EVERY_MS);
  }

  #ask(): void {
    this.refresh()
      .then(() => this.#isLive())
      // The end of the subscription tells of a daemon that is gone.
      .catch(() => undefined)
      .finally(() => {
        this.#asking = undefined;
      });
  }

  #isLive(): void {
    this.#retryMs = RETRY_MS.first;
    if (this.view.status !== null) this.link = 'live';
  }

  #lost(error: ApiError | null): void {
    this.link = 'gone';
    this.why = error === null ? null : sentence(error.message);
    clearTimeout(this.#retrying);
    this.#retrying = setTimeout(() => this.#connect(), this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS.most);
  }
}

export const [useDaemon, provideDaemon] = createContext<Daemon>();

/** An error as a screen shows it. */
export function failureOf(error: unknown): Failure {
  if (error instanceof CallError) return { message: sentence(error.message), hint: error.hint };
  return { message: sentence(error instanceof Error ? error.message : String(error)), hint: null };
}

export type Failure = { message: string; hint: string | null };
