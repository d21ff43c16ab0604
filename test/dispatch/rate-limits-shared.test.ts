import { describe, expect, test } from 'vitest';
import {
  isRateBlock,
  type RateBlock,
  RateLimits,
  type Reservation,
  type SharedAnswer,
  type SharedWindows,
} from '../../gateway/dispatch/rate-limits.ts';
import { settingsOf } from '../config/support.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { admitted, type Entry, MINUTE_MS, Model, providers, use } from './rate-support.ts';

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
