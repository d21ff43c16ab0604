// What observing one outcome and writing one log line cost, and what the page of `/metrics` costs with many series.
// `node --expose-gc bench/telemetry.ts`

import { createLog } from '../gateway/telemetry/log.ts';
import { Metrics } from '../gateway/telemetry/metrics.ts';
import type { Outcome, Snapshot } from '../gateway/types.ts';
import { typicalOutcome } from './outcome.ts';

const rounds = 40;
const callsPerRound = 5_000;

/** The median of many short rounds: other work on the machine shows in single ones. */
function microsecondsPerCall(call: (index: number) => void): number {
  const results: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const began = performance.now();
    for (let index = 0; index < callsPerRound; index++) call(index);
    results.push(((performance.now() - began) * 1_000) / callsPerRound);
  }
  return results.sort((a, b) => a - b)[rounds / 2] ?? Number.NaN;
}

function residentMb(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss() / 1_048_576;
}

function print(what: string, value: number, unit: string): void {
  console.log(`${what.padEnd(44)} ${value.toFixed(2)} ${unit}`);
}

const outcomes: Outcome[] = Array.from({ length: 1_000 }, (_, index) => ({
  ...typicalOutcome(),
  provider: `provider${index % 5}`,
  model: `model${index % 20}`,
}));
const at = (index: number): Outcome => outcomes[index % outcomes.length] as Outcome;

const metrics = new Metrics();
print(
  'observe()',
  microsecondsPerCall((index) => metrics.observe(at(index))),
  'µs',
);

const sink = { write() {}, flushNow() {}, close: async () => {} };
const log = createLog({ level: 'info', isTerminal: false, destination: sink });
const message = '[ROUTER] Model: llama3.1:8b -> Provider: ollama (exact match)';
print(
  'a log line without fields',
  microsecondsPerCall(() => log.info(message)),
  'µs',
);
print(
  'a log line with two fields',
  microsecondsPerCall(() => log.info(message, { id: 'req_1', provider: 'ollama' })),
  'µs',
);
print(
  'a log line below the level',
  microsecondsPerCall(() => log.debug(message)),
  'µs',
);

const snapshot: Snapshot = { atMs: 0, version: 1, providers: new Map() };
const before = residentMb();
await metrics.render(snapshot);
print('memory of the first page (prom-client)', residentMb() - before, 'MB');
const began = performance.now();
const page = await metrics.render(snapshot);
print(`page of ${Math.round(page.length / 1_024)} kB, 100 deployments`, performance.now() - began, 'ms');
