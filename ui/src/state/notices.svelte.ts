// Short messages about what a person just did: shown for a while, read out by screen readers.
import { failureOf } from './daemon.svelte';

const SHOWN_MS = 6000;

export type Notice = {
  id: number;
  message: string;
  hint: string | null;
  /** How it is meant: fine goes away by itself, all else stays until dismissed. */
  meaning: 'fine' | 'needs-you' | 'broken';
  action: { label: string; run: () => void } | null;
};

class Notices {
  list: Notice[] = $state([]);
  #last = 0;

  tell(message: string, action: Notice['action'] = null): void {
    this.#add({ message, hint: null, meaning: 'fine', action });
  }

  /** Says what a person should know before going on; once, however often it comes. */
  warn(message: string, hint: string, action: Notice['action']): void {
    this.list = this.list.filter((notice) => notice.message !== message);
    this.#add({ message, hint, meaning: 'needs-you', action });
  }

  /** Says what failed and what to do; stays until dismissed. */
  fail(error: unknown): void {
    this.#add({ ...failureOf(error), meaning: 'broken', action: null });
  }

  /** Runs something that a person asked for, and says so if it fails. */
  async try<T>(work: Promise<T>): Promise<T | undefined> {
    try {
      return await work;
    } catch (error) {
      this.fail(error);
      return undefined;
    }
  }

  dismiss(id: number): void {
    this.list = this.list.filter((notice) => notice.id !== id);
  }

  #add(notice: Omit<Notice, 'id'>): void {
    this.#last += 1;
    const id = this.#last;
    this.list = [...this.list, { ...notice, id }].slice(-3);
    if (notice.meaning === 'fine') setTimeout(() => this.dismiss(id), SHOWN_MS);
  }
}

export const notices = new Notices();
