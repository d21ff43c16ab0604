// A chain with `retry_attempts` is walked again as a whole.

import { expect, test } from 'vitest';
import { MODEL, named, worldOf } from './support.ts';

test('it is walked again as often as it says, after its delay', async () => {
  const yaml = `
exact_matches: { "${MODEL}": { provider: a, fallback: again } }
fallback_chains: { again: { chain: [{ primary: b }, { secondary: c }], retry_attempts: 3, retry_delay_ms: 500 } }
router_settings: { disable_cooldowns: true, num_retries: 0 }
`;
  await using world = await worldOf({ a: await named('a'), b: await named('b'), c: await named('c') }, { yaml });
  for (const server of Object.values(world.servers)) await server.setFault('server_error');
  await world.servers.c.setFault({ kind: 'server_error', times: 2 });
  const seen = await world.askThroughTime();
  expect([seen.words, world.asked('a'), world.asked('b'), world.asked('c')]).toEqual(['c', 1, 3, 3]);
  const { attempts } = await world.outcomeOf(seen);
  const starts = attempts.filter(({ provider: name }) => name === 'b').map(({ startedAtMs }) => startedAtMs);
  expect((starts[1] ?? 0) - (starts[0] ?? 0)).toBeGreaterThanOrEqual(500);
  expect((starts[2] ?? 0) - (starts[1] ?? 0)).toBeGreaterThanOrEqual(500);
});
