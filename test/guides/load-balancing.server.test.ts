// The guide "Load Balancing Strategies": its configurations with servers of this machine in place of the vendors'.

import { describe, expect, test } from 'vitest';
import { send } from '../support/http.ts';
import { block, countOf, guided, guidedWithServers, isFairShare, withServers } from './support.ts';

const COMPLETE = ['03', '04', '05', '06', '12', '13', '14', '15', '16'].map((number) => `load-balancing-${number}`);
const NAMES: Readonly<Record<string, string>> = {
  '04': 'gpt-4',
  '13': 'claude',
  '15': 'claude-interactive',
  '16': 'claude-experiment',
};

test.each(COMPLETE)('%s starts as printed, and skips the vendors that are not called yet', async (name) => {
  await using guide = await guided(block(name));
  const said = await guide.ask(NAMES[name.slice(-2)] ?? 'claude-3.5-sonnet');
  expect([name, said.status]).toEqual([name, 503]);
  const { skipped, kept } = await guide.decisionOf(said);
  expect(kept).toEqual([]);
  expect(skipped.length).toBeGreaterThan(0);
  expect(skipped.every((one) => one.endsWith(' not_callable'))).toBe(true);
});

/** Three servers of one model, under the settings of a block. */
function threeEndpoints(settings: string): string {
  const entry = '  - { model_name: model, litellm_params: { model: openai/model } }\n';
  return `${settings}\nmodel_list:\n${entry.repeat(3)}`;
}

async function guidedOn(text: string) {
  const { yaml, servers } = await withServers(text);
  return guided(yaml, servers);
}

describe('1. round robin', () => {
  test('simple-shuffle spreads evenly by chance', async () => {
    await using guide = await guidedOn(threeEndpoints(block('load-balancing-01')));
    const counts = await guide.share('model', 300);
    for (const entry of ['entry 1', 'entry 2', 'entry 3']) {
      expect([counts, isFairShare(counts[entry], 300, 1 / 3)]).toEqual([counts, true]);
    }
  });

  test('round-robin takes them strictly in turn, over and over', async () => {
    const cycle = block('load-balancing-01').replace('simple-shuffle', 'round-robin');
    await using guide = await guidedOn(threeEndpoints(cycle));
    const turns = await guide.turns('model', 30);
    expect(new Set(turns.slice(0, 3)).size).toBe(3);
    expect(turns).toEqual(turns.map((_, index) => turns[index % 3]));
  });
});

describe('2. latency', () => {
  test('each endpoint is tried once, then nearly all requests go to the fastest', async () => {
    const { yaml, servers } = await withServers(block('load-balancing-03'));
    const slow = servers.filter((_, index) => index !== 1);
    for (const server of slow) await server.setFault({ kind: 'slow_drip', delayMs: 1 });
    await using guide = await guided(yaml, servers);
    const turns = await guide.turns('claude-3.5-sonnet', 60);
    // One in twenty goes to any of them, so that a slow one can prove it became fast: also among the first.
    expect(new Set(turns.slice(0, 8)).size).toBe(3);
    expect(countOf(turns)['entry 2']).toBeGreaterThan(40);
  });
});

describe('3. cost', () => {
  test('the cheapest endpoint is asked first, and the dearer one stands behind it', async () => {
    await using guide = await guidedWithServers('load-balancing-04');
    expect(await guide.share('gpt-4', 30)).toEqual({ 'entry 2': 30 });
    const { decision } = await guide.outcomeOf(await guide.ask('gpt-4'));
    const costs = decision?.candidates.flatMap(({ terms }) => Object.values(terms)) ?? [];
    expect(decision?.candidates.map(({ kept }) => kept)).toEqual([true, true]);
    expect(costs.length).toBeGreaterThan(0);
  });

  test('among endpoints of nearly the same price the fallback strategy decides', async () => {
    const priced = (price: string) =>
      `  - { model_name: model, litellm_params: { model: openai/model, input_cost_per_token: ${price} } }\n`;
    const list = `model_list:\n${priced('0.000010')}${priced('0.0000102')}${priced('0.00002')}`;
    await using guide = await guidedOn(
      `${block('load-balancing-07').replace('latency-based-routing', 'simple-shuffle')}\n${list}`,
    );
    const counts = await guide.share('model', 100);
    expect([counts, isFairShare(counts['entry 1'], 100, 0.5)]).toEqual([counts, true]);
    expect(counts['entry 3']).toBeUndefined();
  });
});

