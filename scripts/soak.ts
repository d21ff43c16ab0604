// `npm run soak -- --seconds 600`: a gateway in a process of its own under a mixed load, its memory read ten times. Fails when the heap grows.

import { parseArgs } from 'node:util';
import { ChildGateway, type MemoryReading } from '../test/faults/child-gateway.ts';
import { MixedProviders, runMixedLoad } from '../test/faults/mixed-load.ts';

const MEGABYTE = 1_024 * 1_024;
const READINGS = 10;
/** From the third reading on, when everything that is kept on purpose is full. */
const SETTLED_FROM = 2;
const LARGEST_GROWTH = 1.1;

function readSeconds(): number {
  const { values } = parseArgs({ options: { seconds: { type: 'string', default: '600' }, help: { type: 'boolean' } } });
  if (values.help) {
    console.log('npm run soak [-- --seconds 600]');
    process.exit(0);
  }
  const seconds = Number(values.seconds);
  if (seconds > 0) return seconds;
  console.error(`--seconds takes a number above 0, not "${values.seconds}"`);
  process.exit(2);
}

function line(atSeconds: number, requests: number, { heapUsed, external, rss }: MemoryReading): string {
  const [heap, outside, resident] = [heapUsed, external, rss].map((bytes) => (bytes / MEGABYTE).toFixed(1));
  return `${atSeconds.toFixed(0).padStart(5)} s ${String(requests).padStart(8)} requests   heap ${heap} MB   external ${outside} MB   RSS ${resident} MB`;
}

const seconds = readSeconds();
await using providers = await MixedProviders.start();
await using gateway = await ChildGateway.start(providers.yaml());
const heaps: number[] = [];
const statuses = new Map<number, number>();
let requests = 0;
let unanswered = 0;
for (let reading = 1; reading <= READINGS; reading += 1) {
  const tally = await runMixedLoad(gateway.url, seconds / READINGS, reading);
  requests += tally.requests;
  unanswered += tally.unanswered;
  for (const [status, count] of tally.statuses) statuses.set(status, (statuses.get(status) ?? 0) + count);
  const memory = await gateway.memory();
  heaps.push(memory.heapUsed);
  console.log(line((seconds * reading) / READINGS, requests, memory));
}
const settled = heaps.slice(SETTLED_FROM);
const growth = Math.max(...settled) / (settled[0] ?? 1);
const byStatus = [...statuses].sort(([a], [b]) => a - b).map(([status, count]) => `${count} x ${status}`);
console.log(`answers: ${byStatus.join(', ')}; without any: ${unanswered}`);
console.log(`largest heap after the third reading: ${((growth - 1) * 100).toFixed(1)} % above it`);
if (growth > LARGEST_GROWTH || unanswered > 0) process.exitCode = 1;
