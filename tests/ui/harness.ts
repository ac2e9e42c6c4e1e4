// The built interface in Debian's Chromium, on the scripted daemon: a server on loopback, a browser, and pages.
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';

const ROOT = new URL('../../', import.meta.url).pathname;
const DIST = join(ROOT, 'ui/dist-fake');
const AXE = join(ROOT, 'ui/node_modules/axe-core/axe.min.js');
const BROWSER = process.env['CHROMIUM'] ?? '/usr/bin/chromium-headless-shell';
const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
};

export type Theme = 'light' | 'dark';
export type Size = { width: number; height: number };

/** The two sizes that every screen is judged at. */
export const SIZES: readonly Size[] = [
  { width: 960, height: 640 },
  { width: 720, height: 480 },
];

export type Wanted = {
  daemon: string;
  place?: string;
  size?: Size;
  theme?: Theme;
};

/** A finding of axe, as short as it can be told. */
export type Finding = { rule: string; impact: string | null; where: string[] };

export class Ui {
  readonly #server: Server;
  readonly #browser: Browser;
  readonly #address: string;
  #axe: string;

  private constructor(server: Server, browser: Browser, axe: string) {
    this.#server = server;
    this.#browser = browser;
    this.#address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.#axe = axe;
  }

  static async start(): Promise<Ui> {
    const server = createServer((request, response) => {
      const path = normalize(new URL(request.url ?? '/', 'http://localhost').pathname);
      const file = join(DIST, path === '/' ? 'index.html' : path);
      readFile(file).then(
        (body) => response.setHeader('content-type', TYPES[extname(file)] ?? 'text/plain').end(body),
        () => response.writeHead(404).end(),
      );
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const browser = await chromium.launch({
      executablePath: BROWSER,
      args: ['--no-sandbox'],
    });
    return new Ui(server, browser, await readFile(AXE, 'utf8'));
  }

  async stop(): Promise<void> {
    await this.#browser.close();
    this.#server.close();
  }

  /** A window on a screen; errors of the page and anything it fetched from elsewhere fail the test that closes it. */
  async open({
    daemon,
    place = '',
    size = { width: 960, height: 640 },
    theme = 'light',
  }: Wanted): Promise<Window> {
    const context = await this.#browser.newContext({
      viewport: size,
      colorScheme: theme,
      reducedMotion: 'reduce',
    });
    const page = await context.newPage();
    page.setDefaultTimeout(10_000);
    const trouble: string[] = [];
    page.on('pageerror', (error) => trouble.push(error.message));
    page.on('console', (message) => message.type() === 'error' && trouble.push(message.text()));
    page.on('request', (request) => {
      if (!request.url().startsWith(this.#address)) trouble.push(`fetched ${request.url()}`);
    });
    await page.goto(`${this.#address}/?daemon=${daemon}#/${place}`);
    return new Window(page, trouble, this.#axe);
  }
}

export class Window {
  readonly page: Page;
  readonly #trouble: string[];
  readonly #axe: string;

  constructor(page: Page, trouble: string[], axe: string) {
    this.page = page;
    this.#trouble = trouble;
    this.#axe = axe;
  }

  /** Closes the window and yields what went wrong in it. */
  async close(): Promise<string[]> {
    await this.page.context().close();
    return this.#trouble;
  }

  /** Waits until nothing on the page has changed for a dozen frames after its content came. */
  async settle(): Promise<void> {
    await this.page.waitForSelector('h1, [role=status]');
    await this.page.evaluate(
      () =>
        new Promise<void>((settled) => {
          let quiet = 0;
          let changed = false;
          new MutationObserver(() => (changed = true)).observe(document.body, {
            subtree: true,
            childList: true,
            characterData: true,
          });
          const step = () => {
            quiet = changed ? 0 : quiet + 1;
            changed = false;
            if (quiet > 12) settled();
            else requestAnimationFrame(step);
          };
          requestAnimationFrame(step);
        }),
    );
  }

  /** What axe finds; of colours alone where the rest was looked at in another theme. */
  async axe(what: 'all' | 'colours' = 'all'): Promise<Finding[]> {
    await this.page.evaluate(this.#axe);
    return this.page.evaluate(async (what) => {
      const { axe } = window as unknown as {
        axe: { run(options: { runOnly?: string[] }): Promise<{ violations: Violation[] }> };
      };
      type Violation = {
        id: string;
        impact: string | null;
        nodes: { html: string; any: { message: string }[] }[];
      };
      const { violations } = await axe.run(
        what === 'all' ? {} : { runOnly: ['color-contrast', 'link-in-text-block'] },
      );
      return violations.map(({ id, impact, nodes }) => ({
        rule: id,
        impact,
        where: nodes.map((node) => `${node.html.slice(0, 160)} ${node.any[0]?.message ?? ''}`),
      }));
    }, what);
  }
}
