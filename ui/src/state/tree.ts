// A folder's files as rows: directories open and close, and only pages that are looked at are fetched.
//
// Pure but for the fetch that it is given. A directory of a million files costs what its visible pages cost.
import type { BrowseEntry, BrowsePage } from '../api/generated/control';

export const PAGE = 200;
/** Pages kept of one directory; the one fetched longest ago goes first. */
const PAGES_KEPT = 24;
/** Pages on their way at once: who drags through a million files asks only for where they stop. */
const PAGES_ASKED = 4;

export type Fetch = (path: string, offset: number, limit: number) => Promise<BrowsePage>;

export type Row = {
  path: string;
  /** Null while its page is on its way. */
  entry: BrowseEntry | null;
  depth: number;
  /** Position among its siblings, from 0, and how many there are. */
  index: number;
  siblings: number;
  open: boolean;
  parent: string | null;
};

type Node = {
  path: string;
  depth: number;
  total: number;
  pages: Map<number, BrowseEntry[]>;
  asked: Set<number>;
  /** Pages that were looked at since the last refresh. */
  seen: Set<number>;
  /** Pages that are older than the last refresh. */
  stale: Set<number>;
  /** Open directories in it, in the order of their position. */
  open: { index: number; node: Node }[];
};

export class Tree {
  readonly #fetch: Fetch;
  readonly #changed: () => void;
  readonly #failed: (error: unknown) => void;
  #root: Node = node('', 0);
  #underWay = 0;

  /** `changed` is called whenever rows may read differently. */
  constructor(fetch: Fetch, changed: () => void, failed: (error: unknown) => void) {
    this.#fetch = fetch;
    this.#changed = changed;
    this.#failed = failed;
  }

  /** Whether nothing is known yet. */
  get blank(): boolean {
    return this.#root.total === 0 && this.#root.pages.size === 0;
  }

  /** Whether something that was looked at is still being counted. */
  get counting(): boolean {
    const counts = (at: Node): boolean =>
      [...at.pages].some(
        ([page, entries]) => !at.stale.has(page) && entries.some((entry) => entry.at_least),
      ) || at.open.some(({ node }) => counts(node));
    return counts(this.#root);
  }

  get rows(): number {
    return rowsOf(this.#root);
  }

  /** Fetches the first page of the root. */
  start(): void {
    this.#ask(this.#root, 0);
  }

  /** Fetches what is looked at again, after files changed; the rest once it is looked at. */
  refresh(): void {
    const visit = (at: Node) => {
      for (const page of at.pages.keys()) {
        if (at.seen.has(page)) this.#ask(at, page);
        else at.stale.add(page);
      }
      at.seen.clear();
      for (const { node } of at.open) visit(node);
    };
    visit(this.#root);
  }

  row(position: number): Row | null {
    let at = this.#root;
    let rest = position;
    let descended = true;
    while (descended) {
      descended = false;
      for (const child of at.open) {
        if (rest <= child.index) break;
        const below = rowsOf(child.node);
        if (rest <= child.index + below) {
          rest -= child.index + 1;
          at = child.node;
          descended = true;
          break;
        }
        rest -= below;
      }
    }
    return rest < at.total ? this.#rowAt(at, rest) : null;
  }

  /** Where a row that was seen stands now; −1 when it is gone. */
  positionOf(row: Row): number {
    const base = this.#baseOf(row.parent ?? '');
    if (base === null) return -1;
    let position = base.start + row.index;
    for (const { index, node } of base.at.open) if (index < row.index) position += rowsOf(node);
    return position;
  }

  /** The row of the directory that a row is in. */
  parentOf(row: Row): number {
    if (row.parent === null) return -1;
    const base = this.#baseOf(row.parent);
    return base === null ? -1 : base.start - 1;
  }

  toggle(row: Row): void {
    if (row.entry?.kind !== 'directory') return;
    const base = this.#baseOf(row.parent ?? '');
    if (base === null) return;
    const { open } = base.at;
    const place = open.findIndex(({ index }) => index === row.index);
    if (place >= 0) {
      open.splice(place, 1);
    } else {
      const child = node(row.path, row.depth + 1);
      open.push({ index: row.index, node: child });
      open.sort((a, b) => a.index - b.index);
      this.#ask(child, 0);
    }
    this.#changed();
  }

  #rowAt(at: Node, index: number): Row {
    const page = Math.floor(index / PAGE);
    const entry = at.pages.get(page)?.[index % PAGE] ?? null;
    at.seen.add(page);
    // Once something else has come, the row is drawn anew and asks again.
    if ((entry === null || at.stale.has(page)) && this.#underWay < PAGES_ASKED) this.#ask(at, page);
    return {
      path: entry === null ? `${at.path}\0${index}` : join(at.path, entry.name),
      entry,
      depth: at.depth,
      index,
      siblings: at.total,
      open: at.open.some((child) => child.index === index),
      parent: at.path === '' ? null : at.path,
    };
  }

  /** The node of a directory, and the position of its first row. */
  #baseOf(path: string): { at: Node; start: number } | null {
    let at = this.#root;
    let start = 0;
    while (at.path !== path) {
      let next: Node | null = null;
      let above = 0;
      for (const { index, node } of at.open) {
        if (node.path === path || path.startsWith(`${node.path}/`)) {
          start += index + 1 + above;
          next = node;
          break;
        }
        above += rowsOf(node);
      }
      if (next === null) return null;
      at = next;
    }
    return { at, start };
  }

  #ask(at: Node, page: number): void {
    if (at.asked.has(page)) return;
    at.asked.add(page);
    this.#underWay += 1;
    const arrived = () => {
      at.asked.delete(page);
      this.#underWay -= 1;
    };
    this.#fetch(at.path, page * PAGE, PAGE).then(
      ({ entries, total }) => {
        arrived();
        at.total = total;
        at.stale.delete(page);
        at.pages.delete(page);
        at.pages.set(page, entries);
        keepOpen(at, page, entries);
        const [oldest] = at.pages.keys();
        if (at.pages.size > PAGES_KEPT && oldest !== undefined) at.pages.delete(oldest);
        this.#changed();
      },
      (error: unknown) => {
        arrived();
        this.#failed(error);
      },
    );
  }
}

/** Finds the open directories of a page by name, since files that came or went move them; forgets those that are gone. */
function keepOpen(at: Node, page: number, entries: readonly BrowseEntry[]): void {
  at.open = at.open.filter((child) => {
    const name = child.node.path.slice(at.path === '' ? 0 : at.path.length + 1);
    const place = entries.findIndex((entry) => entry.name === name && entry.kind === 'directory');
    if (place >= 0) child.index = page * PAGE + place;
    return place >= 0 || Math.floor(child.index / PAGE) !== page;
  });
  at.open.sort((a, b) => a.index - b.index);
}

function node(path: string, depth: number): Node {
  return {
    path,
    depth,
    total: 0,
    pages: new Map(),
    asked: new Set(),
    seen: new Set(),
    stale: new Set(),
    open: [],
  };
}

function rowsOf(at: Node): number {
  return at.open.reduce((sum, { node }) => sum + rowsOf(node), at.total);
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}/${name}`;
}
