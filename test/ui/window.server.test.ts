// The window in a real browser, before a real gateway with stand-ins behind it: what a user sees and does.

import AxeBuilder from '@axe-core/playwright';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startLlamaServer } from '../backends/llama-server.ts';
import { startOllama } from '../backends/ollama.ts';
import { testGateway } from '../support/gateway.ts';
import { browserPath, buildForTests, launch, noBrowser, openWindow } from './stage.ts';

/** On a machine that has two cores and much else to do. */
const PATIENCE = { timeout: 30_000 };

if (browserPath === null) console.warn(noBrowser);

let browser: Browser;

function yaml(ollama: string, llama: string): string {
  return `providers:
  ollama: { kind: ollama, base_url: ${ollama} }
  studio: { kind: llama_cpp, base_url: ${llama} }
default_provider: ollama
`;
}

async function backends() {
  const ollama = await startOllama();
  const llama = await startLlamaServer();
  return {
    ollama,
    llama,
    yaml: yaml(ollama.url, llama.url),
    async [Symbol.asyncDispose]() {
      await Promise.all([ollama[Symbol.asyncDispose](), llama[Symbol.asyncDispose]()]);
    },
  };
}

const card = (page: Page, name: string) => page.getByRole('article', { name, exact: true });
const toggle = (page: Page, name: string) => page.getByRole('switch', { name: `Route traffic to ${name}` });

async function isEnabled(gateway: { admin(path: string): Promise<Response> }, name: string): Promise<boolean> {
  const status = (await (await gateway.admin('/admin/status')).json()) as {
    providers: { name: string; isEnabled: boolean }[];
  };
  return status.providers.find((one) => one.name === name)?.isEnabled === true;
}

/** What axe finds on the page as it stands, in words. */
async function found(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 160)}`));
}

describe.skipIf(browserPath === null)('the window', { timeout: 180_000 }, () => {
  beforeAll(async () => {
    await buildForTests();
    browser = await launch();
  }, 180_000);
  afterAll(() => browser?.close());

  test('shows live data, asks nobody but its gateway, and breaks no policy', async () => {
    await using servers = await backends();
    await using opened = await openWindow({ browser, yaml: servers.yaml });
    const { page, gateway, requested, errors } = opened;
    await page.getByRole('heading', { name: 'Routing to all 2 providers.' }).waitFor(PATIENCE);
    await card(page, 'studio').getByText('Ready').waitFor(PATIENCE);
    await gateway.admin('/v1/chat/completions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'llama3.1:8b', stream: true, messages: [{ role: 'user', content: 'hello' }] }),
    });
    await page.getByRole('heading', { name: 'Requests per minute' }).waitFor(PATIENCE);
    expect(requested.filter((url) => !url.startsWith(`${gateway.url}/`))).toEqual([]);
    expect(errors).toEqual([]);
  });

  test('turns a provider off with the mouse, and on again with the keyboard', async () => {
    await using servers = await backends();
    await using opened = await openWindow({ browser, yaml: servers.yaml });
    const { page, gateway } = opened;
    await toggle(page, 'studio').click();
    await card(page, 'studio').getByText('Probes stopped').waitFor(PATIENCE);
    await expect.poll(() => isEnabled(gateway, 'studio'), PATIENCE).toBe(false);
    await page.getByRole('heading', { name: 'Routing to 1 of 2 providers.' }).waitFor(PATIENCE);

    await toggle(page, 'studio').focus();
    await page.keyboard.press('Space');
    await expect.poll(() => isEnabled(gateway, 'studio'), PATIENCE).toBe(true);

    await page.keyboard.press('Control+k');
    await page.getByRole('combobox').waitFor(PATIENCE);
    await page.keyboard.type('turn off studio');
    await page.getByRole('option', { name: 'Turn off studio' }).waitFor(PATIENCE);
    await page.keyboard.press('Enter');
    await expect.poll(() => isEnabled(gateway, 'studio'), PATIENCE).toBe(false);
  });

  test('shows a provider die and recover, and takes back nothing it knew', async () => {
    await using servers = await backends();
    await using opened = await openWindow({ browser, yaml: servers.yaml });
    const { page } = opened;
    await card(page, 'studio').getByText('Ready').waitFor(PATIENCE);
    const { port } = new URL(servers.llama.url);
    await servers.llama[Symbol.asyncDispose]();
    await page.getByText('studio is not listening on').waitFor({ timeout: 60_000 });
    await card(page, 'studio').getByText('connection refused').waitFor(PATIENCE);
    await using _again = await startLlamaServer({ port: Number(port) });
    await card(page, 'studio').getByText('Ready').waitFor({ timeout: 60_000 });
    await page.getByText('studio is ready again').waitFor(PATIENCE);
  });

  test('keeps the last data while the gateway is away, and goes on by itself when it is back', async () => {
    await using servers = await backends();
    await using opened = await openWindow({ browser, yaml: servers.yaml });
    const { page, gateway } = opened;
    await card(page, 'ollama').getByText('Ready').waitFor(PATIENCE);
    await gateway.gateway.close({ isForced: true });
    await page.getByText('The gateway does not answer.').waitFor(PATIENCE);
    await card(page, 'ollama').getByText('Ready').waitFor(PATIENCE);

    const port = Number(new URL(gateway.url).port);
    await using _again = await testGateway(servers.yaml, { dataFolder: gateway.dataFolder, port });
    await page.getByText('The gateway does not answer.').waitFor({ state: 'detached', timeout: 60_000 });
    await page.getByRole('heading', { name: 'Routing to all 2 providers.' }).waitFor(PATIENCE);
  });

  test.each(['light', 'dark'] as const)('axe finds nothing in the %s theme', async (colorScheme) => {
    await using servers = await backends();
    await using opened = await openWindow({ browser, yaml: servers.yaml, colorScheme });
    const { page, gateway } = opened;
    await card(page, 'studio').getByText('Ready').waitFor(PATIENCE);
    expect(await found(page)).toEqual([]);
    await page.goto(`${gateway.url}/ui/#/providers/studio`);
    await page.getByText('studio takes requests.').waitFor(PATIENCE);
    expect(await found(page)).toEqual([]);
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox').waitFor(PATIENCE);
    expect(await found(page)).toEqual([]);
  });

  test('says what to start while there is no provider', async () => {
    await using opened = await openWindow({ browser, yaml: 'log_level: warn\n', width: 780, height: 520 });
    await opened.page.getByRole('heading', { name: 'No model server yet.' }).waitFor(PATIENCE);
    expect(await found(opened.page)).toEqual([]);
  });
});
