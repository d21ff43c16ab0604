// What the guides in LiteLLM's dialect say of failures, limits, cooldowns and fallbacks: their blocks as printed, with servers
// of this machine in place of the vendors'.

import { describe, expect, test } from 'vitest';
import type { StandIn } from '../backends/core/server.ts';
import { type Ask, generationsOf, type World, worldOn } from '../resilience/support.ts';
import { block, withServers } from './support.ts';

const SECOND = 1_000;

interface GuideWorld extends World<string> {
  /** The server of the entry of that number, counted from 1. */
  entry(number: number): StandIn;
  /** Asks one after the other; the numbers of the entries that answered, `-` for an error. */
  turns(asked: Ask, times: number): Promise<string>;
}

/** A block whose entries are servers that answer `entry 1`, `entry 2`, ... */
async function guideWorld(name: string, change: (text: string) => string = (text) => text): Promise<GuideWorld> {
  return worldOfText(change(block(name)));
}

async function worldOfText(text: string): Promise<GuideWorld> {
  const { yaml, servers } = await withServers(text);
  // A push of the clock must not look like a slow network.
  const patient = `${yaml}\ngeneral_settings: { health_check_interval: 3600, health_check_timeout: 60 }\n`;
  const world = await worldOn(
    patient,
    Object.fromEntries(servers.map((server, index) => [`entry ${index + 1}`, server])),
  );
  const entry = (number: number): StandIn => {
    const server = servers[number - 1];
    if (server === undefined) throw new Error(`the block has no entry ${number}`);
    return server;
  };
  const turns = async (asked: Ask, times: number) => {
    let said = '';
    for (let time = 0; time < times; time += 1) {
      said += (await world.askThroughTime(asked)).words?.replace('entry ', '') ?? '-';
    }
    return said;
  };
  return Object.assign(world, { entry, turns });
}

describe('fallbacks (routing-overview)', () => {
  const asked: Ask = { model: 'claude-3-sonnet' };

  test('mock_testing_fallbacks shows the fallback without a failure', async () => {
    await using guide = await guideWorld('routing-overview-02');
    expect(await guide.turns(asked, 1)).toBe('1');
    const curl: Ask = {
      ...asked,
      path: '/chat/completions',
      content: 'what llm are you',
      body: { mock_testing_fallbacks: true },
    };
    expect(await guide.turns(curl, 1)).toBe('2');
    expect(generationsOf(guide.entry(1))).toBe(1);
  });

  test('a model that fails is redirected to its fallback, and after three failures left alone for thirty seconds', async () => {
    await using guide = await guideWorld('routing-overview-02');
    await guide.entry(1).setFault('server_error');
    expect(await guide.turns(asked, 5)).toBe('22222');
    expect(generationsOf(guide.entry(1))).toBe(3);
    await guide.entry(1).setFault(null);
    guide.clock.advance(31 * SECOND);
    expect(await guide.turns(asked, 1)).toBe('1');
  });

  test('num_retries is how often a model that is alone is called again', async () => {
    await using guide = await guideWorld('routing-overview-02', (text) => text.replace(/^.*fallbacks:.*$/m, ''));
    await guide.entry(2).setFault({ kind: 'server_error', times: 3 });
    expect(await guide.turns({ model: 'claude-3-haiku' }, 1)).toBe('2');
    expect(generationsOf(guide.entry(2))).toBe(4);
  });
});

test('a model that exceeded its rate limit is filtered out (routing-overview)', async () => {
  // Of one name, as the sentence under the block has it.
  await using guide = await guideWorld('routing-overview-03', (text) =>
    text.replace('claude-3-haiku\n', 'claude-3-sonnet\n'),
  );
  const said = await guide.turns({ model: 'claude-3-sonnet' }, 12);
  expect([...said].filter((one) => one === '1')).toHaveLength(10);
  expect([...said].filter((one) => one === '2')).toHaveLength(1);
  expect(said.at(-1)).toBe('-');
  const refused = await guide.ask({ model: 'claude-3-sonnet' });
  expect([refused.status, refused.code]).toEqual([429, 'rate_limited']);
  expect(refused.retryAfter).toBeGreaterThan(0);
  guide.clock.advance(61 * SECOND);
  expect(await guide.turns({ model: 'claude-3-sonnet' }, 1)).not.toBe('-');
});

