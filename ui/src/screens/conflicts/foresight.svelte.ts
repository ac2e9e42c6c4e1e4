// What a choice would do, asked for while one points at it.
import type { Foreseen, Resolution } from '../../api/generated/control';
import type { Daemon } from '../../state/daemon.svelte';
import { Query, Throttle } from '../../state/query.svelte';

/** Between two questions, however fast one moves from choice to choice. */
const PAUSE_MS = 150;

export class Foresight {
  readonly query = new Query<Foreseen[]>();
  readonly #pause = new Throttle(PAUSE_MS);
  readonly #daemon: Daemon;

  constructor(daemon: Daemon) {
    this.#daemon = daemon;
  }

  look(ids: string[], resolution: Resolution): void {
    this.#pause.run(() => void this.query.ask(this.#daemon.call('conflict.foresee', { ids, resolution })));
  }

  stop(): void {
    this.#pause.stop();
  }
}
