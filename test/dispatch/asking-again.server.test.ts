// Who is asked in a second round, seen through the whole gateway.

import { expect, test } from 'vitest';
import { MODEL, named, worldOf } from '../resilience/support.ts';

test('in a second round everybody who failed is asked before anybody a third time', async () => {
  const yaml = `
routing_mode: order
router_settings: { disable_cooldowns: true, num_retries: 2 }
`;
  await using world = await worldOf({ a: await named('a'), b: await named('b') }, { yaml });
  await world.servers.a.setFault('server_error');
  await world.servers.b.setFault({ kind: 'server_error', times: 1 });
  const seen = await world.askThroughTime();
  expect([seen.words, world.asked('a') + world.asked('b')]).toEqual(['b', 4]);
});

test('a group that fails on purpose, with nothing to fall back on, fails as its switch says', async () => {
  await using world = await worldOf({ a: await named('a') }, { yaml: '' });
  const ask = (field: string) =>
    fetch(`${world.gateway.url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'hi' }], [field]: true }),
    });
  const statuses = [];
  for (const field of ['mock_testing_fallbacks', 'mock_testing_context_fallbacks', 'mock_testing_rate_limit_error'])
    statuses.push((await ask(field)).status);
  expect([statuses, world.asked('a')]).toEqual([[502, 400, 429], 0]);
});