describe('4. usage', () => {
  test('the endpoint with the lower share of its limit in use is next: requests divide as the limits do', async () => {
    await using guide = await guidedWithServers('load-balancing-05');
    const counts = await guide.share('claude-3.5-sonnet', 60);
    expect(counts).toEqual({ 'entry 1': 10, 'entry 2': 50 });
  });
});

describe('5. weights', () => {
  test('weighted-round-robin gives each exactly its share of any ten requests in a row', async () => {
    await using guide = await guidedWithServers('load-balancing-06');
    const turns = await guide.turns('claude-3.5-sonnet', 50);
    for (let start = 0; start + 10 <= turns.length; start += 1) {
      expect(countOf(turns.slice(start, start + 10))).toEqual({ 'entry 1': 7, 'entry 2': 3 });
    }
  });

  test('a gradual rollout at 10 % gets a tenth', async () => {
    await using guide = await guidedWithServers('load-balancing-13');
    const counts = await guide.share('claude', 300);
    expect([counts, isFairShare(counts['entry 2'], 300, 0.1)]).toEqual([counts, true]);
    expect(counts['entry 2']).toBeGreaterThan(0);
  });

  test('and everything, once its weight is all there is', async () => {
    await using guide = await guidedWithServers('load-balancing-13', (text) =>
      text.replace('weight: 90', 'weight: 0').replace('weight: 10 ', 'weight: 100 '),
    );
    expect(await guide.share('claude', 30)).toEqual({ 'entry 2': 30 });
  });

  test('an A/B test splits in halves', async () => {
    await using guide = await guidedWithServers('load-balancing-16');
    const counts = await guide.share('claude-experiment', 200);
    expect([counts, isFairShare(counts['entry 1'], 200, 0.5)]).toEqual([counts, true]);
  });
});

test('tiers: each name has an endpoint and a strategy of its own', async () => {
  const halves = block('load-balancing-15').split('# Interactive');
  for (const [text, name] of [
    [halves[0], 'claude-batch'],
    [halves[1]?.slice(halves[1].indexOf('\n')), 'claude-interactive'],
  ] as const) {
    await using guide = await guidedOn(text ?? '');
    expect(await guide.ask(name)).toMatchObject({ by: 'entry 1', rule: `exact:${name}` });
  }
});

test.each(['08', '09', '17', '18'])(
  'the settings of load-balancing-%s leave an even pool in use as a whole',
  async (number) => {
    await using guide = await guidedOn(threeEndpoints(block(`load-balancing-${number}`)));
    const counts = await guide.share('model', 60);
    expect(Object.keys(counts).every((name) => name.startsWith('entry '))).toBe(true);
    const { kept } = await guide.decisionOf(await guide.ask('model'));
    expect(kept).toHaveLength(3);
  },
);

describe('monitoring', () => {
  test('the requests of each endpoint are counted under the name the guide queries', async () => {
    await using guide = await guidedWithServers('load-balancing-16');
    const counts = await guide.share('claude-experiment', 20);
    const { text } = await send(`${guide.gateway.url}/metrics`);
    const counted = text.split('\n').filter((line) => line.startsWith('litellm_requests_total{'));
    const totals = counted.map((line) => Number(line.slice(line.lastIndexOf(' ') + 1)));
    expect(totals.toSorted()).toEqual(Object.values(counts).toSorted());
  });

  test('readiness tells the state of each endpoint', async () => {
    await using guide = await guidedWithServers('load-balancing-16');
    expect(await send(`${guide.gateway.url}/health/readiness`)).toMatchObject({ status: 200 });
  });
});
