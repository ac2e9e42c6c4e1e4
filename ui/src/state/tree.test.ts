import type { BrowseEntry, BrowsePage } from '../api/generated/control';
import { expect, test } from 'vitest';
import { PAGE, Tree } from './tree';

type Disk = Record<string, string[]>;

/** Lists directories of `disk`; names that end in a slash are directories. */
function lister(disk: Disk, asked: string[] = []) {
  return (path: string, offset: number, limit: number): Promise<BrowsePage> => {
    asked.push(`${path}@${offset}`);
    const names = disk[path] ?? [];
    const entries = names.slice(offset, offset + limit).map((name): BrowseEntry => ({
      name: name.replace('/', ''),
      kind: name.endsWith('/') ? 'directory' : 'file',
      size: 0,
      at_least: false,
      mtime_ms: 0,
      state: 'up-to-date',
    }));
    return Promise.resolve({ entries, total: names.length });
  };
}

async function grown(fetch: ReturnType<typeof lister>): Promise<Tree> {
  const tree = new Tree(
    fetch,
    () => undefined,
    (error) => expect.unreachable(String(error)),
  );
  tree.start();
  await arrived();
  return tree;
}

const arrived = () => new Promise((later) => setTimeout(later));
const paths = (tree: Tree) => Array.from({ length: tree.rows }, (_, at) => tree.row(at)?.path);

async function turn(tree: Tree, path: string): Promise<void> {
  const row = tree.row(paths(tree).indexOf(path));
  expect(row, path).not.toBeNull();
  if (row) tree.toggle(row);
  await arrived();
}

const DISK: Disk = { '': ['a/', 'b/', 'c'], a: ['x/', 'y'], 'a/x': ['deep'], b: ['z'] };

test('directories open in place and close with all that is below them', async () => {
  const tree = await grown(lister(DISK));
  expect(paths(tree)).toEqual(['a', 'b', 'c']);
  await turn(tree, 'b');
  await turn(tree, 'a');
  await turn(tree, 'a/x');
  expect(paths(tree)).toEqual(['a', 'a/x', 'a/x/deep', 'a/y', 'b', 'b/z', 'c']);
  expect(Array.from({ length: 7 }, (_, at) => tree.row(at)?.depth)).toEqual([0, 1, 2, 1, 0, 1, 0]);
  await turn(tree, 'a');
  expect(paths(tree)).toEqual(['a', 'b', 'b/z', 'c']);
  expect(tree.row(4)).toBeNull();
});

test('every row knows where it stands and whose child it is', async () => {
  const tree = await grown(lister(DISK));
  await turn(tree, 'a');
  await turn(tree, 'a/x');
  await turn(tree, 'b');
  for (let at = 0; at < tree.rows; at += 1) {
    const row = tree.row(at);
    expect(row && tree.positionOf(row)).toBe(at);
  }
  const deep = tree.row(2);
  expect(deep && tree.parentOf(deep)).toBe(1);
  const z = tree.row(5);
  expect(z && tree.parentOf(z)).toBe(4);
});

test('of a million files only the pages that are looked at are fetched', async () => {
  const asked: string[] = [];
  const many = Array.from({ length: 1_000_000 }, (_, at) => `f${at}`);
  const tree = await grown(lister({ '': many }, asked));
  expect(tree.rows).toBe(1_000_000);
  expect(tree.row(777_777)?.entry).toBeNull();
  await arrived();
  expect(tree.row(777_777)?.path).toBe('f777777');
  const page = Math.floor(777_777 / PAGE) * PAGE;
  expect(asked).toEqual(['@0', `@${page}`]);
});

test('who drags through a million files asks only for where they stop, and a refresh only for what was looked at', async () => {
  const asked: string[] = [];
  const many = Array.from({ length: 1_000_000 }, (_, at) => `f${at}`);
  const tree = await grown(lister({ '': many }, asked));
  for (let at = 1; at <= 100; at += 1) tree.row(at * 9_000);
  expect(asked.length).toBeLessThanOrEqual(5);
  await arrived();
  expect(tree.row(900_000)?.entry).toBeNull();
  await arrived();
  expect(tree.row(900_000)?.path).toBe('f900000');
  tree.refresh();
  await arrived();
  tree.row(900_000);
  asked.length = 0;
  tree.refresh();
  await arrived();
  expect(asked).toEqual(['@900000']);
});

test('an open directory stays open where files that came or went have moved it, and closes when it is gone', async () => {
  const disk: Disk = { '': ['a/', 'b/'], b: ['z'] };
  const tree = await grown(lister(disk));
  await turn(tree, 'b');
  disk[''] = ['a/', 'aa/', 'b/', 'c'];
  tree.refresh();
  await arrived();
  expect(paths(tree)).toEqual(['a', 'aa', 'b', 'b/z', 'c']);
  disk[''] = ['a/', 'c'];
  tree.refresh();
  await arrived();
  expect(paths(tree)).toEqual(['a', 'c']);
});
