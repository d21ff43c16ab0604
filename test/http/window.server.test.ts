// The way into the window over real HTTP: the link, the cookie, the pages that stand in for it, and what may be loaded.

import { expect, test } from 'vitest';
import { send } from '../support/http.ts';
import { startHttp, TOKEN } from './support.ts';

const asOwner = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };

async function link(url: string): Promise<string> {
  const answer = await send(`${url}/admin/ui-links`, { method: 'POST', headers: asOwner, body: '{}' });
  expect(answer.status).toBe(200);
  return url + (JSON.parse(answer.text) as { path: string }).path;
}

/** The cookie an answer sets, as a browser sends it back. */
function cookieOf(headers: Readonly<Record<string, string | string[] | undefined>>): string {
  return String(headers['set-cookie'] ?? '').split(';', 1)[0] ?? '';
}

test('a link signs one browser in: the cookie opens the window and /admin, the link is of no more use', async () => {
  await using harness = await startHttp();
  const url = await link(harness.url);
  expect(await send(url, { method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
  const entered = await send(url);
  expect(entered.headers['set-cookie']?.toString()).toMatch(/HttpOnly; SameSite=Strict/);
  expect(entered.text).toContain('url=/ui/');
  const cookie = cookieOf(entered.headers);
  expect(cookie).toContain(`switchyard_session_${harness.port}=`);

  const again = await send(url);
  expect(again.headers['set-cookie']).toBeUndefined();
  expect(again.text).toContain('no longer works');

  expect((await send(`${harness.url}/admin/status`, { headers: { cookie } })).status).toBe(200);
  expect((await send(`${harness.url}/ui/`, { headers: { cookie } })).text).not.toContain('Open this window');
  expect((await send(`${harness.url}/admin/status`)).status).toBe(401);
});

test('without a session the window says which command opens it, and nobody without the token makes a link', async () => {
  await using harness = await startHttp();
  const page = await send(`${harness.url}/ui/`);
  expect(page.text).toContain('npm run switchyard -- ui');
  expect(page.text).toContain(`${harness.url}/v1`);
  const body = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' };
  expect((await send(`${harness.url}/admin/ui-links`, body)).status).toBe(401);
});

test.each(['/ui/', '/ui/page.css', '/ui/enter/nothing'])(
  '%s allows nothing inline and nothing from elsewhere',
  async (path) => {
    await using harness = await startHttp();
    const { headers, text } = await send(harness.url + path);
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain('unsafe');
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' });
    expect(text).not.toMatch(/<script|<style|style=|https?:\/\/(?!127\.0\.0\.1)/);
  },
);

test.each(['/ui/../package.json', '/ui/%2e%2e/package.json', '/ui/..%2fcli.js', '/ui/assets/', '/ui/assets/none.js'])(
  '%s is no file of the window',
  async (path) => {
    await using harness = await startHttp();
    const { port } = harness;
    const { request } = await import('node:http');
    const status = await new Promise((resolve, reject) => {
      request({ host: '127.0.0.1', port, path }, (answer) => resolve(answer.resume().statusCode))
        .on('error', reject)
        .end();
    });
    expect(status).toBe(404);
  },
);
