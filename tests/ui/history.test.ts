// What was displaced: finding it, looking at it, undoing a device, and the space that it takes; and policies.
import { afterAll, beforeAll, expect, test } from 'vitest';
import '../../ui/src/api/fake';
import { Ui, type Window } from './harness';

let ui: Ui;

beforeAll(async () => {
  ui = await Ui.start();
});

afterAll(() => ui.stop());

/** Everything that was asked under this name, in order. */
function asked(app: Window, what: string): Promise<unknown[]> {
  return app.page.evaluate(
    (what) => window.driftlessFake?.asked.filter((one) => one.what === what).map((one) => one.params) ?? [],
    what,
  );
}

async function finish(app: Window): Promise<void> {
  expect(await app.close()).toEqual([]);
}

test('the history is narrowed down by folder, device and time', async () => {
  const app = await ui.open({ daemon: 'typical', place: 'history' });
  const { page } = app;
  await page.getByLabel('Folder', { exact: true }).selectOption('Photos');
  await page.getByLabel('Device', { exact: true }).selectOption('Work laptop');
  await page.getByLabel('Time', { exact: true }).selectOption('Last 7 days');
  const device = await page.evaluate(() => window.driftlessFake?.world.status.devices[1]?.id ?? '');
  await expect
    .poll(async () => (await asked(app, 'history.search')).at(-1))
    .toMatchObject({ folder: 'photos', device, since_ms: expect.any(Number) as number });
  await expect
    .poll(() => page.getByRole('listitem').filter({ hasText: 'Laptop in the kitchen' }).count())
    .toBe(0);
  await page
    .getByRole('heading', { name: /^(Today|Yesterday)$/, level: 2 })
    .first()
    .waitFor();
  await finish(app);
});

