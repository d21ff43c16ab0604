// The window as its users have it: a real gateway, stand-ins behind it, and a real Chromium that was signed in by a link.

import { existsSync } from 'node:fs';
import path from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { buildWindow, windowFolder } from '../../scripts/build-window.ts';
import { type TestGateway, type TestGatewayOptions, testGateway } from '../support/gateway.ts';

const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Null: these tests have nothing to run in. `CHROMIUM` names one that lies elsewhere. */
export const browserPath: string | null =
  [process.env.CHROMIUM ?? '', ...BROWSERS].find((file) => file !== '' && existsSync(file)) ?? null;

export const noBrowser = 'no Chromium was found: set CHROMIUM to its path to run the tests of the window';

/** Builds the window where a gateway that runs from its sources looks for it. */
export async function buildForTests(): Promise<void> {
  await buildWindow(windowFolder);
  if (!existsSync(path.join(windowFolder, 'index.html'))) throw new Error('the window was not built');
}

export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: browserPath ?? '', args: ['--no-sandbox', '--disable-gpu'] });
}

/** The link that `switchyard ui` prints. */
async function signInLink(gateway: Pick<TestGateway, 'url' | 'admin'>): Promise<string> {
  const headers = { 'content-type': 'application/json' };
  const answer = await gateway.admin('/admin/ui-links', { method: 'POST', headers, body: '{}' });
  return gateway.url + ((await answer.json()) as { path: string }).path;
}

export interface OpenWindow extends AsyncDisposable {
  readonly gateway: TestGateway;
  readonly context: BrowserContext;
  readonly page: Page;
  /** Everything the page asked for. */
  readonly requested: readonly string[];
  /** Errors of the page and of its policy. */
  readonly errors: readonly string[];
}

interface OpenOptions extends TestGatewayOptions {
  readonly browser: Browser;
  readonly yaml: string;
  readonly width?: number;
  readonly height?: number;
  readonly colorScheme?: 'light' | 'dark';
}

/** Starts a gateway, signs a fresh browser profile in and waits for live data. */
export async function openWindow({
  browser,
  yaml,
  width = 1120,
  height = 740,
  colorScheme = 'light',
  ...options
}: OpenOptions): Promise<OpenWindow> {
  const gateway = await testGateway(yaml, options);
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion: 'reduce' });
  const page = await context.newPage();
  const requested: string[] = [];
  const errors: string[] = [];
  page.on('request', (request) => requested.push(request.url()));
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    if (/Content Security Policy|Trusted/i.test(message.text())) errors.push(message.text());
  });
  await page.goto(await signInLink(gateway));
  await page.waitForURL('**/ui/**');
  await page.locator('h1').waitFor();
  return {
    ...{ gateway, context, page, requested, errors },
    async [Symbol.asyncDispose]() {
      await context.close();
      await gateway.close();
    },
  };
}
