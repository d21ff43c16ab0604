// The line of those who wait, held against the simulator.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Slot, type SlotOption, Slots, type Waiter, type Waiting } from '../../gateway/dispatch/slots.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { type Choice, CLASSES, isSame, MAX_QUEUE, MODEL_LIMIT, Simulator, TIMEOUT_MS } from './slots-simulator.ts';

/** The real line, told the same. */
class Real {
  readonly clock = new FakeClock(0);
  readonly slots: Slots;
  readonly held = new Map<number, Slot>();
  readonly waiting = new Map<number, Waiting>();
  readonly granted: string[] = [];
  readonly refused = new Map<number, unknown>();
  readonly queued = { a: 0, b: 0 };
  readonly #limits: Readonly<Record<Choice['provider'], number>>;

  constructor(limits: Readonly<Record<Choice['provider'], number>>) {
    this.#limits = limits;
    this.slots = new Slots(this.clock, (provider, queued) => {
      this.queued[provider === 'a' ? 'a' : 'b'] = queued;
    });
  }

  arrive(id: number, { client, priority }: Waiter, choices: readonly Choice[]): void {
    const options = choices.map((choice) => this.option(choice));
    const slot = this.slots.tryTake(options);
    if (slot !== null) {
      this.#hold(id, slot);
      return;
    }
    const waiting = this.slots.wait(options, { client, priority });
    this.waiting.set(id, waiting);
    waiting.slot.then(
      (granted) => this.#hold(id, granted),
      (error: { readonly code: string }) => this.refused.set(id, error.code),
    );
  }

  option({ provider, model }: Choice): SlotOption {
    return {
      provider,
      model,
      maxParallelRequests: this.#limits[provider],
      maxParallelOfModel: model === 'limited' ? MODEL_LIMIT : null,
      maxQueue: MAX_QUEUE,
      queueTimeoutMs: TIMEOUT_MS,
    };
  }

  #hold(id: number, slot: Slot): void {
    this.held.set(id, slot);
    this.granted.push(`${id} at ${slot.provider}/${slot.model}`);
  }
}