test('a file’s history is found from the list of files, compared with what is there now, and put back', async () => {
  const app = await ui.open({ daemon: 'decide', place: 'folders/projects' });
  const { page } = app;
  await page.getByRole('treeitem').first().click();
  const link = page.getByRole('link', { name: /^History of/ });
  const target = (await link.getAttribute('href')) ?? '';
  expect(target).toMatch(/^#\/history\/projects\/.+/);
  await page.goto(page.url().replace(/#.*/, '#/history/projects/notes%2FGarden.md'));
  await page.getByRole('heading', { name: 'History of Garden.md' }).waitFor();
  await page.getByRole('button', { name: 'Look at notes/Garden.md' }).first().click();
  const dialog = page.getByRole('dialog', { name: 'Garden.md' });
  await dialog.getByText('In the folder now').waitFor();
  // Both sides of what differs.
  await dialog.getByText('Octo').waitFor();
  await dialog.getByText('Novem').waitFor();
  await dialog.getByRole('button', { name: 'Put back', exact: true }).click();
  await page.getByText('is back.').waitFor();
  expect(await asked(app, 'history.restore')).toMatchObject([
    { folder: 'projects', path: 'notes/Garden.md' },
  ]);
  await finish(app);
});

test('what a device did is undone after it was seen, with what stays and why, and that is undone in turn', async () => {
  const app = await ui.open({ daemon: 'typical', place: 'history' });
  const { page } = app;
  await page.getByRole('button', { name: 'Undo a device…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Device').selectOption('Laptop in the kitchen');
  await dialog.getByRole('button', { name: 'Since yesterday' }).click();
  await dialog.getByText('It was changed here since then.').waitFor();
  await dialog.getByText(/files put back, .* · 1 file stays as it is/).waitFor();
  expect(await asked(app, 'undo.apply')).toEqual([]);
  const apply = dialog.getByRole('button', { name: /^Undo \d+ changes/ });
  await expect.poll(() => apply.isEnabled()).toBe(true);
  await apply.click();
  await page.getByText(/changes by Laptop in the kitchen undone\. 1 file left as it is\./).waitFor();
  await page.getByRole('button', { name: 'Undo', exact: true }).click();
  await page.getByText(/back as before/).waitFor();
  const [first, second] = (await asked(app, 'undo.apply')) as { device: string; since_ms: number }[];
  const [own, other] = await page.evaluate(() => {
    const status = window.driftlessFake?.world.status;
    return [status?.device.id, status?.devices[0]?.id];
  });
  expect([first?.device, second?.device]).toEqual([other, own]);
  expect(second?.since_ms ?? 0).toBeGreaterThan(first?.since_ms ?? Infinity);
  await finish(app);
});

test('where the space goes is said by folder, and how long history is kept is set right there', async () => {
  const app = await ui.open({ daemon: 'typical', place: 'space' });
  const { page } = app;
  await page.getByLabel('More about Documents').click();
  const keep = page.getByRole('listitem').filter({ hasText: 'Documents' }).getByLabel('How long history');
  await keep.selectOption('This long');
  const days = page.getByLabel('For so many days');
  await days.fill('7');
  await days.blur();
  await expect
    .poll(async () => (await asked(app, 'folder.set')).at(-1))
    .toEqual({ folder: 'documents', history: { enabled: true, days: 7, max_bytes: null } });
  await keep.selectOption('Not at all');
  await keep.selectOption({ label: 'As everywhere (30 days)' });
  await expect
    .poll(async () => (await asked(app, 'folder.set')).at(-1))
    .toEqual({ folder: 'documents', history: null });
  await finish(app);
});

test('policies are tried on the open conflicts before they are saved, and a program is only shown', async () => {
  const app = await ui.open({ daemon: 'decide' });
  const { page } = app;
  // The scripted daemon is there once there is something to see.
  await page.getByRole('button', { name: 'More for Projects' }).waitFor();
  await page.evaluate(() =>
    window.driftlessFake?.world.policies.set('projects', {
      rules: [{ pattern: '*.ods', policy: 'command:merge-sheets' }],
      otherwise: 'ask',
    }),
  );
  await page.getByRole('button', { name: 'More for Projects' }).click();
  await page.getByRole('menuitem', { name: 'Folder settings…' }).click();
  await page.getByText('Of 11 open conflicts, 1 would settle itself.').waitFor();
  await page.getByText('configuration file or by the command line only').waitFor();
  await page.getByRole('button', { name: 'Rule for some files' }).click();
  await page.getByLabel('Files of rule 2').fill('*.md');
  await page.getByLabel('What settles *.md').selectOption('What Laptop in the kitchen has');
  await page.getByText('Of 11 open conflicts, 6 would settle themselves.').waitFor();
  await page.getByRole('button', { name: 'Move the rule up: *.md' }).click();
  expect(await asked(app, 'policy.set')).toEqual([]);
  await page.getByRole('button', { name: 'Save' }).click();
  const device = await page.evaluate(() => window.driftlessFake?.world.status.devices[0]?.id ?? '');
  await expect
    .poll(() => asked(app, 'policy.set'))
    .toEqual([
      {
        folder: 'projects',
        rules: [
          { pattern: '*.md', policy: `device:${device}` },
          { pattern: '*.ods', policy: 'command:merge-sheets' },
        ],
        otherwise: 'ask',
      },
    ]);
  await finish(app);
});

test('who edits an old version is warned at once, once, and led to the conflict', async () => {
  const app = await ui.open({ daemon: 'decide' });
  const { page } = app;
  await page.getByRole('heading', { name: 'Projects' }).waitFor();
  for (let time = 0; time < 2; time += 1) {
    await page.evaluate(() =>
      window.driftlessFake?.tell({
        type: 'stale-edit',
        folder: 'projects',
        path: 'notes/Garden.md',
        device: '',
        device_name: 'Laptop in the kitchen',
        deleted: false,
      }),
    );
    await page.getByText('Laptop in the kitchen has a newer version of “Garden.md”').waitFor();
  }
  const see = page.getByRole('button', { name: 'See conflict' });
  expect(await see.count()).toBe(1);
  await see.click();
  await page.getByRole('heading', { name: 'Garden.md' }).waitFor();
  await page.getByRole('link', { name: 'Activity' }).click();
  await page.getByText('Old version edited').first().waitFor();
  await finish(app);
});
