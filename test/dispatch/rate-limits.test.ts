import { describe, expect, test } from 'vitest';
import type { Settings } from '../../gateway/config/settings.ts';
import { RateLimits } from '../../gateway/dispatch/rate-limits.ts';
import { settingsOf } from '../config/support.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { admitted, limitsOf, MINUTE_MS, providers, take, use } from './rate-support.ts';

describe('what a limit holds for', () => {
  test('nothing is limited where nothing is configured', () => {
    const { limits } = limitsOf('providers: { a: { kind: ollama, base_url: "http://127.0.0.1:11434" } }\n');
    expect(limits.hasLimits).toBe(false);
    expect(limits.blocked(use('a', 'm', 1e9))).toBeNull();
    expect(admitted(limits, use('a', 'm', 1e9))).toBe(1_000);
    expect(limits.list()).toEqual([]);
  });

  test("a model's limit of N lets N through, whichever way the model is spelled, and other models through freely", () => {
    const { limits } = limitsOf(providers);
    expect(admitted(limits, use('a', 'm:latest'), 2)).toBe(2);
    expect(admitted(limits, use('a', 'm'))).toBe(1);
    expect(limits.blocked(use('a', 'M:latest'))).toEqual({ remainingMs: MINUTE_MS, scope: 'a/m', limit: 'rpm' });
    expect(admitted(limits, use('a', 'other'))).toBe(1_000);
  });

  test("a provider's limit is one for all its models together, and each model's own holds as well", () => {
    const { limits } = limitsOf(providers);
    expect(admitted(limits, use('b', 'm'))).toBe(2);
    expect(admitted(limits, use('b', 'x'))).toBe(3);
    expect(limits.blocked(use('b', 'y'))).toEqual({ remainingMs: MINUTE_MS, scope: 'provider b', limit: 'rpm' });
    expect(admitted(limits, use('a', 'other'))).toBe(1_000);
  });

  test('limits of the router hold for everything together', () => {
    const { limits } = limitsOf(`${providers}router_settings: { rpm: 4, tpm: 50 }\n`);
    expect(admitted(limits, use('a', 'm', 10))).toBe(3);
    expect(admitted(limits, use('c', 'm', 10))).toBe(1);
    expect(limits.blocked(use('c', 'm', 10))).toMatchObject({ scope: 'gateway', limit: 'rpm' });
    expect(limits.blocked(use('c', 'm', 51))).toEqual({ remainingMs: null, scope: 'gateway', limit: 'tpm' });
  });

  test("an entry's limit comes before the declared one, and that before the one for the name", () => {
    const { limits, settings } = limitsOf(`
providers:
  a: { kind: ollama, base_url: "http://127.0.0.1:11434", models: { m: { rpm: 3 }, plain: {} } }
model_list:
  - { model_name: group, litellm_params: { model: ollama/m, api_base: "http://127.0.0.1:11434", rpm: 6 } }
  - { model_name: beside, litellm_params: { model: ollama/n, api_base: "http://127.0.0.1:11434" }, rpm: 7 }
  - { model_name: m, rpm: 1 }
  - { model_name: plain, rpm: 4, tpm: 9 }
`);
    const entryOf = (name: string) => settings.routing.groups.get(name)?.deployments[0] ?? null;
    expect(admitted(limits, use('a', 'm', 1, { entry: entryOf('group'), name: 'group' }))).toBe(6);
    expect(admitted(limits, use('a', 'm'))).toBe(0);
    expect(admitted(limits, use('a', 'n', 1, { entry: entryOf('beside') }))).toBe(7);
    // Asked for directly, it is the same deployment.
    expect(admitted(limits, use('a', 'n'))).toBe(0);
    expect(admitted(limits, use('a', 'plain'))).toBe(4);
    expect(limits.blocked(use('a', 'plain', 10))).toMatchObject({ remainingMs: null, limit: 'tpm' });
  });

  test("a name's limit holds at each deployment that serves it, also where the request names none", () => {
    const { limits } = limitsOf('model_list: [{ model_name: m, rpm: 2 }]\n');
    expect(admitted(limits, use('a', 'upstream', 1, { name: 'm' }))).toBe(2);
    expect(admitted(limits, use('b', 'm', 1, { name: null }))).toBe(2);
    expect(admitted(limits, use('b', 'm', 1, { name: 'm' }))).toBe(0);
    expect(admitted(limits, use('a', 'upstream', 1, { name: 'free' }))).toBe(1_000);
    expect(admitted(limits, use('a', 'upstream', 1, { name: 'm' }))).toBe(0);
    expect(admitted(limits, use('b', 'other'))).toBe(1_000);
  });

  test('the limit of an entry for many models is one for all of them, beside what each may have', () => {
    const { limits, settings } = limitsOf(`
providers: { a: { kind: ollama, base_url: "http://127.0.0.1:11434", models: { m: { rpm: 1 } } } }
model_list:
  - { model_name: "*", litellm_params: { model: "ollama/*", api_base: "http://127.0.0.1:11434", rpm: 3 } }
`);
    const entry = settings.routing.groups.get('*')?.deployments[0] ?? null;
    expect(entry?.model).toBe('*');
    expect(admitted(limits, use('a', 'm', 1, { entry }))).toBe(1);
    expect(admitted(limits, use('a', 'x', 1, { entry }))).toBe(2);
    expect(limits.blocked(use('a', 'y', 1, { entry }))).toMatchObject({ scope: 'a/*', remainingMs: MINUTE_MS });
    expect(admitted(limits, use('a', 'y'))).toBe(1_000);
  });

  test('the only limit there is may stand at an entry for many models', () => {
    const { limits, settings } = limitsOf(
      'model_list: [{ model_name: "x/*", litellm_params: { model: "ollama/*", tpm: 9 } }]\n',
    );
    const entry = settings.routing.groups.get('x/*')?.deployments[0] ?? null;
    take(limits, use('ollama', 'm', 9, { entry }));
    expect(limits.blocked(use('ollama', 'n', 1, { entry }))).toMatchObject({ scope: 'ollama/*', limit: 'tpm' });
  });

  test('a provider with one model has the limit of its one declaration, whatever it calls the model', () => {
    const clock = new FakeClock();
    const settings = settingsOf(
      'providers: { l: { kind: llama_cpp, base_url: "http://127.0.0.1:8080", models: { mine: { rpm: 2 } } } }\n',
    );
    let isSingle = false;
    const limits = new RateLimits({
      clock,
      settings: () => settings,
      isSingleModel: (name) => isSingle && name === 'l',
    });
    expect(limits.blocked(use('l', '/models/mine.gguf', 1))).toBeNull();
    isSingle = true;
    expect(admitted(limits, use('l', '/models/mine.gguf'))).toBe(2);
    expect(limits.blocked(use('l', 'mine'))).toMatchObject({ scope: 'l/mine' });
  });
});

