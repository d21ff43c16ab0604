// The guide "Provider Routing Strategies": strategies and patterns with servers of this machine in place of the vendors'.

import { describe, expect, test } from 'vitest';
import { eventually } from '../faults/support.ts';
import { block, type Guided, guided, guidedWithServers, isFairShare, withServers } from './support.ts';

const name = (number: string) => `provider-routing-strategies-${number}`;
const COMPLETE = ['02', '04', '06', '07', '08', '09', '10', '14', '15'];

/** With servers of this machine, and a hundred times the limits: the shares are the same, and a test of shares stays below. */
async function guidedWithRoom(number: string): Promise<Guided> {
  const { yaml, servers } = await withServers(block(name(number)));
  return guided(roomy(yaml), servers);
}

function roomy(yaml: string): string {
  return yaml.replace(/\b(rpm|tpm): (\d+)/g, '$1: $200');
}

test.each(COMPLETE)(
  'provider-routing-strategies-%s starts as printed, and skips the vendors that are not called yet',
  async (number) => {
    await using guide = await guided(block(name(number)));
    const said = await guide.ask('auto');
    expect([number, said.status]).toEqual([number, 503]);
    const { kept, skipped } = await guide.decisionOf(said);
    expect(kept).toEqual([]);
    expect(skipped.every((one) => one.endsWith(' not_callable'))).toBe(true);
  },
);

describe('1. simple-shuffle', () => {
  test('"auto" addresses the whole list, in shares of the requests per minute each may have', async () => {
    await using guide = await guidedWithRoom('02');
    const counts = await guide.share('auto', 300);
    for (const [index, rpm] of [50, 40, 30].entries()) {
      expect([counts, isFairShare(counts[`entry ${index + 1}`], 300, rpm / 120)]).toEqual([counts, true]);
    }
  });

  test('a name addresses its own entry', async () => {
    await using guide = await guidedWithServers(name('02'));
    expect(await guide.share('claude-3-5-sonnet-bedrock', 20)).toEqual({ 'entry 2': 20 });
  });
});

describe('2. least-busy', () => {
  test.each(['04', '15'])(
    'provider-routing-strategies-%s: nobody who is busy is asked while another is free',
    async (number) => {
      const { yaml, servers } = await withServers(block(name(number)));
      await using guide = await guided(roomy(yaml), servers);
      for (const busy of servers) {
        await busy.setFault('hang');
        const leaving = new AbortController();
        const waiting = fetch(`${guide.gateway.url}/v1/chat/completions`, {
          method: 'POST',
          body: JSON.stringify({ model: 'auto', messages: [{ role: 'user', content: 'Hi' }], disable_fallbacks: true }),
          headers: { 'x-provider': providerAt(guide.gateway.gateway.settings.providers, busy.url) },
          signal: leaving.signal,
        }).catch(() => null);
        await eventually(
          () => busy.inFlight,
          (count) => count > 0,
        );
        const counts = await guide.share('auto', 30);
        expect(counts[`entry ${servers.indexOf(busy) + 1}`]).toBeUndefined();
        leaving.abort();
        await waiting;
        await busy.setFault(null);
        await eventually(
          () => busy.inFlight,
          (count) => count === 0,
        );
      }
    },
  );

  test('equally busy ones share evenly', async () => {
    await using guide = await guidedWithRoom('15');
    const counts = await guide.share('auto', 300);
    for (const entry of ['entry 1', 'entry 2', 'entry 3']) {
      expect([counts, isFairShare(counts[entry], 300, 1 / 3)]).toEqual([counts, true]);
    }
  });
});

describe('3. usage-based-routing', () => {
  test.each(['06', '09'])(
    'provider-routing-strategies-%s: the highest priority is asked first, then the next, then the last',
    async (number) => {
      await using guide = await guidedWithServers(name(number));
      expect(await guide.share('auto', 20)).toEqual({ 'entry 1': 20 });
      const { decision } = await guide.outcomeOf(await guide.ask('auto'));
      expect(decision?.candidates.map(({ terms }) => terms.priority)).toEqual([10, 5, 1]);
    },
  );
});

describe('patterns', () => {
  test('1. all requests go to the primary, and the backup stands behind it', async () => {
    await using guide = await guidedWithServers(name('07'));
    expect(await guide.share('auto', 20)).toEqual({ 'entry 1': 20 });
    expect((await guide.decisionOf(await guide.ask('auto'))).kept).toHaveLength(2);
  });

  test('2. regions share evenly', async () => {
    await using guide = await guidedWithRoom('08');
    const counts = await guide.share('auto', 300);
    for (const entry of ['entry 1', 'entry 2', 'entry 3']) {
      expect([counts, isFairShare(counts[entry], 300, 1 / 3)]).toEqual([counts, true]);
    }
  });

  test('2. a region that is named is asked first, and the others, with the same model, stand behind it', async () => {
    await using guide = await guidedWithServers(name('08'));
    const said = await guide.ask('claude-us-west-2');
    expect(said.by).toBe('entry 2');
    const { decision } = await guide.outcomeOf(said);
    expect(decision?.candidates.filter(({ kept }) => kept)).toHaveLength(3);
  });

  test('4. a name chooses the model that can do it', async () => {
    await using guide = await guidedWithServers(name('10'));
    expect((await guide.ask({ model: 'claude-3-5-sonnet-vision', body: { messages: [picture] } })).by).toBe('entry 1');
    expect((await guide.ask('deepseek-r1-reasoning')).by).toBe('entry 2');
    expect((await guide.ask({ model: 'codestral-fim', body: { suffix: 'end', prefix: 'begin' } })).by).toBe('entry 3');
  });

  test('4. "auto" finds the one that can do what the request needs', async () => {
    await using guide = await guidedWithServers(name('10'));
    expect((await guide.ask({ model: 'auto', body: { messages: [picture] } })).by).toBe('entry 1');
    expect((await guide.ask({ model: 'auto', body: { reasoning_effort: 'high' } })).by).toBe('entry 2');
    expect((await guide.ask({ model: 'auto', body: { suffix: 'end' } })).by).toBe('entry 3');
  });
});

test('a three-tier fallback asks the first tier first', async () => {
  await using guide = await guidedWithServers(name('14'));
  expect(await guide.share('auto', 20)).toEqual({ 'entry 1': 20 });
});

describe('troubleshooting', () => {
  test('entries without parameters set the priority of their model wherever it is served', async () => {
    const { yaml, servers } = await withServers(
      `model_list:\n${['slow-provider', 'fast-provider'].map((model) => `  - { model_name: pool, litellm_params: { model: openai/${model} } }\n`).join('')}router_settings: { routing_strategy: usage-based-routing }\n`,
    );
    const limits = block(name('18')).split('# Reduce')[0]?.split('model_list:\n')[1] ?? '';
    await using guide = await guided(yaml.replace('router_settings', `${limits}router_settings`), servers);
    expect(Object.keys(await guide.share('pool', 10))).not.toEqual([]);
    const { modelLimits } = guide.gateway.gateway.settings.routing;
    expect([...modelLimits.values()].map(({ name: model, priority }) => [model, priority])).toEqual([
      ['fast-provider', 10],
      ['slow-provider', 1],
    ]);
  });
});

const picture = {
  role: 'user',
  content: [
    { type: 'text', text: 'What is this?' },
    { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } },
  ],
};

function providerAt(providers: ReadonlyMap<string, { readonly baseUrl: string }>, url: string): string {
  for (const [provider, { baseUrl }] of providers) if (baseUrl.startsWith(url)) return provider;
  throw new Error(`no provider is at ${url}`);
}
