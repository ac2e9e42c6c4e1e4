// What a person does with the app, from the first minute on: by keyboard alone where that is all it takes.
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

test('a new device is named, paired by a code and given folders in under a minute, by keyboard alone', async () => {
  const app = await ui.open({ daemon: 'first-run' });
  const { page } = app;
  await page.getByLabel('What is this device called?').waitFor();
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.type('Atelier');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Pair a device' }).waitFor();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByText('Shows a code: type it here').waitFor();
  const code = page.getByLabel('Code that Laptop in the kitchen shows');
  await code.focus();
  await page.keyboard.type('314 159');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Paired with Laptop in the kitchen' }).waitFor();
  await page.getByRole('button', { name: 'Finish' }).press('Enter');
  await page.getByRole('heading', { name: 'Devices', exact: true }).waitFor();
  expect(await asked(app, 'settings.set')).toEqual([{ name: 'Atelier' }]);
  await finish(app);
});

test('L7: a wrong code is said to be wrong, and the field is empty for the next one', async () => {
  const app = await ui.open({ daemon: 'typical', place: 'pair' });
  const { page } = app;
  const code = page.getByLabel('Code that Laptop in the kitchen shows');
  await code.fill('000000');
  await code.press('Enter');
  await page.getByRole('alert').getByText('Show a new code there').waitFor();
  expect(await code.inputValue()).toBe('');
  await finish(app);
});

test('a code is shown in two groups, and stops working when one leaves', async () => {
  const app = await ui.open({ daemon: 'typical', place: 'pair' });
  const { page } = app;
  await page.getByRole('button', { name: 'Show a code' }).click();
  await page.getByText('314', { exact: true }).waitFor();
  await page.getByText(/Works for [45]:\d\d more/).waitFor();
  await page.getByRole('link', { name: 'Folders' }).click();
  await page.getByRole('heading', { name: 'Folders', exact: true }).waitFor();
  expect(await asked(app, 'pair.close')).toHaveLength(1);
  await finish(app);
});

test('no step of pairing shows an ID unless asked for, and a pasted link pairs from far away', async () => {
  const app = await ui.open({ daemon: 'typical', place: 'pair' });
  const { page } = app;
  await page.getByText('Not on the same network?').click();
  await page.getByRole('img', { name: /QR code/ }).waitFor();
  const own = await page.evaluate(() => window.driftlessFake?.world.status.device.id ?? '');
  expect(await page.locator('body').innerText()).not.toContain(own);
  await page.getByRole('button', { name: 'Show this device’s ID' }).click();
  expect(await page.locator('body').innerText()).toContain(own);
  const field = page.getByLabel('Link or ID of the other device');
  await field.fill('something else');
  await page.getByText('This is neither a link nor an ID').waitFor();
  const id = Array.from({ length: 8 }, () => 'ABCDEF2').join('-');
  await field.fill(`driftless://device/${id}?name=Ferienhaus&address=10.1.1.1:22100`);
  await field.press('Enter');
  await page.getByRole('heading', { name: 'Ferienhaus' }).waitFor();
  expect(await asked(app, 'device.add')).toEqual([{ id, name: 'Ferienhaus', addresses: ['10.1.1.1:22100'] }]);
  await finish(app);
});

test('a dropped folder is added with what it holds counted, shared and without clutter', async () => {
  const app = await ui.open({ daemon: 'typical' });
  const { page } = app;
  await page.getByRole('heading', { name: 'Documents' }).waitFor();
  await page.evaluate(() => window.driftlessFake?.drop({ kind: 'over' }));
  await page.getByText('Drop to add this folder').waitFor();
  await page.evaluate(() => window.driftlessFake?.drop({ kind: 'dropped', paths: ['/data/Music'] }));
  await page.getByText(/1,204 files, 3.2 GiB will sync/).waitFor();
  await page.getByLabel('Work laptop').uncheck();
  await page.getByRole('button', { name: 'Add folder' }).click();
  await page.getByRole('heading', { name: 'Music' }).waitFor();
  const [first] = await asked(app, 'folder.add');
  expect(first).toMatchObject({ path: '/data/Music', mode: 'send-receive' });
  expect(first).toMatchObject({
    rules: { presets: ['build', 'cache', 'clutter'] },
  });
  expect((first as { share: string[] }).share).toHaveLength(1);
  await finish(app);
});