const choice = fc.record({
  provider: fc.constantFrom('a' as const, 'b'),
  model: fc.constantFrom('free' as const, 'limited'),
});
const choices = fc.uniqueArray(choice, {
  minLength: 1,
  maxLength: 4,
  selector: ({ provider, model }) => `${provider}/${model}`,
});
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      act: fc.constant('arrive' as const),
      // One of them asks more often than the others together.
      client: fc.constantFrom('x', 'x', 'x', 'y', 'z', 'w'),
      priority: fc.constantFrom(...CLASSES),
      choices,
    }),
  },
  { weight: 4, arbitrary: fc.record({ act: fc.constant('release' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('cancel' as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('replace' as const), which: fc.nat(), choices }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 20 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      act: fc.constant('limit' as const),
      provider: fc.constantFrom('a' as const, 'b'),
      limit: fc.integer({ min: 0, max: 4 }),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Does the same to both. */
function act(one: Step, id: number, simulator: Simulator, real: Real): void {
  simulator.step = id;
  switch (one.act) {
    case 'arrive': {
      const { client, priority } = one;
      simulator.arrive({ id, client, priority, arrivedAtMs: simulator.nowMs, choices: one.choices });
      real.arrive(id, { client, priority }, one.choices);
      break;
    }
    case 'release': {
      const running = simulator.running[one.which % Math.max(1, simulator.running.length)];
      if (running === undefined) break;
      simulator.release(running.id);
      real.held.get(running.id)?.release();
      break;
    }
    case 'cancel':
    case 'replace': {
      const request = simulator.waiting[one.which % Math.max(1, simulator.waiting.length)];
      if (request === undefined) break;
      const waiting = real.waiting.get(request.id);
      if (one.act === 'cancel') {
        simulator.cancel(request.id);
        waiting?.cancel();
      } else {
        simulator.replace(request.id, one.choices);
        waiting?.replace(one.choices.map((wanted) => real.option(wanted)));
      }
      break;
    }
    case 'advance':
      simulator.advance(one.ms);
      real.clock.advance(one.ms);
      break;
    case 'limit':
      simulator.setLimit(one.provider, one.limit);
      real.slots.recheck(one.provider, one.limit);
      break;
  }
}

async function settle(): Promise<void> {
  for (let count = 0; count < 3; count += 1) await Promise.resolve();
}

/** Compares as text: `expect` at every step would take longer than everything else. */
function holdAgainst(real: Real, simulator: Simulator, when: string): void {
  const waits = (['a', 'b'] as const).map(
    (provider) =>
      simulator.waiting.filter(({ choices: wanted }) => wanted.some((one) => one.provider === provider)).length,
  );
  const should = [
    simulator.grants.map(({ id, provider, model }) => `${id} at ${provider}/${model}`).join('; '),
    [...simulator.refused]
      .map(([id, code]) => `${id} ${code}`)
      .sort()
      .join('; '),
    `${waits[0]} wait for a, ${waits[1]} for b, ${simulator.waiting.length} timers`,
  ].join('\n');
  const is = [
    real.granted.join('; '),
    [...real.refused]
      .map(([id, code]) => `${id} ${code}`)
      .sort()
      .join('; '),
    `${real.queued.a} wait for a, ${real.queued.b} for b, ${real.clock.pending} timers`,
  ].join('\n');
  if (is !== should) expect(is, when).toBe(should);
}

/** Runs the steps on both, holding the real line against the simulator after each. */
async function run(
  steps: readonly Step[],
  afterEach: (simulator: Simulator) => void = () => undefined,
): Promise<Simulator> {
  const simulator = new Simulator();
  const real = new Real(simulator.limits);
  for (const [id, one] of steps.entries()) {
    act(one, id, simulator, real);
    await settle();
    holdAgainst(real, simulator, `after step ${id}: ${JSON.stringify(one)}`);
    afterEach(simulator);
  }
  return simulator;
}

describe('the line, held against a simulator', () => {
  test('it does as the simulator does, whoever comes, goes, is sent elsewhere or runs out of time', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 120, size: 'max' }), async (steps) => {
        await run(steps);
      }),
      { numRuns: 80 },
    );
  });

  test('no place is ever free while somebody waits for it, and no line is longer than allowed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 120, size: 'max' }), async (steps) => {
        await run(steps, (simulator) => {
          for (const request of simulator.waiting)
            expect(request.choices.filter((wanted) => simulator.hasRoom(wanted))).toEqual([]);
          for (const provider of ['a', 'b'] as const)
            for (const model of ['free', 'limited'] as const) {
              const waits = simulator.waiting.filter(({ choices: wanted }) =>
                wanted.some((other) => isSame(other, { provider, model })),
              );
              expect(waits.length).toBeLessThanOrEqual(MAX_QUEUE);
            }
        });
      }),
      { numRuns: 25 },
    );
  });

  test('a newcomer that pushes somebody out leaves the shares of a full line as even as before, or asks for more haste', async () => {
    const causes = { greed: 0, haste: 0, elsewhere: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 150, size: 'max' }), async (steps) => {
        const { losses } = await run(steps);
        for (const { loser, newcomer, counts } of losses) {
          const isOwn = loser.client === newcomer.client;
          const hasHaste = CLASSES.indexOf(newcomer.priority) < CLASSES.indexOf(loser.priority);
          if (!hasHaste) expect(counts.newcomer).toBeLessThan(counts.loser);
          if (!isOwn) expect(counts.newcomer).toBeLessThanOrEqual(counts.loser);
          causes[counts.newcomer < counts.loser ? 'greed' : 'haste'] += 1;
          if (loser.choices.length > 1) causes.elsewhere += 1;
        }
      }),
      { numRuns: 25 },
    );
    // The steps must be such that all of it happens.
    expect(Math.min(causes.greed, causes.haste, causes.elsewhere)).toBeGreaterThan(10);
  });

  test('no class that could take a place is passed over without end, and within a client the earliest goes first', async () => {
    const most = { high: 3, normal: 10, low: 24 };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 250, size: 'max' }), async (steps) => {
        const { grants } = await run(steps);
        for (const provider of ['a', 'b'] as const) {
          const passedOver = { high: 0, normal: 0, low: 0 };
          for (const grant of grants.filter((one) => one.provider === provider && one.from === 'line')) {
            for (const { id, client, priority } of grant.couldHave)
              if (client === grant.client && priority === grant.priority) expect(grant.id).toBeLessThanOrEqual(id);
            for (const priority of CLASSES) {
              if (priority === grant.priority) passedOver[priority] = 0;
              else if (grant.couldHave.some((one) => one.priority === priority)) passedOver[priority] += 1;
              expect(passedOver[priority]).toBeLessThanOrEqual(most[priority]);
            }
          }
        }
      }),
      { numRuns: 25 },
    );
  });
});