describe('what a request counts for', () => {
  test('it takes a place under every limit or under none', () => {
    const { limits } = limitsOf(`${providers}router_settings: { rpm: 100 }\n`);
    expect(admitted(limits, use('b', 'm'))).toBe(2);
    for (let again = 0; again < 50; again += 1) expect(limits.reserve(use('b', 'm'))).toMatchObject({ scope: 'b/m' });
    expect(limits.list().find(({ scope }) => scope === 'gateway')).toMatchObject({ requests: 2 });
    expect(limits.list().find(({ scope }) => scope === 'provider b')).toMatchObject({ requests: 2 });
  });

  test('of several limits without room the one that takes longest is named, and how long that is', () => {
    const { limits, clock } = limitsOf(`${providers}router_settings: { tpm: 100 }\n`);
    const early = take(limits, use('b', 'm', 1));
    clock.advance(20_000);
    take(limits, use('a', 'x', 99));
    take(limits, use('b', 'm', 0));
    expect(limits.blocked(use('b', 'm', 2))).toEqual({ remainingMs: MINUTE_MS, scope: 'gateway', limit: 'tpm' });
    early.end({ tokens: 0, wasSent: true });
    expect(limits.blocked(use('b', 'm', 1))).toEqual({ remainingMs: 40_000, scope: 'b/m', limit: 'rpm' });
  });

  test('what was reported takes the place of the estimate, and what was refused gives its tokens back', () => {
    const { limits, clock } = limitsOf(providers);
    const first = take(limits, use('a', 'big', 60));
    expect(limits.blocked(use('a', 'big', 41))).toEqual({ remainingMs: MINUTE_MS, scope: 'a/big', limit: 'tpm' });
    clock.advance(10_000);
    first.end({ tokens: 0, wasSent: true });
    const second = take(limits, use('a', 'big', 41));
    clock.advance(1_000);
    second.end({ tokens: 90, wasSent: true });
    expect(limits.blocked(use('a', 'big', 11))).toMatchObject({ remainingMs: 59_000 });
    expect(limits.blocked(use('a', 'big', 10))).toBeNull();
    clock.advance(58_999);
    expect(limits.blocked(use('a', 'big', 11))).toMatchObject({ remainingMs: 1 });
    clock.advance(1);
    expect(limits.blocked(use('a', 'big', 100))).toBeNull();
  });

  test('where nothing was sent the request does not count either, and ending twice changes nothing', () => {
    const { limits } = limitsOf(providers);
    take(limits, use('a', 'm', 5));
    take(limits, use('a', 'm', 5));
    const third = take(limits, use('a', 'm', 5));
    expect(limits.blocked(use('a', 'm'))).not.toBeNull();
    third.end({ tokens: null, wasSent: false });
    third.end({ tokens: null, wasSent: false });
    third.end({ tokens: 5_000, wasSent: true });
    expect(limits.list().find(({ scope }) => scope === 'a/m')).toMatchObject({ requests: 2, tokens: 10 });
    expect(admitted(limits, use('a', 'm', 5))).toBe(1);
  });

  test.each([null, Number.NaN, -1])('the estimate stands where %s is all that is known', (tokens) => {
    const { limits } = limitsOf(providers);
    take(limits, use('a', 'big', 60)).end({ tokens, wasSent: true });
    expect(limits.list().find(({ scope }) => scope === 'a/big')).toMatchObject({ tokens: 60 });
  });

  test('tokens reported in billions do not close a window for longer than a minute', () => {
    const { limits, clock } = limitsOf(providers);
    take(limits, use('a', 'big', 60)).end({ tokens: 1e300, wasSent: true });
    expect(limits.blocked(use('a', 'big'))).toMatchObject({ remainingMs: MINUTE_MS });
    clock.advance(30_000);
    take(limits, use('a', 'm', 7));
    take(limits, use('a', 'big', 0)).end({ tokens: 50, wasSent: true });
    clock.advance(30_000);
    expect(limits.list().find(({ scope }) => scope === 'a/big')).toMatchObject({ requests: 1, tokens: 50 });
    expect(limits.blocked(use('a', 'big', 50))).toBeNull();
  });

  test('a prompt larger than the limit never gets through, an equal one does, and 0 asks about requests alone', () => {
    const { limits } = limitsOf(providers);
    expect(limits.reserve(use('a', 'big', 101))).toEqual({ remainingMs: null, scope: 'a/big', limit: 'tpm' });
    take(limits, use('a', 'big', 100)).end({ tokens: 150, wasSent: true });
    expect(limits.blocked(use('a', 'big', 101))).toMatchObject({ remainingMs: null });
    expect(limits.blocked(use('a', 'big', 1))).toMatchObject({ remainingMs: MINUTE_MS });
    expect(limits.blocked(use('a', 'big', 0))).toBeNull();
  });
});

