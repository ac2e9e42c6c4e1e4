import { expect, test } from 'vitest';
import { href, parse } from './route';

test('every place reads back as the route that it was written from, whatever is in it', () => {
  const hard = 'a/b #?%&ü\u202e';
  const routes = [
    { screen: 'folders' },
    { screen: 'folder', id: hard },
    { screen: 'add-folder', path: `/${hard}` },
    { screen: 'add-folder', path: '' },
    { screen: 'conflict', id: hard },
    { screen: 'conflicts' },
    { screen: 'history', folder: '', path: '' },
    { screen: 'history', folder: hard, path: `${hard}/c` },
    { screen: 'space' },
    { screen: 'pair' },
    { screen: 'settings' },
  ] as const;
  for (const route of routes) expect(parse(href(route))).toEqual(route);
});

test('a place that makes no sense is the list of folders', () => {
  for (const place of ['', '#', '#/nowhere', '#/folders/%E0%A4%A', '#//']) {
    expect(parse(place)).toEqual({ screen: 'folders' });
  }
});
