// What recording costs: time of the serving thread per outcome, CPU of the whole process per outcome (the worker's
// included), and memory the worker adds. `node bench/history.ts`. Beside it, what cloning the objects would cost.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { systemClock } from '../gateway/clock.ts';
import { openHistory } from '../gateway/history/recorder.ts';
import type { Outcome } from '../gateway/types.ts';
import { typicalBasis, typicalOutcome } from './outcome.ts';

const rounds = 90;
const warmUp = 30;
const rowsPerRound = 512;
const quiet = { debug() {}, info() {}, warn: console.error, error: console.error };

function microseconds(ms: number, rows: number): string {
  return `${((ms * 1_000) / rows).toFixed(2)} µs`;
}

function batch(): Outcome[] {
  return Array.from({ length: rowsPerRound }, typicalOutcome);
}

/** Cloned in batches as `postMessage` does it. */
function cloneCost(): number {
  const { port1, port2 } = new MessageChannel();
  let ms = 0;
  for (let round = 0; round < rounds; round++) {
    const outcomes = batch();
    const began = threadMs();
    port1.postMessage(outcomes);
    if (round >= warmUp) ms += threadMs() - began;
  }
  port1.close();
  port2.close();
  return ms;
}

/** CPU time of this thread, so that neither the worker nor other programs are in it. */
function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

function residentMb(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss() / 1_048_576;
}

const folder = mkdtempSync(join(tmpdir(), 'switchyard-bench-'));
const before = residentMb();
const settings = { retentionDays: 90, maxMb: 1_024 };
const history = openHistory({ folder, settings, log: quiet, clock: systemClock, instance: 'bench' });
await history.recentRequests(1);
console.log(`memory of the open worker:        ${(residentMb() - before).toFixed(1)} MB`);

let servingMs = 0;
let cpuMs = 0;
for (let round = 0; round < rounds; round++) {
  const outcomes = batch();
  const bases = outcomes.map(typicalBasis);
  const cpu = process.cpuUsage();
  const began = threadMs();
  for (const [index, outcome] of outcomes.entries()) history.record(outcome, bases[index]);
  const ms = threadMs() - began;
  await history.flush();
  const used = process.cpuUsage(cpu);
  if (round < warmUp) continue;
  servingMs += ms;
  cpuMs += (used.user + used.system) / 1_000;
}
const rows = (rounds - warmUp) * rowsPerRound;
console.log(`serving thread, per outcome:      ${microseconds(servingMs, rows)}`);
console.log(`whole process CPU, per outcome:   ${microseconds(cpuMs, rows)}`);
console.log(`memory after ${rounds * rowsPerRound} outcomes:      ${(residentMb() - before).toFixed(1)} MB`);
console.log(`cloning the objects, per outcome: ${microseconds(cloneCost(), rows)}`);
await history.close();
rmSync(folder, { recursive: true });
