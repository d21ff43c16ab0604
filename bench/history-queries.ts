// What the window asks of a long history, and how long each answer takes: asked of the worker as the gateway asks it, the way
// there and back included. `node bench/history-queries.ts [--requests 1000000] [--beats 5000000] [--folder DIR] [--rounds 40]`;
// a folder that holds a history.db already is used as it is.

import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../gateway/clock.ts';
import type { AdminMetric, AdminRequestFilter } from '../gateway/contract.ts';
import { databaseFile } from '../gateway/history/history.ts';
import { openHistory } from '../gateway/history/recorder.ts';
import { generate, models, providers } from './history-data.ts';

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '1000000' },
    beats: { type: 'string', default: '5000000' },
    folder: { type: 'string' },
    rounds: { type: 'string', default: '40' },
  },
});
const folder = values.folder ?? mkdtempSync(join(tmpdir(), 'switchyard-bench-'));
if (!existsSync(databaseFile(folder))) generate(folder, Number(values.requests), Number(values.beats));
console.log(`history.db: ${Math.round(statSync(databaseFile(folder)).size / 1_048_576)} MB`);

const quiet = { debug() {}, info() {}, warn: console.error, error: console.error };
const settings = { retentionDays: 365, maxMb: 100_000 };
const history = openHistory({ folder, settings, log: quiet, clock: systemClock, instance: 'bench' });
await history.recentRequests(1);

const toMs = statSync(databaseFile(folder)).mtimeMs;
const dayMs = 86_400_000;
const last = (ms: number): { fromMs: number; toMs: number } => ({ fromMs: toMs - ms, toMs });
const [hour, day, week, month, quarter] = [3_600_000, dayMs, 7 * dayMs, 30 * dayMs, 90 * dayMs];

function figures(times: number[]): string {
  times.sort((a, b) => a - b);
  const at = (share: number): string => (times[Math.ceil(share * times.length) - 1] ?? 0).toFixed(1).padStart(8);
  return `${at(0.5)}${at(0.95)}${at(1)}`;
}

/** Prints the time that passed and, for machines that are busy with other things, the CPU time of the whole process. */
async function measure(what: string, ask: (round: number) => Promise<unknown>): Promise<void> {
  const [passed, used]: [number[], number[]] = [[], []];
  for (let round = 0; round < Number(values.rounds); round++) {
    const [began, cpu] = [performance.now(), process.cpuUsage()];
    await ask(round);
    const { user, system } = process.cpuUsage(cpu);
    passed.push(performance.now() - began);
    used.push((user + system) / 1_000);
  }
  console.log(`${what.padEnd(52)}${figures(passed)}  ${figures(used)}`);
}

/** Pages at different depths: each round goes on where the one before ended. */
async function measurePages(what: string, filter: AdminRequestFilter): Promise<void> {
  let cursor: string | undefined;
  await measure(`page: ${what}`, async () => {
    cursor = (await history.requestPage(filter, 100, cursor)).nextCursor ?? undefined;
  });
}

console.log(`${''.padEnd(52)}${'ms passed: p50, p95, max'.padStart(24)}  ${'ms of CPU'.padStart(24)}`);
await measure('first page with count, no filter', () => history.requestPage({}, 100));
await measure('first page with count, 30 days of a provider', () =>
  history.requestPage({ provider: 'provider-0', ...last(month) }, 100),
);
await measurePages('no filter', {});
await measurePages('an hour in the middle', { fromMs: toMs - 40 * dayMs, toMs: toMs - 40 * dayMs + hour });
await measurePages('provider', { provider: 'provider-7' });
await measurePages('model', { model: models[5] ?? '' });
await measurePages('client', { client: 'client-39' });
await measurePages('failed', { result: 'failed' });
await measurePages('complete', { result: 'complete' });
await measurePages('variant', { variant: 'B' });
await measurePages('provider, model, client, complete', {
  ...{ provider: 'provider-3', model: models[3] ?? '', client: 'client-20', result: 'complete' },
});
await measurePages('provider and rejected (nothing to be found)', { provider: 'provider-3', result: 'rejected' });
await measurePages('text in a third of the models', { text: 'FAMILY3' });
await measurePages('text that is in one error', { text: 'to 4242 lost' });
await measurePages('text that is nowhere', { text: 'nowhere' });
await measurePages('text that is an id', { text: 'req_0000000000rs' });
let id = '';
await measure('one request', async (round) => {
  id = `req_${(round * 20_011).toString(36).padStart(12, '0')}`;
  await history.request(id);
});
for (const [name, ms] of Object.entries({ hour, day, week, month, quarter })) {
  await measure(`health, ${name}, 120 buckets, 8 providers`, () => history.health({ ...last(ms), buckets: 120 }));
}
await measure('40 beats of one provider', () =>
  history.beats({ ...last(day), provider: providers[3] ?? '', limit: 40 }),
);
for (const [name, ms] of Object.entries({ day, month, quarter })) {
  await measure(`incidents, ${name}`, () => history.incidents({ ...last(ms), limit: 100 }));
}
await measure('events, 8 latest', () => history.events({ ...last(month), limit: 8 }));
for (const metric of ['durationMs', 'firstContentWarmMs', 'firstContentColdMs', 'tokensPerSecond'] as AdminMetric[]) {
  for (const [name, ms] of Object.entries({ hour, day, month, quarter })) {
    await measure(`series ${metric}, ${name}`, () => history.series({ ...last(ms), metric, buckets: 120 }));
  }
}
await measure('series firstContentWarmMs, month, one deployment', () =>
  history.series({
    ...last(month),
    ...{ metric: 'firstContentWarmMs', buckets: 120, provider: 'provider-0', model: models[0] ?? '' },
  }),
);
for (const by of ['provider', 'model', 'client'] as const) {
  for (const [name, ms] of Object.entries({ day, month, quarter })) {
    await measure(`usage by ${by}, ${name}`, () => history.usage(by, last(ms)));
  }
}
await measure('hardware, day, 300 points', () => history.hardware(last(day), 300));
const lines = history.exportRequests({}, 'csv');
await measure('export, each part of 150 rows', () => lines.next());
await history.close();
if (values.folder === undefined) rmSync(folder, { recursive: true });
