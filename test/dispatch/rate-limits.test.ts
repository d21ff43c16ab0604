import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Settings } from '../../gateway/config/settings.ts';
import {
  isRateBlock,
  type RateBlock,
  RateLimits,
  type Reservation,
  type SharedAnswer,
  type SharedWindows,
} from '../../gateway/dispatch/rate-limits.ts';
import type { DeploymentUse } from '../../gateway/routing/question.ts';
import { settingsOf } from '../config/support.ts';
import { FakeClock } from '../support/fake-clock.ts';

const MINUTE_MS = 60_000;

function use(provider: string, model: string, promptTokens = 1, rest: Partial<DeploymentUse> = {}): DeploymentUse {
  return { provider, model, entry: null, name: model, promptTokens, ...rest };
}

function limitsOf(yaml: string) {
  const clock = new FakeClock(1_000_000);
  const settings = settingsOf(yaml);
  return { clock, settings, limits: new RateLimits({ clock, settings: () => settings }) };
}

/** Takes a place that has to be free, at once. */
function take(limits: RateLimits, what: DeploymentUse): Reservation {
  const answer = limits.reserve(what);
  if (answer instanceof Promise || isRateBlock(answer)) throw new Error(JSON.stringify(answer));
  return answer;
}

/** How many get through now, one after the other. */
function admitted(limits: RateLimits, what: DeploymentUse, most = 1_000): number {
  for (let count = 0; count < most; count += 1) {
    const answer = limits.reserve(what);
    if (answer instanceof Promise || isRateBlock(answer)) return count;
  }
  return most;
}

const providers = `
providers:
  a: { kind: ollama, base_url: "http://127.0.0.1:11434", models: { m: { rpm: 3 }, big: { tpm: 100 } } }
  b: { kind: vllm, base_url: "http://127.0.0.1:8000", rpm: 5, tpm: 1000, models: { m: { rpm: 2 } } }
`;

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

// ---- against a model that keeps every single request

interface PerMinute {
  readonly rpm: number | null;
  readonly tpm: number | null;
}

interface Limits {
  readonly gateway: PerMinute;
  readonly providers: readonly PerMinute[];
  readonly models: readonly (readonly PerMinute[])[];
}

interface Entry {
  readonly atMs: number;
  readonly scopes: readonly string[];
  requests: number;
  tokens: number;
}

/** Sums up everything each time it is asked. */
class Model {
  readonly #entries: Entry[] = [];

  add(atMs: number, scopes: readonly string[], tokens: number, requests = 1): Entry {
    const entry = { atMs, scopes, requests, tokens };
    this.#entries.push(entry);
    return entry;
  }

