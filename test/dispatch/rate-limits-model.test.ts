import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Settings } from '../../gateway/config/settings.ts';
import { isRateBlock, RateLimits, type Reservation } from '../../gateway/dispatch/rate-limits.ts';
import { settingsOf } from '../config/support.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { type Entry, type Limits, MINUTE_MS, Model, type PerMinute, use } from './rate-support.ts';

// Against a model that keeps every single request.

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
