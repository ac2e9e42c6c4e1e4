// Which screen is shown. A place is the page's fragment, so that back, forward and reload work as in a browser.

export type Route =
  | { screen: 'folders' }
  | { screen: 'folder'; id: string }
  | { screen: 'add-folder'; path: string }
  | { screen: 'devices' }
  | { screen: 'pair' }
  | { screen: 'conflicts' }
  | { screen: 'conflict'; id: string }
  /** Of everything, or of one path and what is below it. */
  | { screen: 'history'; folder: string; path: string }
  | { screen: 'space' }
  | { screen: 'activity' }
  | { screen: 'settings' };

/** The entry of the sidebar that a route belongs to. */
export type Section = 'folders' | 'devices' | 'conflicts' | 'history' | 'activity' | 'settings';

/** Reads a fragment; what makes no sense is the list of folders. */
export function parse(fragment: string): Route {
  const [section = '', word = '', more = ''] = fragment.replace(/^#\/?/, '').split('/').map(decoded);
  switch (section) {
    case 'folders':
      return word === '' ? { screen: 'folders' } : { screen: 'folder', id: word };
    case 'add-folder':
      return { screen: 'add-folder', path: word };
    case 'conflicts':
      return word === '' ? { screen: 'conflicts' } : { screen: 'conflict', id: word };
    case 'history':
      return { screen: 'history', folder: word, path: more };
    case 'devices':
    case 'pair':
    case 'space':
    case 'activity':
    case 'settings':
      return { screen: section };
    default:
      return { screen: 'folders' };
  }
}

/** The fragment of a route. */
export function href(route: Route): string {
  switch (route.screen) {
    case 'folder':
      return `#/folders/${encodeURIComponent(route.id)}`;
    case 'add-folder':
      return route.path === '' ? '#/add-folder' : `#/add-folder/${encodeURIComponent(route.path)}`;
    case 'conflict':
      return `#/conflicts/${encodeURIComponent(route.id)}`;
    case 'history':
      return route.folder === ''
        ? '#/history'
        : `#/history/${encodeURIComponent(route.folder)}/${encodeURIComponent(route.path)}`;
    default:
      return `#/${route.screen}`;
  }
}

export function sectionOf(route: Route): Section {
  switch (route.screen) {
    case 'folder':
    case 'add-folder':
      return 'folders';
    case 'pair':
      return 'devices';
    case 'conflict':
      return 'conflicts';
    case 'space':
      return 'history';
    default:
      return route.screen;
  }
}

function decoded(word: string): string {
  try {
    return decodeURIComponent(word);
  } catch {
    return '';
  }
}
