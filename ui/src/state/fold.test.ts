import { describe, expect, test } from 'vitest';
import { folder as folderOf, problem, worldOf } from '../api/fake/world';
import type { EventBody, FolderStatus, SubscriptionFrame } from '../api/generated/control';
import { fold, NOTHING, RECENT, withStatus, type View } from './fold';

const { status, offers } = worldOf('typical', 0);
const begun = fold(NOTHING, [{ snapshot: { cursor: '1-1', status, offers } }]);

let sequence = 1;
function event(body: EventBody): SubscriptionFrame {
  sequence += 1;
  return { event: { cursor: `1-${sequence.toString(16)}`, at_ms: sequence, body } };
}

function folder(view: View, id: string): FolderStatus {
  return view.status?.folders.find((one) => one.id === id) ?? folderOf('none', 0, 0);
}

const synced = (path: string): SubscriptionFrame =>
  event({ type: 'item-synced', folder: 'photos', path, action: 'created', device: null });

describe('a view', () => {
  test('begins with a snapshot and forgets what was before it', () => {
    expect(begun.status?.folders.map(({ id }) => id)).toEqual(['documents', 'photos', 'projects']);
    expect(begun.cursor).toBe('1-1');
    expect(begun.stale).toBe(false);
    const lost = fold(begun, [event({ type: 'config-changed' })]);
    expect(lost.stale).toBe(true);
    expect(fold(lost, [{ snapshot: { cursor: '2-1', status, offers: [] } }])).toMatchObject({
      cursor: '2-1',
      offers: [],
      stale: false,
    });
  });

  test('follows what a folder does, and leaves the others as they were', () => {
    const view = fold(begun, [
      event({ type: 'folder-state', folder: 'photos', state: 'stopped', reason: 'no disk' }),
      event({
        type: 'progress',
        folder: 'photos',
        need_files: 3,
        need_bytes: 9,
        rate_bytes_per_s: 1,
        eta_s: 9,
      }),
    ]);
    expect(folder(view, 'photos')).toMatchObject({
      state: 'stopped',
      reason: 'no disk',
      need_files: 3,
      eta_s: 9,
    });
    expect(folder(view, 'documents')).toBe(folder(begun, 'documents'));
    expect(folder(begun, 'photos').state).toBe('syncing');
  });

  test('counts conflicts up and down, never below none', () => {
    const conflict = { folder: 'photos', id: 'x', path: 'a' };
    const opened = fold(begun, [event({ type: 'conflict-opened', ...conflict })]);
    expect(folder(opened, 'photos').conflicts).toBe(1);
    const settled = event({ type: 'conflict-resolved', ...conflict, device: null, by_policy: false });
    expect(folder(fold(opened, [settled, settled]), 'photos').conflicts).toBe(0);
    expect(opened.changes.conflicts).toBe(begun.changes.conflicts + 1);
  });

  test('keeps a problem once, until it is cleared', () => {
    const opened = event({
      type: 'problem-opened',
      folder: 'photos',
      problem: problem('io-error', 'a', 'no'),
    });
    const view = fold(begun, [opened, opened]);
    expect(folder(view, 'photos')).toMatchObject({ problem_count: 1, problems: [{ path: 'a' }] });
    const cleared = fold(view, [
      event({ type: 'problem-cleared', folder: 'photos', path: 'a', code: 'io-error' }),
    ]);
    expect(folder(cleared, 'photos')).toMatchObject({ problem_count: 0, problems: [] });
  });

  test('knows what is wrong with the whole device until that is cleared', () => {
    const wrong = problem('identity-in-use', '', 'no');
    const opened = event({ type: 'problem-opened', folder: null, problem: wrong });
    const view = fold(begun, [opened, opened]);
    expect(view.status?.problems).toEqual([wrong]);
    const cleared = event({ type: 'problem-cleared', folder: null, path: '', code: wrong.code });
    expect(fold(view, [cleared]).status?.problems).toEqual([]);
  });

  test('remembers only so much of a storm, newest first', () => {
    const storm = Array.from({ length: 10_000 }, (_, at) => synced(`f${at}`));
    const view = fold(begun, storm);
    expect(view.recent).toHaveLength(RECENT);
    expect(view.recent[0]?.body).toMatchObject({ path: 'f9999' });
    expect(view.recent.at(-1)?.body).toMatchObject({ path: 'f9500' });
    expect(view.cursor).toBe(view.recent[0]?.cursor);
  });

  test('reads the same however the frames were gathered', () => {
    const frames = Array.from({ length: 60 }, (_, at) => synced(`g${at}`));
    const onebyone = frames.reduce((view, frame) => fold(view, [frame]), begun);
    const atOnce = fold(begun, frames);
    expect({ ...onebyone }).toEqual({ ...atOnce });
  });

  test('asks for the status after an event that changes numbers, and not after it came', () => {
    const view = fold(begun, [synced('a')]);
    expect(view.stale).toBe(true);
    expect(withStatus(view, status).stale).toBe(false);
  });

  test('lets an unknown event of a newer daemon pass', () => {
    const unknown = { type: 'moon-rose' } as unknown as EventBody;
    expect(fold(begun, [event(unknown)]).status).toEqual(begun.status);
  });

  test('of events for a folder that it does not know stays what it was', () => {
    const view = fold(begun, [
      event({ type: 'folder-state', folder: 'gone', state: 'paused', reason: null }),
    ]);
    expect(view.status?.folders).toEqual(begun.status?.folders);
  });
});
