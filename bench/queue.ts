// What a place costs a request when nobody waits, and what the line costs each of those who wait when it is long:
// `node bench/queue.ts`. Ten times as many should cost each about as much.

import { type SlotOption, Slots, type Waiter } from '../gateway/dispatch/slots.ts';

const TAKES = 5_000_000;
const ROUNDS = 5;
const clock = { now: () => Date.now(), monotonic: () => performance.now(), after: () => () => undefined };
const priorities = ['high', 'normal', 'low'] as const;

function optionAt(provider: string, maxParallelRequests: number | null): SlotOption {
  return { provider, model: 'llama3.1:8b', maxParallelRequests, maxQueue: 1_000_000, queueTimeoutMs: 60_000 };
}

/** Nanoseconds of one place taken and given back while nobody waits. */
function idleNs(maxParallelRequests: number | null): number {
  const slots = new Slots(clock, () => undefined);
  const option = optionAt('ollama', maxParallelRequests);
  const startedAtMs = performance.now();
  for (let count = 0; count < TAKES; count += 1) slots.tryTakeOne(option)?.release();
  return ((performance.now() - startedAtMs) * 1e6) / TAKES;
}

/** Microseconds for each of so many to get in line, and for each to be granted its place and leave. */
async function lineMicroseconds(waiting: number, clients: number): Promise<readonly [number, number]> {
  const slots = new Slots(clock, () => undefined);
  const options = [optionAt('ollama', 1), optionAt('vllm', 1)];
  const running = [slots.tryTake(options), slots.tryTake(options)];
  const startedAtMs = performance.now();
  const line = Array.from({ length: waiting }, (_, index) => slots.wait(options, waiterOf(index, clients)).slot);
  const joinedAtMs = performance.now();
  const ended = line.map((slot) => slot.then((granted) => granted.release()));
  for (const slot of running) slot?.release();
  await Promise.all(ended);
  const endedAtMs = performance.now();
  return [((joinedAtMs - startedAtMs) * 1e3) / waiting, ((endedAtMs - joinedAtMs) * 1e3) / waiting];
}

function waiterOf(index: number, clients: number): Waiter {
  return { client: `client ${index % clients}`, priority: priorities[index % 3] ?? 'normal' };
}

function middle(values: number[]): string {
  return (values.sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN).toFixed(1);
}

for (const limit of [null, 4]) {
  const rounds = Array.from({ length: ROUNDS }, () => idleNs(limit));
  console.log(`a place when nobody waits, limit ${limit ?? 'none'}: ${middle(rounds)} ns`);
}
for (const waiting of [100, 1_000, 10_000, 100_000]) {
  for (const clients of [1, 100, waiting]) {
    const rounds: (readonly [number, number])[] = [];
    for (let round = 0; round < ROUNDS; round += 1) rounds.push(await lineMicroseconds(waiting, clients));
    const [join, grant] = [middle(rounds.map(([one]) => one)), middle(rounds.map(([, one]) => one))];
    console.log(
      `${waiting} waiting at 2 providers, ${clients} clients: ${join} us to get in line, ${grant} us to be served`,
    );
  }
}