test('a folder inside another, a system directory and the whole home are warned of before they are added', async () => {
  const app = await ui.open({ daemon: 'typical', place: 'add-folder' });
  const { page } = app;
  const where = page.getByRole('textbox', { name: 'Where' });
  await where.waitFor();
  const documents = await page.evaluate(() => window.driftlessFake?.world.status.folders[0]?.path ?? '');
  await where.fill(`${documents}/inner`);
  await page.getByText('This is inside “Documents”').waitFor();
  await where.fill('/etc/ssl');
  await page.getByText('This belongs to the system').waitFor();
  await where.fill(documents.replace('/Documents', ''));
  await page.getByText('This is your whole home folder').waitFor();
  await finish(app);
});

test('a folder is paused, resumed and removed from its menu by keyboard, and the focus comes back', async () => {
  const app = await ui.open({ daemon: 'typical' });
  const { page } = app;
  const more = page.getByRole('button', { name: 'More for Documents' });
  await more.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('menuitem', { name: 'Open in file manager' }).waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.getByRole('article').filter({ hasText: 'Documents' }).getByText('Paused').waitFor();
  expect(await more.evaluate((button) => button === document.activeElement)).toBe(true);
  await page.keyboard.press('Enter');
  await page.keyboard.press('End');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog', { name: 'Remove “Documents”?' }).waitFor();
  await page.keyboard.press('Escape');
  expect(await asked(app, 'folder.remove')).toEqual([]);
  await page.getByRole('button', { name: 'More for Documents' }).click();
  await page.getByRole('menuitem', { name: 'Remove…' }).click();
  await page.getByLabel('Delete its history here, too').check();
  await page.getByRole('button', { name: 'Remove folder' }).click();
  await page.getByText('no longer syncs here').waitFor();
  expect(await page.getByRole('heading', { name: 'Documents' }).count()).toBe(0);
  expect(await asked(app, 'folder.remove')).toEqual([{ folder: 'documents', forget_history: true }]);
  await finish(app);
});

test('the file tree is walked by arrows, and says why a file is not here', async () => {
  const app = await ui.open({ daemon: 'typical', place: 'folders/projects' });
  const { page } = app;
  const tree = page.getByRole('tree');
  await tree.focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowRight');
  const first = page.getByRole('treeitem').first();
  await expect.poll(() => first.getAttribute('aria-expanded')).toBe('true');
  await expect
    .poll(() => page.getByRole('treeitem', { expanded: false }).nth(0).getAttribute('aria-level'))
    .toBe('2');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('ArrowLeft');
  await expect.poll(() => first.getAttribute('aria-expanded')).toBe('false');
  const about = page.getByRole('complementary');
  // Downwards, until the file is one that is not here.
  await expect
    .poll(
      async () => {
        await page.keyboard.press('ArrowDown');
        return about.innerText();
      },
      { interval: 20, timeout: 20_000 },
    )
    .toContain('Not here yet');
  await page.getByText('Only Work laptop has it, and it is offline.').waitFor();
  await page.getByText('Turn on Work laptop').waitFor();
  await finish(app);
});

test('C1: one choice settles a conflict, the same for the others is previewed, and both can be undone', async () => {
  const app = await ui.open({ daemon: 'crowded', place: 'conflicts/c1' });
  const { page } = app;
  await page.getByRole('checkbox', { name: /Do the same for the other/ }).check();
  await page.getByRole('button', { name: 'Keep both' }).click();
  const settle = page.getByRole('button', { name: /Settle \d+ conflicts/ });
  await settle.waitFor();
  expect(await asked(app, 'conflict.resolve')).toEqual([]);
  await page.keyboard.press('Escape');
  await page.getByRole('checkbox', { name: /Do the same for the other/ }).uncheck();
  await page.getByRole('button', { name: 'Keep this: The version of maria-laptop' }).click();
  await page.getByText('1 conflict settled on all devices.').waitFor();
  const [first] = await asked(app, 'conflict.resolve');
  expect(first).toEqual({
    id: 'c1',
    resolution: { keep: 'version', version: '1-0' },
    seen: ['1-1', '1-0'],
  });
  await page.getByText('299 conflicts need you').waitFor();
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByText('300 conflicts need you').waitFor();
  await finish(app);
});

