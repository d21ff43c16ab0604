// `node scripts/overload.ts --clients 200 --seconds 60`: many clients at eight places, first all alike, then half of them
// of high and half of low priority; the gateway in a process of its own. Fails when somebody is refused, when clients that
// are alike wait differently, when priorities are not kept, or when memory grows.

import { parseArgs } from 'node:util';
import { ChildGateway } from '../test/faults/child-gateway.ts';
import {
  type CrowdClient,
  meanOf,
  meanWaits,
  narrowYaml,
  newClients,
  runCrowd,
  startNarrow,
  unfairness,
} from '../test/resilience/crowd.ts';

const MEGABYTE = 1_024 * 1_024;
const LARGEST_UNFAIRNESS = 0.1;
const LARGEST_GROWTH = 1.1;
/** How many of each client's first waits do not count: the line was not full yet. */
const SKIPPED = 2;

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '60' },
    'answer-ms': { type: 'string', default: '20' },
  },
});
const [count, seconds, answerMs] = [values.clients, values.seconds, values['answer-ms']].map(Number);
if (!(count && seconds && answerMs)) {
  console.error('--clients, --seconds and --answer-ms take numbers above 0');
  process.exit(2);
}

const servers = await startNarrow(answerMs, 0);
await using gateway = await ChildGateway.start(narrowYaml(servers));
let isGood = true;

function judge(what: string, holds: boolean): void {
  console.log(`${holds ? 'ok  ' : 'FAIL'} ${what}`);
  isGood &&= holds;
}

/** Runs them for that long; the settled heap and the memory of the process are read five times, from the first fifth on. */
async function run(clients: readonly CrowdClient[], forSeconds: number): Promise<void> {
  const endsAtMs = performance.now() + forSeconds * 1_000;
  const heaps: number[] = [];
  const reading = setInterval(
    async () => {
      const { heapUsed, rss } = await gateway.memory();
      heaps.push(heapUsed);
      console.log(`     heap ${(heapUsed / MEGABYTE).toFixed(1)} MB   RSS ${(rss / MEGABYTE).toFixed(1)} MB`);
    },
    (forSeconds * 1_000) / 5.5,
  );
  await runCrowd(gateway.url, clients, () => performance.now() >= endsAtMs);
  clearInterval(reading);
  const errors = clients.flatMap((client) => client.errors);
  const answers = clients.reduce((sum, { waitsMs }) => sum + waitsMs.length, 0);
  judge(
    `${answers} answers, ${errors.length} errors${errors[0] === undefined ? '' : `, the first: ${errors[0]}`}`,
    errors.length === 0,
  );
  const growth = Math.max(...heaps) / (heaps[0] ?? 1) - 1;
  judge(`heap at most ${(growth * 100).toFixed(1)} % above its first reading`, growth < LARGEST_GROWTH - 1);
}

console.log(`${count} clients alike, ${seconds} s`);
const alike = newClients(count, () => 'normal');
await run(alike, seconds);
const means = meanWaits(alike, SKIPPED);
judge(
  `mean wait ${meanOf(means).toFixed(0)} ms, every client within ${(unfairness(means) * 100).toFixed(1)} % of it`,
  unfairness(means) < LARGEST_UNFAIRNESS,
);

console.log(`${count} clients, half of them of high priority, half of low, ${seconds / 2} s`);
const mixed = newClients(count, (index) => (index % 2 === 0 ? 'high' : 'low'));
await run(mixed, seconds / 2);
const waits = (priority: string) => mixed.flatMap((client) => (client.priority === priority ? client.waitsMs : []));
const [high, low] = [waits('high'), waits('low')];
const share = low.length / (low.length + high.length);
judge(`high waits ${meanOf(high).toFixed(0)} ms, low ${meanOf(low).toFixed(0)} ms`, meanOf(high) < meanOf(low) / 2);
judge(`low has ${(share * 100).toFixed(1)} % of the places`, share > 0.17 && share < 0.25);
for (const server of servers) await server.close();
process.exitCode = isGood ? 0 : 1;
