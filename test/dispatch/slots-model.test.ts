// The line of those who wait, held against a simulator that is slow and obvious: arrays, searched anew each time.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Slot, type SlotOption, Slots, type Waiter, type Waiting } from '../../gateway/dispatch/slots.ts';
import { FakeClock } from '../support/fake-clock.ts';

const CLASSES = ['high', 'normal', 'low'] as const;
const TIMEOUT_MS = 50;
const MAX_QUEUE = 6;
/** Each provider has two models, of which the second has a limit of its own. */
const MODEL_LIMIT = 1;

interface Choice {
  readonly provider: 'a' | 'b';
  readonly model: 'free' | 'limited';
}

interface Request {
  readonly id: number;
  readonly client: string;
  readonly priority: Waiter['priority'];
  readonly arrivedAtMs: number;
  choices: readonly Choice[];
}

interface Running extends Choice {
  readonly id: number;
}

interface Grant extends Running {
  readonly client: string;
  readonly priority: Waiter['priority'];
  /** Everybody who could have been given that place, the one who was among them. */
  readonly couldHave: readonly Request[];
  readonly from: 'line' | 'door';
}

/** What one provider remembers of those it has served. */
interface Memory {
  highInARow: number;
  normalInARow: number;
  readonly passedOver: Record<Waiter['priority'], number>;
  readonly turns: Map<string, number>;
}

class Simulator {
  readonly limits: Record<Choice['provider'], number> = { a: 1, b: 2 };
  readonly running: Running[] = [];
  waiting: Request[] = [];
  readonly grants: Grant[] = [];
  readonly refused = new Map<number, string>();
  /** The step it is at: arrivals are numbered by it, and turns lie between two. */
  step = 0;
  #grantsShare = 0;
  readonly #memory: Record<Choice['provider'], Memory> = { a: memory(), b: memory() };
  nowMs = 0;

  hasRoom({ provider, model }: Choice): boolean {
    const here = this.running.filter((one) => one.provider === provider);
    if (here.length >= this.limits[provider]) return false;
    return model === 'free' || here.filter((one) => one.model === model).length < MODEL_LIMIT;
  }

  arrive(request: Request): void {
    const free = request.choices.find((choice) => this.hasRoom(choice));
    if (free !== undefined) {
      this.#give(request, free, [], 'door');
      return;
    }
    this.#stand(request, request.choices);
  }

  replace(id: number, choices: readonly Choice[]): void {
    const request = this.waiting.find((one) => one.id === id);
    if (request === undefined) return;
    const free = choices.find((choice) => this.hasRoom(choice));
    if (free !== undefined) {
      this.#leave(request);
      this.#give(request, free, [], 'door');
      return;
    }
    const kept = request.choices;
    this.#leave(request, choices);
    this.#stand(request, choices, kept);
  }

  cancel(id: number): void {
    const request = this.waiting.find((one) => one.id === id);
    if (request === undefined) return;
    this.#leave(request);
    this.refused.set(id, 'client_closed_request');
  }

  release(id: number): void {
    const index = this.running.findIndex((one) => one.id === id);
    const [ended] = this.running.splice(index, 1);
    if (ended !== undefined) this.#serve(ended.provider);
  }

  setLimit(provider: Choice['provider'], limit: number): void {
    this.limits[provider] = limit;
    this.#serve(provider);
  }

  advance(ms: number): void {
    this.nowMs += ms;
    for (const request of this.waiting.filter(({ arrivedAtMs }) => arrivedAtMs + TIMEOUT_MS <= this.nowMs)) {
      this.#leave(request);
      this.refused.set(request.id, 'queue_timeout');
    }
  }

