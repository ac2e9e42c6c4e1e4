// What this window knows of itself: where home is, how it should look, whether the first run is over.
import type { AppSettings } from '../api/app';
import type { Daemon } from './daemon.svelte';

const SEEN = 'driftless.seen';

class App {
  home: string = $state('');
  version: string = $state('');
  settings: AppSettings | null = $state.raw(null);
  /** Whether a person went through the first run, or past it. */
  welcomed: boolean = $state(false);

  async load(daemon: Daemon): Promise<void> {
    this.welcomed = localStorage.getItem(SEEN) !== null;
    const [info, settings] = await Promise.all([
      daemon.call('app.info', {}),
      daemon.call('app.settings', {}),
    ]);
    this.home = info.home;
    this.version = info.version;
    this.show(settings);
  }

  /** Takes settings over, and the theme into effect. */
  show(settings: AppSettings): void {
    this.settings = settings;
    if (settings.theme === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = settings.theme;
  }

  welcome(): void {
    this.welcomed = true;
    localStorage.setItem(SEEN, 'yes');
  }
}

export const app = new App();

/** The time, for "3 min ago"; moves on by itself. */
class Clock {
  nowMs: number = $state(Date.now());

  constructor() {
    setInterval(() => {
      this.nowMs = Date.now();
    }, 15_000);
  }
}

export const clock = new Clock();
