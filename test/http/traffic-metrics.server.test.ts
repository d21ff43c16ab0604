// The figures of /metrics that move with retries, fallbacks, cooldowns, the line, the cache and variants: through a whole gateway.

import { expect, test } from 'vitest';
import { eventually } from '../faults/support.ts';
import { type Ask, MODEL, named, type World, worldOf } from '../resilience/support.ts';

const ONCE: Ask = { body: { num_retries: 0 } };

/** The value of each line by what stands before it. */
async function metricsOf(world: World<string>): Promise<ReadonlyMap<string, number>> {
  const page = await (await fetch(`${world.gateway.url}/metrics`)).text();
  const lines = page.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

/** Outcomes are counted right after the answer has ended, which the client may see a moment earlier. */
async function counted(world: World<string>, name: string, value: number): Promise<ReadonlyMap<string, number>> {
  return eventually(
    () => metricsOf(world),
    (metrics) => metrics.get(name) === value,
  );
}

test('fallbacks, cooldowns and who is passed over', async () => {
  await using world = await worldOf({ a: await named('a'), b: await named('b') });
  expect((await metricsOf(world)).get('fallback_trigger_rate')).toBe(0);
  await world.servers.a.setFault('server_error');
  for (let time = 0; time < 4; time += 1) await world.ask(ONCE);
  const metrics = await counted(world, 'switchyard_requests_with_fallback_total', 3);
  expect(metrics.get('switchyard_fallbacks_total{from="a",to="b"}')).toBe(3);
  expect(metrics.get('switchyard_cooling_down{provider="a"}')).toBe(1);
  expect(metrics.get('switchyard_cooldowns_total{provider="a",because="server_error"}')).toBe(1);
  expect(metrics.get('switchyard_candidates_passed_over_total{provider="a",reason="cooling_down"}')).toBe(1);
  expect(metrics.get(`switchyard_attempts_total{provider="a",model="${MODEL}",result="server_error"}`)).toBe(3);
  expect(metrics.get('provider_distribution{provider="b"}')).toBe(1);
  expect(metrics.get('fallback_trigger_rate')).toBeGreaterThan(0);
  world.clock.advance(31_000);
  await world.ask(ONCE);
  expect(
    (await counted(world, 'switchyard_fallbacks_total{from="a",to="b"}', 4)).get(
      'switchyard_cooldowns_total{provider="a",because="server_error"}',
    ),
  ).toBe(2);
});

test('retries', async () => {
  await using world = await worldOf({ a: await named('a') });
  await world.servers.a.setFault({ kind: 'server_error', times: 2 });
  expect((await world.askThroughTime()).words).toBe('a');
  const metrics = await counted(world, 'switchyard_retries_total{provider="a"}', 2);
  expect(metrics.get('switchyard_requests_with_fallback_total') ?? 0).toBe(0);
});

test('the line', async () => {
  await using world = await worldOf({ a: await named('a') }, { keys: { a: 'max_parallel_requests: 1' } });
  await world.servers.a.setFault({ kind: 'hang', times: 1 });
  const leave = new AbortController();
  const holder = world.ask({ signal: leave.signal }).catch(() => null);
  await counted(world, 'switchyard_in_flight{provider="a"}', 1);
  const waiting = world.ask();
  await counted(world, 'switchyard_queued{provider="a"}', 1);
  world.clock.advance(2_000);
  leave.abort();
  await Promise.all([holder, waiting]);
  const metrics = await counted(world, 'switchyard_queue_seconds_count', 1);
  expect(metrics.get('switchyard_queue_seconds_sum')).toBeGreaterThanOrEqual(2);
  expect(metrics.get('switchyard_queued{provider="a"}')).toBe(0);
});

test('the cache', async () => {
  await using world = await worldOf({ a: await named('a') }, { yaml: 'litellm_settings: { cache: true }' });
  for (let time = 0; time < 4; time += 1) await world.ask();
  const metrics = await counted(world, 'cache_hit_rate', 0.75);
  expect(metrics.get('switchyard_cache_lookups_total{result="hit"}')).toBe(3);
  expect(metrics.get('switchyard_cache_lookups_total{result="miss"}')).toBe(1);
  expect(metrics.get('switchyard_cache_stored_total')).toBe(1);
  expect(metrics.get('switchyard_cache_entries')).toBe(1);
});

test('variants', async () => {
  const [a, b] = [await named('a'), await named('b')];
  const entry = (url: string, variant: string) =>
    `  - { model_name: ab, litellm_params: { model: openai/${MODEL}, api_base: "${url}", metadata: { variant: ${variant} } } }`;
  await using world = await worldOf({ a, b }, { yaml: `model_list:\n${entry(a.url, 'old')}\n${entry(b.url, 'new')}` });
  for (const provider of ['a', 'b', 'b']) await world.ask({ model: 'ab', headers: { 'x-provider': provider } });
  const name = (variant: string) =>
    `switchyard_variant_requests_total{model="${MODEL}",variant="${variant}",result="complete"}`;
  const metrics = await counted(world, name('new'), 2);
  expect(metrics.get(name('old'))).toBe(1);
  expect(metrics.get('switchyard_variant_attempts_total{variant="new",result="ok"}')).toBe(2);
  expect(metrics.get('switchyard_variant_request_duration_seconds_count{variant="old"}')).toBe(1);
});

test('every metric that is promised is there from the start', async () => {
  await using world = await worldOf({ a: await named('a') });
  const page = await (await fetch(`${world.gateway.url}/metrics`)).text();
  const names = new Set([...page.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
  for (const name of [
    ...['requests_total', 'request_duration_seconds', 'time_to_first_token_seconds', 'tokens_total', 'errors_total'],
    ...['fallbacks_total', 'retries_total', 'attempts_total', 'in_flight', 'queued', 'queue_seconds', 'cooling_down'],
    ...['cooldowns_total', 'provider_state', 'decision_seconds', 'saved_cost_total', 'variant_requests_total'],
  ])
    expect(names).toContain(`switchyard_${name}`);
  for (const name of [
    ...['routing_decision_time_ms', 'exact_match_rate', 'pattern_match_rate', 'fallback_trigger_rate'],
    ...['provider_distribution', 'load_balance_effectiveness', 'cache_hit_rate'],
    ...['litellm_requests_total', 'litellm_errors_total', 'litellm_cost_total', 'litellm_request_duration_seconds'],
  ])
    expect(names).toContain(name);
});
