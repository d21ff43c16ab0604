import { expect, test } from 'vitest';
import { WindowSessions } from '../../gateway/http/window-sessions.ts';

const DAY_MS = 24 * 3600 * 1000;

function start(managementToken = 'token') {
  const clock = { ms: 1_700_000_000_000, now: () => clock.ms };
  return { clock, sessions: new WindowSessions({ clock, managementToken }) };
}

/** What a browser sends back of a `Set-Cookie`. */
const sent = (cookie: string) => cookie.split(';', 1)[0] ?? '';

test('a link works once, within a minute, and only the last sixteen that nobody opened', () => {
  const { clock, sessions } = start();
  const { code, expiresAtMs } = sessions.newLink();
  expect(expiresAtMs).toBe(clock.ms + 60_000);
  expect([sessions.redeem(code), sessions.redeem(code), sessions.redeem('')]).toEqual([true, false, false]);
  const late = sessions.newLink();
  clock.ms = late.expiresAtMs;
  expect(sessions.redeem(late.code)).toBe(false);
  const first = sessions.newLink();
  const others = Array.from({ length: 16 }, () => sessions.newLink());
  expect([sessions.redeem(first.code), sessions.redeem(others[0]?.code ?? '')]).toEqual([false, true]);
});

test('a cookie is out of reach for scripts and other sites, names its port, and holds no token', () => {
  const { sessions } = start('the-token');
  const cookie = sessions.newCookie(4000, false);
  expect(cookie).toMatch(/^switchyard_session_4000=[^;]+; Path=\/; Max-Age=2592000; HttpOnly; SameSite=Strict$/);
  expect(cookie).not.toContain('the-token');
  expect(sessions.newCookie(4000, true)).toMatch(/; Secure$/);
  expect(sessions.newCookie(4000, false)).not.toBe(cookie);
});

test('a session is found among other cookies, on its port only, and after a restart with the same token', () => {
  const { sessions } = start();
  const cookie = sent(sessions.newCookie(4000, false));
  expect(sessions.find(`theme=dark; ${cookie}; x=y`, 4000)).toEqual({ isAgeing: false });
  expect(sessions.find(cookie, 4001)).toBeNull();
  expect(sessions.find(undefined, 4000)).toBeNull();
  expect(start().sessions.find(cookie, 4000)).toEqual({ isAgeing: false });
  expect(start('a new token').sessions.find(cookie, 4000)).toBeNull();
});

test('a session ages after fifteen days and ends after thirty, whatever the cookie claims', () => {
  const { clock, sessions } = start();
  const cookie = sent(sessions.newCookie(4000, false));
  clock.ms += 16 * DAY_MS;
  expect(sessions.find(cookie, 4000)).toEqual({ isAgeing: true });
  clock.ms += 14 * DAY_MS;
  expect(sessions.find(cookie, 4000)).toBeNull();
  const longer = cookie.replace(/\.(\d+)\./, (_all, end) => `.${Number(end) + 90 * DAY_MS}.`);
  expect(longer).not.toBe(cookie);
  expect(sessions.find(longer, 4000)).toBeNull();
});
