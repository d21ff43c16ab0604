// Forty clients at eight places; `node scripts/overload.ts` is the same with two hundred for a minute.

import { expect, test } from 'vitest';
import { whenReady } from '../faults/support.ts';
import { testGateway } from '../support/gateway.ts';
import { meanOf, meanWaits, narrowYaml, newClients, overtakers, runCrowd, startNarrow, unfairness } from './crowd.ts';

const CLIENTS = 40;
const ROUNDS = 20;
const ANSWER_MS = 4;
/** The first answers of each client: the line is not full yet. */
const SKIPPED = 3;

async function crowded() {
  const servers = await startNarrow(ANSWER_MS, 10_000);
  const gateway = await testGateway(narrowYaml(servers));
  await whenReady(gateway, 'p0', 'p1');
  return {
    url: gateway.url,
    servers,
    [Symbol.asyncDispose]: async () => {
      await gateway.close();
      await Promise.all(servers.map((server) => server.close()));
    },
  };
}

test('forty clients at eight places: everybody is answered in his turn', async () => {
  await using world = await crowded();
  const clients = newClients(CLIENTS, () => 'normal');
  await runCrowd(world.url, clients, ({ waitsMs }) => waitsMs.length >= ROUNDS);
  expect(clients.flatMap(({ errors }) => errors)).toEqual([]);
  // Not by the clock: on a machine that has much else to do one pause is longer than all waits together.
  const overtaken = overtakers(clients, world.servers, SKIPPED);
  const means = meanWaits(clients, SKIPPED);
  console.log(
    `overload: ${CLIENTS * ROUNDS} answers, each client overtaken by ${meanOf(overtaken).toFixed(2)} of ${CLIENTS - 1} others (at most ${Math.max(...overtaken).toFixed(2)}); mean wait ${meanOf(means).toFixed(1)} ms, every client within ${(unfairness(means) * 100).toFixed(1)} %`,
  );
  expect(meanOf(means)).toBeGreaterThan(ANSWER_MS);
  expect(Math.max(...overtaken)).toBeLessThan(CLIENTS / 10);
});

test('a client of high priority waits least, and one of low priority is served all the same: every fifth place', async () => {
  await using world = await crowded();
  const clients = newClients(CLIENTS, (index) => (index % 2 === 0 ? 'high' : 'low'));
  const high = clients.filter(({ priority }) => priority === 'high');
  const low = clients.filter(({ priority }) => priority === 'low');
  const served = (some: typeof clients) => some.reduce((sum, { waitsMs }) => sum + waitsMs.length, 0);
  const total = CLIENTS * ROUNDS;
  let share = 0;
  await runCrowd(world.url, clients, () => {
    const all = served(clients);
    // Read while everybody still stands in line.
    if (all >= total && share === 0) share = served(low) / all;
    return all >= total;
  });
  expect(clients.flatMap(({ errors }) => errors)).toEqual([]);
  const [highMs, lowMs] = [high, low].map((some) => meanOf(some.flatMap(({ waitsMs }) => waitsMs)));
  console.log(
    `overload: high waits ${highMs?.toFixed(1)} ms, low ${lowMs?.toFixed(1)} ms; low has ${(share * 100).toFixed(1)} % of the places`,
  );
  expect(highMs).toBeLessThan((lowMs ?? 0) / 2);
  expect(share).toBeGreaterThan(0.17);
  expect(share).toBeLessThan(0.25);
  expect(low.every(({ waitsMs }) => waitsMs.length > 0)).toBe(true);
});