describe('patterns (provider-routing-strategies)', () => {
  test('primary and backup: if the primary fails three times, the backup has all of it for sixty seconds', async () => {
    await using guide = await guideWorld('provider-routing-strategies-07');
    const asked: Ask = { model: 'auto' };
    expect(await guide.turns(asked, 3)).toBe('111');
    await guide.entry(1).setFault('server_error');
    expect(await guide.turns(asked, 3)).toBe('222');
    await guide.entry(1).setFault(null);
    expect(await guide.turns(asked, 3)).toBe('222');
    expect(generationsOf(guide.entry(1))).toBe(6);
    guide.clock.advance(61 * SECOND);
    expect(await guide.turns(asked, 2)).toBe('11');
  });

  test('regions: what one cannot take is shared by the others', async () => {
    await using guide = await guideWorld('provider-routing-strategies-08');
    await guide.entry(2).setFault('refuse');
    const said = await guide.turns({ model: 'auto' }, 60);
    expect(new Set(said)).toEqual(new Set(['1', '3']));
  });

  test('tiers: when the cheapest hits its limit the next one is asked, the dearest last', async () => {
    const tight = (text: string) =>
      text.replace('rpm: 100', 'rpm: 4').replace('rpm: 60', 'rpm: 3').replace('rpm: 30', 'rpm: 2');
    await using guide = await guideWorld('provider-routing-strategies-09', tight);
    expect(await guide.turns({ model: 'auto' }, 10)).toBe('111122233-');
    guide.clock.advance(61 * SECOND);
    expect(await guide.turns({ model: 'auto' }, 1)).toBe('1');
  });

  test('three tiers: two failures are allowed, then thirty seconds of rest', async () => {
    await using guide = await guideWorld('provider-routing-strategies-14');
    const asked: Ask = { model: 'auto' };
    for (const number of [1, 2]) await guide.entry(number).setFault('server_error');
    expect(await guide.turns(asked, 4)).toBe('3333');
    expect([generationsOf(guide.entry(1)), generationsOf(guide.entry(2))]).toEqual([2, 2]);
    for (const number of [1, 2]) await guide.entry(number).setFault(null);
    guide.clock.advance(31 * SECOND);
    expect(await guide.turns(asked, 1)).toBe('1');
  });
});

/** One server of one model under the settings of a block. */
function lone(settings: string): string {
  return `${settings}\nmodel_list:\n  - { model_name: m, litellm_params: { model: openai/m } }\n`;
}

/** Two of them, the first preferred. */
function preferred(settings: string): string {
  const entry = (order: number) => `  - { model_name: m, order: ${order}, litellm_params: { model: openai/m } }\n`;
  return `${settings}\nmodel_list:\n${entry(1)}${entry(2)}`;
}

describe('retry policies', () => {
  test.each([
    ['provider-routing-strategies-12', 'rate_limited', 3],
    ['provider-routing-strategies-12', 'server_error', 2],
    ['provider-routing-strategies-17', 'rate_limited', 5],
    ['router-reference-04', 'rate_limited', 5],
    ['router-reference-04', 'server_error', 3],
  ] as const)('%s: after %s the same model is asked %i times more', async (name, fault, times) => {
    await using guide = await worldOfText(lone(block(name)));
    await guide.entry(1).setFault({ kind: fault, times });
    expect(await guide.turns({ model: 'm' }, 1)).toBe('1');
    expect(generationsOf(guide.entry(1))).toBe(times + 1);
    await guide.entry(1).setFault(fault);
    guide.entry(1).forgetRequests();
    guide.clock.advance(600 * SECOND);
    expect(await guide.turns({ model: 'm' }, 1)).toBe('-');
    expect(generationsOf(guide.entry(1))).toBe(times + 1);
  });
});