test('C1: of two versions that one device made, the one that was pointed at is kept', async () => {
  const app = await ui.open({ daemon: 'crowded', place: 'conflicts/c2' });
  const { page } = app;
  const own = page.getByRole('button', { name: /^Keep this: The version of maria-laptop from/ });
  await expect.poll(() => own.count()).toBe(2);
  await own.last().click();
  await page.getByText('1 conflict settled on all devices.').waitFor();
  expect(await asked(app, 'conflict.resolve')).toEqual([
    {
      id: 'c2',
      resolution: { keep: 'version', version: '2-before' },
      seen: ['2-1', '2-0', '2-before'],
    },
  ]);
  await finish(app);
});

test('H13: a mass change waits for a yes where it is seen', async () => {
  const app = await ui.open({ daemon: 'problems' });
  const { page } = app;
  await page.getByText(/would delete 1,840 files and rewrite 12 files here/).waitFor();
  await page.getByRole('button', { name: 'Let it happen' }).click();
  await expect.poll(() => page.getByText(/would delete/).count()).toBe(0);
  expect(await asked(app, 'folder.confirm')).toEqual([{ folder: 'documents' }]);
  await finish(app);
});

/** The file of the problems that changed though nothing wrote it. */
const ROTTEN = 'Archive/Scan 0009.mp3';

test('every problem has a mend, and a device that asks is let in or not', async () => {
  const app = await ui.open({ daemon: 'problems', place: 'activity' });
  const { page } = app;
  const problems = page.getByRole('list', { name: 'Problems' }).getByRole('listitem');
  await expect.poll(() => problems.count()).toBe(7);
  const without = problems.filter({ hasNot: page.getByRole('button') });
  expect(await without.count()).toBe(0);
  // D9: what rotted is passed on only when a person says that it is right.
  await page.getByRole('button', { name: `Put the good version back: ${ROTTEN}` }).click();
  await expect.poll(() => problems.count()).toBe(6);
  expect(await asked(app, 'folder.revert')).toEqual([{ folder: 'projects', paths: [ROTTEN] }]);
  await page.getByRole('button', { name: 'Show in file manager: secrets/key.pem' }).click();
  await expect.poll(() => asked(app, 'open')).toHaveLength(1);
  await page.getByRole('link', { name: 'Devices' }).click();
  await page.getByRole('button', { name: 'Refuse' }).click();
  await expect.poll(() => page.getByText('asks to pair').count()).toBe(0);
  await finish(app);
});

