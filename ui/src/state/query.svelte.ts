// Something asked of the daemon: what came back, what went wrong, and whether it is still on its way.
import { failureOf, type Failure } from './daemon.svelte';

export class Query<T> {
  reply: T | null = $state.raw(null);
  failure: Failure | null = $state.raw(null);
  pending: boolean = $state(false);
  #asked = 0;

  /** Asks; only the reply to the last question counts. Keeps the old reply meanwhile. */
  async ask(question: Promise<T>): Promise<void> {
    this.#asked += 1;
    const mine = this.#asked;
    this.pending = true;
    try {
      const reply = await question;
      if (mine !== this.#asked) return;
      this.reply = reply;
      this.failure = null;
    } catch (error) {
      if (mine !== this.#asked) return;
      this.failure = failureOf(error);
    }
    this.pending = false;
  }
}

/** Runs at once and then at most every `pauseMs`, the last call always counting: for what many events ask for. */
export class Throttle {
  #pauseMs: number;
  #ranAt = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(pauseMs: number) {
    this.#pauseMs = pauseMs;
  }

  run(work: () => void): void {
    clearTimeout(this.#timer);
    const wait = this.#ranAt + this.#pauseMs - performance.now();
    const go = () => {
      this.#ranAt = performance.now();
      work();
    };
    if (wait <= 0) go();
    else this.#timer = setTimeout(go, wait);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