  /** Null: there is room; else how long until there is (Infinity: never). */
  blockedMs(nowMs: number, limits: ReadonlyMap<string, PerMinute>, tokens: number): number | null {
    const moments = [nowMs, ...this.#entries.map(({ atMs }) => atMs + MINUTE_MS)].filter((atMs) => atMs >= nowMs);
    const free = moments.filter((atMs) => this.#hasRoom(atMs, limits, tokens));
    const waitMs = Math.min(...free) - nowMs;
    return waitMs === 0 ? null : waitMs;
  }

  end(nowMs: number, entry: Entry, reserved: number, result: { tokens: number | null; wasSent: boolean }): void {
    const counts = nowMs - entry.atMs < MINUTE_MS;
    const excess = (result.tokens ?? reserved) - reserved;
    if (!result.wasSent) {
      entry.requests -= 1;
      entry.tokens -= reserved;
    } else if (counts) entry.tokens += excess;
    else if (excess > 0) this.add(nowMs, entry.scopes, excess, 0);
  }

  #hasRoom(nowMs: number, limits: ReadonlyMap<string, PerMinute>, tokens: number): boolean {
    for (const [scope, { rpm, tpm }] of limits) {
      const counting = this.#entries.filter((one) => nowMs - one.atMs < MINUTE_MS && one.scopes.includes(scope));
      const requests = counting.reduce((sum, one) => sum + one.requests, 0);
      const used = counting.reduce((sum, one) => sum + one.tokens, 0);
      if (rpm !== null && requests + 1 > rpm) return false;
      if (tpm !== null && tokens > 0 && used + tokens > tpm) return false;
    }
    return true;
  }
}

const PROVIDERS = ['a', 'b'];
const MODELS = ['m', 'n'];

const perMinute = fc.record({
  rpm: fc.oneof(fc.constant(null), fc.integer({ min: 1, max: 12 })),
  tpm: fc.oneof(fc.constant(null), fc.integer({ min: 1, max: 3_000 })),
});
const someLimits: fc.Arbitrary<Limits> = fc.record({
  gateway: perMinute,
  providers: fc.array(perMinute, { minLength: 2, maxLength: 2 }),
  models: fc.array(fc.array(perMinute, { minLength: 2, maxLength: 2 }), { minLength: 2, maxLength: 2 }),
});

const bare = `
providers:
  a: { kind: ollama, base_url: "http://127.0.0.1:11434", models: { m: {}, n: {} } }
  b: { kind: vllm, base_url: "http://127.0.0.1:8000", models: { m: {}, n: {} } }
`;

function withLimits(settings: Settings, limits: Limits): Settings {
  const changed = [...settings.providers].map(([name, provider], index) => {
    const models = [...provider.models].map(
      ([id, model], at) => [id, { ...model, ...limits.models[index]?.[at] }] as const,
    );
    return [name, { ...provider, ...limits.providers[index], models: new Map(models) }] as const;
  });
  const { rpm, tpm } = limits.gateway;
  return {
    ...settings,
    reliability: { ...settings.reliability, globalRpm: rpm, globalTpm: tpm },
    providers: new Map(changed),
  };
}

/** What concerns that deployment, by a name of its own for each scope. */
function scopesOf(limits: Limits, provider: number, model: number): ReadonlyMap<string, PerMinute> {
  const none = { rpm: null, tpm: null };
  return new Map([
    ['all', limits.gateway],
    [`${provider}`, limits.providers[provider] ?? none],
    [`${provider}/${model}`, limits.models[provider]?.[model] ?? none],
  ]);
}

const steps = fc.array(
  fc.oneof(
    fc.record({ is: fc.constant('wait' as const), ms: fc.oneof(fc.nat(5), fc.nat(9_000), fc.nat(70_000)) }),
    fc.record({
      is: fc.constant('begin' as const),
      provider: fc.nat(1),
      model: fc.nat(1),
      tokens: fc.oneof(fc.constant(0), fc.nat(800), fc.nat(3_500)),
    }),
    fc.record({
      is: fc.constant('end' as const),
      which: fc.nat(),
      tokens: fc.oneof(fc.constant(null), fc.nat(4_000)),
      wasSent: fc.boolean(),
    }),
  ),
  { maxLength: 250 },
);

interface Running {
  readonly reservation: Reservation;
  readonly entry: Entry;
  readonly reserved: number;
}

interface Sent {
  readonly atMs: number;
  readonly provider: number;
  readonly model: number;
}

function mostInAnyMinute(times: readonly number[]): number {
  return Math.max(0, ...times.map((from) => times.filter((at) => at >= from && at < from + MINUTE_MS).length));
}

describe('against a model that sums up every single request', () => {
  test('exactly those get through that should, those that wait are told how long, and no minute ever sees more', () => {
    const settings = settingsOf(bare);
    fc.assert(
      fc.property(someLimits, steps, (limits, all) => {
        const clock = new FakeClock(0);
        const limited = withLimits(settings, limits);
        const rates = new RateLimits({ clock, settings: () => limited });
        const model = new Model();
        const running: Running[] = [];
        const sent: Sent[] = [];
        for (const step of all) {
          const nowMs = clock.monotonic();
          if (step.is === 'wait') clock.advance(step.ms);
          else if (step.is === 'begin') {
            const scopes = scopesOf(limits, step.provider, step.model);
            const expectedMs = model.blockedMs(nowMs, scopes, step.tokens);
            const asked = use(PROVIDERS[step.provider] ?? '', MODELS[step.model] ?? '', step.tokens);
            const advice = rates.blocked(asked);
            const answer = rates.reserve(asked);
            if (answer instanceof Promise) throw new Error('local windows answer at once');
            expect(advice === null ? null : (advice.remainingMs ?? Number.POSITIVE_INFINITY)).toBe(expectedMs);
            if (isRateBlock(answer)) {
              expect(answer).toEqual(advice);
              continue;
            }
            expect(advice).toBeNull();
            const entry = model.add(nowMs, [...scopes.keys()], step.tokens);
            running.push({ reservation: answer, entry, reserved: step.tokens });
            sent.push({ atMs: nowMs, provider: step.provider, model: step.model });
          } else {
            const [ended] = running.splice(step.which % Math.max(1, running.length), 1);
            if (ended === undefined) continue;
            ended.reservation.end(step);
            model.end(nowMs, ended.entry, ended.reserved, step);
            if (!step.wasSent)
              sent.splice(
                sent.findIndex(({ atMs }) => atMs === ended.entry.atMs),
                1,
              );
          }
        }
        expect(mostInAnyMinute(sent.map(({ atMs }) => atMs))).toBeLessThanOrEqual(limits.gateway.rpm ?? 250);
      }),
      { numRuns: 200 },
    );
  });
});

// ---- several gateways

/** What a store shared by gateways has to do, done plainly. */
class PlainStore implements SharedWindows {
  isConnected = true;
  answers: 'well' | 'null' | 'rejects' = 'well';
  asked = 0;
  readonly #clock: FakeClock;
  readonly #model = new Model();
  readonly #entries = new Map<string, { entry: Entry; tokens: number }>();

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  async reserve(limits: Parameters<SharedWindows['reserve']>[0], tokens: number): Promise<SharedAnswer | null> {
    this.asked += 1;
    if (this.answers === 'rejects') throw new Error('away');
    if (this.answers === 'null') return null;
    const nowMs = this.#clock.monotonic();
    for (const [index, { key, rpm, tpm }] of limits.entries()) {
      for (const [limit, one] of [
        ['rpm', { rpm, tpm: null }],
        ['tpm', { rpm: null, tpm }],
      ] as const) {
        const waitMs = this.#model.blockedMs(nowMs, new Map([[key, one]]), tokens);
        if (waitMs === null) continue;
        return { taken: false, remainingMs: Number.isFinite(waitMs) ? waitMs : null, index, limit };
      }
    }
    const id = `${this.#entries.size}`;
    const keys = limits.map(({ key }) => key);
    this.#entries.set(id, { entry: this.#model.add(nowMs, keys, tokens), tokens });
    return { taken: true, id };
  }