test('D9: a check finds what rotted, and its page keeps it or puts the good version back', async () => {
  const app = await ui.open({ daemon: 'problems' });
  const { page } = app;
  await page.getByRole('button', { name: 'More for Projects' }).click();
  await page.getByRole('menuitem', { name: 'Check files for damage' }).click();
  await page.getByText('1 file changed although nobody saved it').waitFor();
  await page.goto(page.url().replace(/#.*/, '#/folders/projects'));
  await page.getByRole('treeitem', { name: 'Archive, Up to date' }).dblclick();
  await page.getByRole('treeitem', { name: 'Scan 0009.mp3, Problem' }).click();
  const about = page.getByRole('complementary');
  await about.getByRole('button', { name: 'Put the good version back' }).waitFor();
  await about.getByRole('button', { name: 'Keep it as it is' }).click();
  await about.getByText('Up to date').waitFor();
  expect(await asked(app, 'folder.keep')).toEqual([{ folder: 'projects', paths: [ROTTEN] }]);
  await finish(app);
});

test('P11: that another computer has this device’s key is said everywhere, and a new one is a question away', async () => {
  const app = await ui.open({ daemon: 'cloned', place: 'settings' });
  const { page } = app;
  await page.getByText('Another computer uses this device').waitFor();
  await page.getByRole('button', { name: 'New identity…' }).click();
  await page.keyboard.press('Escape');
  expect(await asked(app, 'device.rekey')).toEqual([]);
  await page.getByRole('button', { name: 'New identity…' }).click();
  await page.getByRole('button', { name: 'New identity', exact: true }).click();
  await page.getByText('This is a new device now.').waitFor();
  expect(await page.getByText('Another computer uses').count()).toBe(0);
  await page.getByRole('link', { name: 'Pair a device' }).click();
  await page.getByRole('heading', { name: 'Pair a device' }).waitFor();
  await finish(app);
});

test('what was displaced is found by name and put back', async () => {
  const app = await ui.open({ daemon: 'typical', place: 'history' });
  const { page } = app;
  await page.getByRole('searchbox').fill('letter 0004');
  await expect.poll(() => page.getByRole('listitem').filter({ hasText: 'Put back' }).count()).toBe(1);
  await page.getByRole('button', { name: /^Put back Letters/ }).click();
  await page.getByText(/is back\.$/).waitFor();
  await page.getByRole('searchbox').fill('nothing like it');
  await page.getByText('Nothing found').waitFor();
  await finish(app);
});

test('the lid may be closed once nothing is missing, and only then', async () => {
  const app = await ui.open({ daemon: 'typical' });
  const { page } = app;
  await page.getByRole('button', { name: 'Safe to close the lid?' }).click();
  await page.getByText('Not yet').waitFor();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('12 files are only here yet').waitFor();
  await dialog.getByText('214 files to go').waitFor();
  expect(await page.getByText('Yes, it is safe').count()).toBe(0);
  await page.evaluate(() => {
    for (const folder of window.driftlessFake?.world.status.folders ?? [])
      Object.assign(folder, { need_files: 0, only_here_files: 0 });
  });
  await page.getByText('Yes, it is safe to close the lid').waitFor();
  // All copies count, this device's own and another.
  expect(await asked(app, 'wait')).toMatchObject([{ copies: 2 }]);
  await finish(app);
});

test('who does not want to watch is told when the lid may be closed, and what cannot be elsewhere is not counted', async () => {
  const app = await ui.open({ daemon: 'typical' });
  const { page } = app;
  await page.getByRole('button', { name: 'More for Documents' }).click();
  await page.getByRole('menuitem', { name: 'Pause' }).click();
  await page.getByRole('article').filter({ hasText: 'Documents' }).getByText('Paused').waitFor();
  await page.getByRole('button', { name: 'Safe to close the lid?' }).click();
  await page.getByText('Not counted, because paused or on no other device: Documents').waitFor();
  await page.getByRole('button', { name: 'Tell me when it is' }).click();
  await page.getByText('You will be told').waitFor();
  expect(await asked(app, 'app.tell-when-safe')).toHaveLength(1);
  expect(await asked(app, 'wait')).toMatchObject([{ folders: ['photos', 'projects'] }]);
  await finish(app);
});

test('a daemon that is gone is said to be, started again, and what it then tells is shown', async () => {
  const app = await ui.open({ daemon: 'gone' });
  const { page } = app;
  await page.getByRole('alert').getByText('driftless is not running').waitFor();
  await page.getByRole('button', { name: 'Start it again' }).click();
  await expect.poll(() => page.getByRole('alert').count()).toBe(0);
  await page.getByRole('button', { name: 'More for Documents' }).click();
  await page.getByRole('menuitem', { name: 'Pause' }).click();
  await page.getByRole('article').filter({ hasText: 'Documents' }).getByText('Paused').waitFor();
  await finish(app);
});

test('a setting takes effect at once, and the theme with it', async () => {
  const app = await ui.open({
    daemon: 'typical',
    place: 'settings',
    theme: 'light',
  });
  const { page } = app;
  await page.getByLabel('Appearance').selectOption('dark');
  await expect.poll(() => page.evaluate(() => getComputedStyle(document.body).colorScheme)).toBe('dark');
  await page.getByRole('switch', { name: 'Limit sending' }).click();
  const rate = page.getByLabel('Sending, MiB per second');
  await rate.fill('0');
  await rate.blur();
  expect(await rate.inputValue()).toBe('1');
  expect((await asked(app, 'settings.set')).at(-1)).toEqual({
    send_bytes_per_s: 1024 ** 2,
  });
  await finish(app);
});

test('L4: names that are markup or change direction are shown and do nothing', async () => {
  const app = await ui.open({ daemon: 'crowded', place: 'history' });
  const { page } = app;
  await page.getByRole('searchbox').fill('onerror');
  const rows = page.getByRole('listitem');
  await rows.getByText('<img src=x onerror=document.title=1>').waitFor();
  expect(await page.locator('img').count()).toBe(0);
  expect(await page.title()).toBe('driftless');
  await page.getByRole('searchbox').fill('fdp');
  await rows.getByText('invoice\\u{202e}fdp.exe').waitFor();
  await finish(app);
});