  #stand(request: Request, choices: readonly Choice[], kept: readonly Choice[] = []): void {
    const others = this.waiting.filter((one) => one !== request);
    request.choices = choices.filter((choice) => {
      const isKept = kept.some((one) => isSame(one, choice));
      return isKept || others.filter((one) => one.choices.some((other) => isSame(other, choice))).length < MAX_QUEUE;
    });
    if (request.choices.length === 0) {
      this.waiting = others;
      this.refused.set(request.id, 'queue_full');
      return;
    }
    this.waiting = [...others, request].sort((one, other) => one.id - other.id);
    for (const { provider } of request.choices) {
      const { turns } = this.#memory[provider];
      if (!turns.has(turnOf(request))) turns.set(turnOf(request), request.id);
    }
  }

  /** A client that waits for nothing more at a provider has no turn there. */
  #leave(request: Request, stays: readonly Choice[] = []): void {
    request.choices = request.choices.filter((choice) => stays.some((one) => isSame(one, choice)));
    if (request.choices.length === 0) this.waiting = this.waiting.filter((one) => one !== request);
    for (const provider of ['a', 'b'] as const) {
      const waits = this.waiting.some(
        (one) => turnOf(one) === turnOf(request) && one.choices.some((choice) => choice.provider === provider),
      );
      if (!waits) this.#memory[provider].turns.delete(turnOf(request));
    }
  }

  #serve(provider: Choice['provider']): void {
    for (;;) {
      const could = this.waiting.filter((one) => this.#best(one, provider) !== undefined);
      const rank = this.#nextClass(provider, could);
      if (rank === null) return;
      const { turns } = this.#memory[provider];
      const turn = (one: Request) => turns.get(turnOf(one)) ?? Number.NaN;
      const [next] = could
        .filter(({ priority }) => priority === rank)
        .sort((one, other) => turn(one) - turn(other) || one.id - other.id);
      const choice = next === undefined ? undefined : this.#best(next, provider);
      if (next === undefined || choice === undefined) throw new Error('a class was chosen in which nobody waits');
      this.#grantsShare += 1e-6;
      turns.set(turnOf(next), this.step + this.#grantsShare);
      this.#leave(next);
      this.#give(next, choice, could, 'line');
    }
  }

  #best(request: Request, provider: Choice['provider']): Choice | undefined {
    return request.choices.find((choice) => choice.provider === provider && this.hasRoom(choice));
  }

  #nextClass(provider: Choice['provider'], could: readonly Request[]): Waiter['priority'] | null {
    const known = this.#memory[provider];
    const has = (priority: Waiter['priority']) => could.some((one) => one.priority === priority);
    const ladder: readonly (readonly [boolean, Waiter['priority']])[] = [
      [has('low') && known.passedOver.low >= 24, 'low'],
      [has('normal') && known.passedOver.normal >= 9, 'normal'],
      [has('high') && (known.highInARow < 4 || !(has('normal') || has('low'))), 'high'],
      [has('normal') && (known.normalInARow < 4 || !has('low')), 'normal'],
      [has('low'), 'low'],
    ];
    const chosen = ladder.find(([isDue]) => isDue)?.[1] ?? null;
    if (chosen === null) return null;
    for (const priority of CLASSES) {
      if (priority === chosen) known.passedOver[priority] = 0;
      else if (has(priority)) known.passedOver[priority] += 1;
    }
    if (chosen !== 'high') known.highInARow = 0;
    else if (has('normal') || has('low')) known.highInARow += 1;
    if (chosen === 'low') known.normalInARow = 0;
    else if (chosen === 'normal' && has('low')) known.normalInARow += 1;
    return chosen;
  }

  #give(request: Request, choice: Choice, couldHave: readonly Request[], from: Grant['from']): void {
    const { id, client, priority } = request;
    this.running.push({ id, ...choice });
    this.grants.push({ id, client, priority, ...choice, couldHave, from });
  }
}

function memory(): Memory {
  return { highInARow: 0, normalInARow: 0, passedOver: { high: 0, normal: 0, low: 0 }, turns: new Map() };
}

/** A client has a turn in each class. */
function turnOf({ client, priority }: Request): string {
  return `${client} ${priority}`;
}

function isSame(one: Choice, other: Choice): boolean {
  return one.provider === other.provider && one.model === other.model;
}

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
      client: fc.constantFrom('x', 'y', 'z'),
      priority: fc.constantFrom(...CLASSES),
      choices,
    }),
  },
  { weight: 6, arbitrary: fc.record({ act: fc.constant('release' as const), which: fc.nat() }) },
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

describe('fairness of the line', () => {
  test('as long as two clients both wait for a place, neither gets two more than the other', async () => {
    const arrival = fc.record({ client: fc.constantFrom('x', 'y', 'z', 'w'), releases: fc.nat({ max: 2 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(arrival, { minLength: 20, maxLength: 120, size: 'max' }), async (arrivals) => {
        const slots = new Slots(new FakeClock(), () => undefined);
        const option = { provider: 'a', model: 'm', maxParallelRequests: 2, maxQueue: 1_000, queueTimeoutMs: 60_000 };
        const held = [slots.tryTakeOne(option), slots.tryTakeOne(option)];
        const leads = new Leads();
        for (const { client, releases } of arrivals) {
          leads.comes(client);
          slots.wait([option], { client, priority: 'normal' }).slot.then(
            (slot) => {
              held.push(slot);
              leads.isServed(client);
            },
            () => undefined,
          );
          await settle();
          for (let count = 0; count < releases; count += 1) {
            held.shift()?.release();
            await settle();
          }
        }
        expect(leads.greatest).toBeLessThanOrEqual(1);
      }),
    );
  });
});

/** How many more places one client got than another while both waited, for each pair of them. */
class Leads {
  greatest = 0;
  readonly #waiting = new Map<string, number>();
  readonly #leads = new Map<string, { least: number; most: number; now: number }>();

  comes(client: string): void {
    this.#waiting.set(client, (this.#waiting.get(client) ?? 0) + 1);
  }

  isServed(client: string): void {
    for (const [other, count] of this.#waiting) {
      if (other === client || count === 0) continue;
      const pair = [client, other].sort().join(' ');
      const lead = this.#leads.get(pair) ?? { least: 0, most: 0, now: 0 };
      lead.now += pair.startsWith(client) ? 1 : -1;
      lead.least = Math.min(lead.least, lead.now);
      lead.most = Math.max(lead.most, lead.now);
      this.greatest = Math.max(this.greatest, lead.most - lead.least);
      this.#leads.set(pair, lead);
    }
    const left = (this.#waiting.get(client) ?? 0) - 1;
    this.#waiting.set(client, left);
    if (left > 0) return;
    // Only the time in which both wait counts.
    for (const pair of [...this.#leads.keys()]) if (pair.split(' ').includes(client)) this.#leads.delete(pair);
  }
}