describe('windows over time', () => {
  test('those that nothing counts in are dropped', () => {
    const { limits, clock } = limitsOf('model_list: [{ model_name: m, rpm: 2 }]\n');
    for (let number = 0; number < 500; number += 1) {
      take(limits, use(`p${number}`, 'm')).end({ tokens: 1, wasSent: true });
    }
    const running = take(limits, use('slow', 'm', 10));
    expect([limits.list().length, limits.windowCount]).toEqual([501, 501]);
    clock.advance(MINUTE_MS);
    take(limits, use('slow', 'm', 1)).end({ tokens: null, wasSent: false });
    expect(limits.windowCount).toBe(1);
    running.end({ tokens: 30, wasSent: true });
    expect(limits.list()).toEqual([{ scope: 'slow/m', rpm: 2, tpm: null, requests: 0, tokens: 20 }]);
    clock.advance(MINUTE_MS);
    expect(limits.list()).toEqual([]);
  });

  test('a change of the configuration holds at once, and what was let through before still counts', () => {
    const clock = new FakeClock();
    let settings: Settings = settingsOf(providers);
    const limits = new RateLimits({ clock, settings: () => settings });
    expect(admitted(limits, use('a', 'm'))).toBe(3);
    settings = settingsOf(providers.replace('rpm: 3', 'rpm: 4'));
    expect(admitted(limits, use('a', 'm'))).toBe(1);
    settings = settingsOf(providers.replace('rpm: 3', 'rpm: 1'));
    expect(limits.blocked(use('a', 'm'))).toMatchObject({ remainingMs: MINUTE_MS });
    settings = settingsOf('providers: { a: { kind: ollama, base_url: "http://127.0.0.1:11434" } }\n');
    expect([limits.hasLimits, limits.blocked(use('a', 'm')), limits.list()]).toEqual([false, null, []]);
  });

  test('the list names each limit of the configuration with what is used of it', () => {
    const { limits } = limitsOf(`${providers}router_settings: { rpm: 9 }\n`);
    take(limits, use('b', 'm', 7));
    expect(limits.list()).toEqual([
      { scope: 'gateway', rpm: 9, tpm: null, requests: 1, tokens: 7 },
      { scope: 'a/m', rpm: 3, tpm: null, requests: 0, tokens: 0 },
      { scope: 'a/big', rpm: null, tpm: 100, requests: 0, tokens: 0 },
      { scope: 'provider b', rpm: 5, tpm: 1_000, requests: 1, tokens: 7 },
      { scope: 'b/m', rpm: 2, tpm: null, requests: 1, tokens: 7 },
    ]);
  });
});