describe('cooldowns', () => {
  test.each([
    ['provider-routing-strategies-13', 3, 60],
    ['router-reference-05', 3, 120],
    ['provider-routing-strategies-17', 5, 120],
    ['load-balancing-08', 3, 60],
  ] as const)('%s: %i failures, then %i seconds of rest', async (name, fails, seconds) => {
    const ordered = block(name).replace(
      'router_settings:',
      'router_settings:\n  routing_strategy: usage-based-routing',
    );
    await using guide = await worldOfText(preferred(ordered));
    await guide.entry(1).setFault('server_error');
    expect(await guide.turns({ model: 'm' }, fails + 3)).toBe('2'.repeat(fails + 3));
    expect(generationsOf(guide.entry(1))).toBe(fails);
    await guide.entry(1).setFault(null);
    guide.clock.advance((seconds - 5) * SECOND);
    expect(await guide.turns({ model: 'm' }, 1)).toBe('2');
    guide.clock.advance(6 * SECOND);
    expect(await guide.turns({ model: 'm' }, 1)).toBe('1');
  });

  test('the circuit breaker: closed, open after ten failures, half-open after two minutes, closed after three successes', async () => {
    const ordered = block('load-balancing-09').replace(
      'router_settings:',
      'router_settings:\n  routing_strategy: usage-based-routing',
    );
    await using guide = await worldOfText(preferred(ordered));
    await guide.entry(1).setFault('server_error');
    expect(await guide.turns({ model: 'm' }, 12)).toBe('2'.repeat(12));
    expect(generationsOf(guide.entry(1))).toBe(10);
    const seen = await guide.ask({ model: 'm' });
    expect(Object.values(await guide.reasonsOf(seen))).toContain('breaker_open');
    guide.clock.advance(121 * SECOND);
    // Half-open: one more failure is enough to open it again.
    expect(await guide.turns({ model: 'm' }, 3)).toBe('222');
    expect(generationsOf(guide.entry(1))).toBe(11);
    await guide.entry(1).setFault(null);
    guide.clock.advance(241 * SECOND);
    expect(await guide.turns({ model: 'm' }, 3)).toBe('111');
    await guide.entry(1).setFault({ kind: 'server_error', times: 9 });
    expect(await guide.turns({ model: 'm' }, 10)).toBe('2222222221');
  });
});

describe('balancing (load-balancing)', () => {
  test('the dearer endpoint is asked once the cheaper one is limited', async () => {
    await using guide = await guideWorld('load-balancing-04', (text) =>
      text.replace('output_cost_per_token: 0.000024', 'output_cost_per_token: 0.000024\n      rpm: 3'),
    );
    expect(await guide.turns({ model: 'gpt-4' }, 5)).toBe('22211');
  });

  test('usage-based routing goes on with the other endpoint when one is used up', async () => {
    await using guide = await guideWorld('load-balancing-05', (text) =>
      text.replace('rpm: 1000 ', 'rpm: 2 ').replace('rpm: 5000 ', 'rpm: 4 '),
    );
    const said = await guide.turns({ model: 'claude-3.5-sonnet' }, 7);
    expect([...said].toSorted().join('')).toBe('-112222');
  });

  test('the global limits of a combination hold for all endpoints together', async () => {
    await using guide = await worldOfText(preferred(block('load-balancing-07').replace('rpm: 1000 ', 'rpm: 4 ')));
    expect(await guide.turns({ model: 'm' }, 6)).toMatch(/^[12]{4}--$/);
  });

  test('regions: if the closest fails, the others are tried', async () => {
    await using guide = await guideWorld('load-balancing-14');
    for (const number of [1, 3]) await guide.entry(number).setFault('close');
    expect(await guide.turns({ model: 'claude-3.5-sonnet' }, 6)).toBe('222222');
  });

  test('an A/B test records which variant answered', async () => {
    await using guide = await guideWorld('load-balancing-16');
    for (let time = 0; time < 8; time += 1) {
      const seen = await guide.ask({ model: 'claude-experiment' });
      const { variant } = await guide.outcomeOf(seen);
      expect(variant).toBe(seen.words === 'entry 1' ? 'control' : 'treatment');
    }
  });

  test('max_parallel_requests of an entry is kept', async () => {
    await using guide = await guideWorld('load-balancing-12', (text) =>
      text.replace('max_parallel_requests: 100', 'max_parallel_requests: 1'),
    );
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, guide.entry(1).inFlight);
    }, 0);
    const all = await Promise.all(Array.from({ length: 12 }, () => guide.ask({ model: 'claude-3.5-sonnet' })));
    clearInterval(watch);
    expect(all.map(({ words }) => words)).toEqual(all.map(() => 'entry 1'));
    expect(most).toBeLessThanOrEqual(1);
  });
});
