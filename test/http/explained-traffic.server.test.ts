// How a decision is explained while live traffic has taken somebody out, and how a request is told afterwards.

import { expect, test } from 'vitest';
import type { AdminDecision, AdminReplay } from '../../gateway/contract.ts';
import { type Ask, MODEL, named, type Seen, type World, worldOf } from '../resilience/support.ts';

const ONCE: Ask = { body: { num_retries: 0 } };

async function explained(world: World<string>, accept = 'text/plain'): Promise<Response> {
  return world.gateway.admin('/admin/explain', {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept },
    body: JSON.stringify({ body: { model: MODEL, messages: [{ role: 'user', content: 'Hi' }] } }),
  });
}

async function told(world: World<string>, seen: Seen): Promise<string> {
  await world.outcomeOf(seen);
  const answer = await world.gateway.admin(`/admin/requests/${seen.id}`, { headers: { accept: 'text/plain' } });
  return answer.text();
}

test('explain says for how long somebody is cooling down, and a replay meets him as he was', async () => {
  await using world = await worldOf({ a: await named('a'), b: await named('b') });
  await world.servers.a.setFault('server_error');
  for (let time = 0; time < 3; time += 1) await world.ask(ONCE);
  expect(await (await explained(world)).text()).toMatch(
    /-\s+a\/llama3\.1:8b {2}\(local, catalog, source listed, cooling_down, for \d+ s more\)/,
  );
  const decision = (await (await explained(world, 'application/json')).json()) as AdminDecision;
  expect(decision.candidates.map(({ provider, reason }) => [provider, reason])).toEqual([
    ['b', null],
    ['a', 'cooling_down'],
  ]);
  const seen = await world.ask(ONCE);
  expect(await told(world, seen)).toContain('cooling_down, for ');
  await world.gateway.admin('/admin/providers/a/reset', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  const replayed = await world.gateway.admin('/admin/replay', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"limit": 10}',
  });
  expect((await replayed.json()) as AdminReplay).toEqual({ total: 4, changed: [] });
});

test('explain says which limit is used up, and when there is room again', async () => {
  await using world = await worldOf({ a: await named('a'), b: await named('b') }, { keys: { a: 'rpm: 1' } });
  expect((await world.ask()).words).toBe('a');
  expect(await (await explained(world)).text()).toMatch(
    /a\/llama3\.1:8b {2}\(.*rate_limited, rpm of provider a has room again in \d+ s\)/,
  );
});

test('a stored request tells why each attempt was made, of which variant, and how it ended', async () => {
  const [a, b] = [await named('a'), await named('b')];
  await using world = await worldOf(
    { a, b },
    {
      yaml: `model_list:
  - { model_name: first, litellm_params: { model: openai/${MODEL}, api_base: "${a.url}", metadata: { variant: old } } }
  - { model_name: second, litellm_params: { model: openai/${MODEL}, api_base: "${b.url}", metadata: { variant: new } } }
router_settings: { fallbacks: [{ first: [second] }] }`,
    },
  );
  await a.setFault('server_error');
  const seen = await world.ask({ ...ONCE, model: 'first' });
  expect(seen.words).toBe('b');
  const { attempts, variant } = await world.outcomeOf(seen);
  expect(attempts).toMatchObject([
    { provider: 'a', via: 'exact:first', because: null, variant: 'old' },
    { provider: 'b', via: 'fallback:second', because: `server_error at a/${MODEL}`, variant: 'new' },
  ]);
  expect(variant).toBe('new');
  const text = await told(world, seen);
  expect(text).toContain(`request ${seen.id}\nmodel first\n├─ steps`);
  expect(text).toMatch(
    /attempts\n {3}1 {2}a\/llama3\.1:8b {2}\(exact:first, variant old, changed .*server_error after/,
  );
  expect(text).toMatch(
    / {3}2 {2}b\/llama3\.1:8b {2}\(fallback:second, because of server_error at a\/llama3\.1:8b, variant new, /,
  );
  expect(text).toMatch(/\ncomplete with 200 in \d+ ms/);
});

test('a stored request tells the part of the cache', async () => {
  await using world = await worldOf({ a: await named('a') }, { yaml: 'litellm_settings: { cache: true }' });
  const [first, second] = [await world.ask(), await world.ask()];
  expect(await told(world, first)).toContain('cache: the answer was kept for whoever asks the same');
  const text = await told(world, second);
  expect(text).toContain(`nobody was asked\ncache: answered by what a/${MODEL} once said`);
});
