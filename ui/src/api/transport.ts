// The one opening between the interface and the rest of the world.
//
// Two implementations: `tauri.ts` (the app) and `fake.ts` (development and tests). Neither decides anything;
// meaning is given to frames and replies in `client.ts` and `state/`.
import type { ApiError, Subscribe, SubscriptionFrame } from './generated/control';

/** What to let a person choose. `null` is the answer of someone who changed their mind. */
export type Pick = { kind: 'directory'; title: string } | { kind: 'save'; title: string; name: string };

/** What to show in the desktop's own programs. */
export type Open =
  /** A file or directory with the program that the desktop uses for it. */
  | { kind: 'path'; path: string }
  /** The file manager with this path selected. */
  | { kind: 'reveal'; path: string };

/** Ends whatever returned it; harmless when called again. */
export type Stop = () => void;

/** What a subscription tells. */
export interface Listener {
  /** Frames in order, gathered: at most a few calls each second, however many events there are. */
  onFrames(frames: readonly SubscriptionFrame[]): void;
  /** The subscription is over; nothing more will come. */
  onEnd(error: ApiError | null): void;
}

export interface Transport {
  /**
   * Asks one method and yields its reply, both as plain values.
   * Rejects with an `ApiError`; names that begin with `app.` are answered by the desktop app itself.
   */
  call(method: string, params: object): Promise<unknown>;
  /** Follows events. */
  subscribe(params: Subscribe, listener: Listener): Stop;
  /** Shows the desktop's own dialog and yields an absolute path. */
  pick(request: Pick): Promise<string | null>;
  /** Hands something to the desktop. Rejects with an `ApiError`. */
  open(request: Open): Promise<void>;
  /** Tells of directories dragged onto the window: `over` while they hover, absolute paths when dropped. */
  onDrop(listener: (drop: Drop) => void): Stop;
}

export type Drop = { kind: 'over' } | { kind: 'left' } | { kind: 'dropped'; paths: readonly string[] };
