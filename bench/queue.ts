// What a place costs a request when nobody waits, and what the line costs each of those who wait when it is long:
// `node bench/queue.ts`. Ten times as many should cost each about as much.

import { type SlotOption, Slots, type Waiter } from '../gateway/dispatch/slots.ts';
import { median } from './load.ts';

const TAKES = 5_000_000;
const ROUNDS = 5;
/** As long as a line is by default. */
const FULL_LINE = 100;
const FULL_LINE_ROUNDS = 300;
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

/** A line of that many clients, each with as many in it: the next of each is refused, and newcomers take their places. */
function fullLineMicroseconds(clients: number): readonly [number, number] {
  const slots = new Slots(clock, () => undefined);
  const option = { ...optionAt('ollama', 1), maxQueue: FULL_LINE };
  slots.tryTakeOne(option);
  const come = (client: string, priority: Waiter['priority']): void => {
    slots.wait([option], { client, priority }).slot.catch(() => undefined);
  };
  for (let count = 0; count < FULL_LINE; count += 1) come(`client ${count % clients}`, 'low');
  const startedAtMs = performance.now();
  for (let count = 0; count < FULL_LINE; count += 1) come(`client ${count % clients}`, 'low');
  const refusedAtMs = performance.now();
  // A client's own request of a higher class takes the place of one of a lower.
  for (let count = 0; count < FULL_LINE; count += 1) come(`client ${count % clients}`, 'high');
  const endedAtMs = performance.now();
  return [((refusedAtMs - startedAtMs) * 1e3) / FULL_LINE, ((endedAtMs - refusedAtMs) * 1e3) / FULL_LINE];
}

export interface LineFigures {
  readonly waiting: number;
  readonly clients: number;
  readonly joinMicroseconds: number;
  readonly serveMicroseconds: number;
}

/** Medians of several rounds, for as many clients as are given for each length of the line. */
export async function measureLines(
  lengths: readonly number[],
  clientsOf: (waiting: number) => readonly number[],
): Promise<LineFigures[]> {
  const figures: LineFigures[] = [];
  for (const waiting of lengths) {
    for (const clients of clientsOf(waiting)) {
      const rounds: (readonly [number, number])[] = [];
      for (let round = 0; round < ROUNDS; round += 1) rounds.push(await lineMicroseconds(waiting, clients));
      const [joinMicroseconds, serveMicroseconds] = [
        median(rounds.map(([one]) => one)),
        median(rounds.map(([, one]) => one)),
      ];
      figures.push({ waiting, clients, joinMicroseconds, serveMicroseconds });
    }
  }
  return figures;
}

/** Nanoseconds of a place that nobody waits for, the median of several rounds. */
export function measurePlace(limit: number | null): number {
  return median(Array.from({ length: ROUNDS }, () => idleNs(limit)));
}

/** Microseconds of one that comes to a full line and is refused, or gets in for another: the median of several rounds. */
export function measureFullLine(clients: number): { readonly refused: number; readonly exchanged: number } {
  const rounds = Array.from({ length: FULL_LINE_ROUNDS }, () => fullLineMicroseconds(clients));
  return { refused: median(rounds.map(([one]) => one)), exchanged: median(rounds.map(([, one]) => one)) };
}

if (import.meta.main) {
  for (const limit of [null, 4])
    console.log(`a place when nobody waits, limit ${limit ?? 'none'}: ${measurePlace(limit).toFixed(1)} ns`);
  for (const clients of [1, 10, 100]) {
    const { refused, exchanged } = measureFullLine(clients);
    const words = `${refused.toFixed(1)} us to be refused, ${exchanged.toFixed(1)} us to take another's place`;
    console.log(`a full line of ${FULL_LINE}, ${clients} clients: ${words}`);
  }
  const lines = await measureLines([100, 1_000, 10_000, 100_000], (waiting) => [...new Set([1, 100, waiting])]);
  for (const { waiting, clients, joinMicroseconds, serveMicroseconds } of lines) {
    const figures = `${joinMicroseconds.toFixed(1)} us to get in line, ${serveMicroseconds.toFixed(1)} us to be served`;
    console.log(`${waiting} waiting at 2 providers, ${clients} clients: ${figures}`);
  }
}