  correct(_keys: readonly string[], id: string, tokens: number, wasSent: boolean): void {
    const found = this.#entries.get(id);
    if (found) this.#model.end(this.#clock.monotonic(), found.entry, found.tokens, { tokens, wasSent });
  }
}

function twoGateways(yaml: string) {
  const clock = new FakeClock(0);
  const settings = settingsOf(yaml);
  const store = new PlainStore(clock);
  const gateway = () => new RateLimits({ clock, settings: () => settings, shared: () => store });
  return { clock, store, first: gateway(), second: gateway() };
}

async function taken(answer: ReturnType<RateLimits['reserve']>): Promise<Reservation> {
  const settled = await answer;
  if (isRateBlock(settled)) throw new Error(JSON.stringify(settled));
  return settled;
}

describe('windows shared by several gateways', () => {
  test('let N through at all of them together, and give back at one what another then takes', async () => {
    const { first, second, clock } = twoGateways(providers);
    const one = await taken(first.reserve(use('a', 'm')));
    await taken(second.reserve(use('a', 'm')));
    clock.advance(5_000);
    await taken(first.reserve(use('a', 'm')));
    const refused: RateBlock = { remainingMs: 55_000, scope: 'a/m', limit: 'rpm' };
    expect(await second.reserve(use('a', 'm'))).toEqual(refused);
    expect(await first.reserve(use('a', 'm'))).toEqual(refused);
    one.end({ tokens: null, wasSent: false });
    await taken(second.reserve(use('a', 'm')));
    expect(await first.reserve(use('a', 'm'))).toMatchObject({ scope: 'a/m' });
  });

  test('a refusal is remembered for the next decisions, for as much or more, and asked about again after a second', async () => {
    const { first, second, clock } = twoGateways(providers);
    await taken(first.reserve(use('a', 'big', 80)));
    expect(second.blocked(use('a', 'big', 30))).toBeNull();
    expect(await second.reserve(use('a', 'big', 30))).toMatchObject({ remainingMs: MINUTE_MS });
    clock.advance(400);
    expect(second.blocked(use('a', 'big', 30))).toEqual({ remainingMs: 59_600, scope: 'a/big', limit: 'tpm' });
    expect(second.blocked(use('a', 'big', 29))).toBeNull();
    clock.advance(600);
    expect(second.blocked(use('a', 'big', 30))).toBeNull();
  });

  test('what this gateway gives back ends the memory of a refusal', async () => {
    const { first, second } = twoGateways(providers);
    await taken(second.reserve(use('b', 'x', 600)));
    const own = await taken(first.reserve(use('b', 'x', 300)));
    expect(await first.reserve(use('b', 'x', 200))).toMatchObject({ scope: 'provider b', limit: 'tpm' });
    expect(first.blocked(use('b', 'x', 200))).toMatchObject({ scope: 'provider b', limit: 'tpm' });
    own.end({ tokens: 100, wasSent: true });
    expect(first.blocked(use('b', 'x', 200))).toBeNull();
    await taken(first.reserve(use('b', 'x', 200)));
  });

  test('a prompt that never fits is refused without asking', async () => {
    const { first, store } = twoGateways(providers);
    expect(await first.reserve(use('a', 'big', 101))).toMatchObject({ remainingMs: null });
    expect(store.asked).toBe(0);
  });

  test.each(['null', 'rejects'] as const)(
    'a store that answers %s leaves the decision to the own windows',
    async (how) => {
      const { first, store } = twoGateways(providers);
      await taken(first.reserve(use('a', 'm')));
      store.answers = how;
      await taken(first.reserve(use('a', 'm')));
      await taken(first.reserve(use('a', 'm')));
      expect(await first.reserve(use('a', 'm'))).toMatchObject({ remainingMs: MINUTE_MS, scope: 'a/m' });
    },
  );

  test('without the store each gateway goes on at once with all it let through before, and later with what it did alone', async () => {
    const { first, store } = twoGateways(providers);
    await taken(first.reserve(use('a', 'm')));
    store.isConnected = false;
    expect(admitted(first, use('a', 'm'))).toBe(2);
    store.isConnected = true;
    expect(await first.reserve(use('a', 'm'))).toMatchObject({ remainingMs: MINUTE_MS });
  });

  test('what is not limited asks no store', () => {
    const { first, store } = twoGateways(providers);
    expect(first.reserve(use('a', 'other'))).not.toBeInstanceOf(Promise);
    expect(store.asked).toBe(0);
  });
});
