// The guide "Routing": each of its four examples, as printed and with servers of this machine in place of the vendor's.

import { describe, expect, test } from 'vitest';
import { startOpenAi } from '../backends/openai.ts';
import { block, guided, guidedWithServers, isFairShare, withServers } from './support.ts';

const EXAMPLES = ['01', '02', '03', '04'].map((number) => `routing-overview-${number}`);

describe('as printed', () => {
  test.each(EXAMPLES)('%s starts, and says that its vendor is not called yet', async (name) => {
    await using guide = await guided(block(name));
    const model = name.endsWith('2') || name.endsWith('3') ? 'claude-3-sonnet' : 'claude-3';
    const said = await guide.ask(model);
    expect([said.status, said.rule]).toEqual([503, `exact:${model}`]);
    const { decision, attempts } = await guide.outcomeOf(said);
    expect(attempts).toEqual([]);
    expect(decision?.error?.code).toBe('no_available_deployment');
    expect(decision?.candidates.length).toBeGreaterThan(0);
    for (const { reason, place, kept } of decision?.candidates ?? []) {
      expect([reason, place, kept]).toEqual(['not_callable', 'cloud', false]);
    }
  });
});

describe('load balancing', () => {
  test('spreads the requests of a name evenly over its deployments', async () => {
    await using guide = await guidedWithServers('routing-overview-01');
    const counts = await guide.share('claude-3', 300);
    expect((counts['entry 1'] ?? 0) + (counts['entry 2'] ?? 0)).toBe(300);
    expect([counts, isFairShare(counts['entry 1'], 300, 0.5)]).toEqual([counts, true]);
  });

  test('is also what the [ROUTER] line calls it', async () => {
    await using guide = await guidedWithServers('routing-overview-01');
    const { provider } = await guide.ask('claude-3');
    expect(guide.gateway.lines).toContain(`info [ROUTER] Model: claude-3 -> Provider: ${provider} (exact match)`);
  });
});

describe('fallbacks', () => {
  test('stand behind the model that was asked for', async () => {
    await using guide = await guidedWithServers('routing-overview-02');
    expect(await guide.share('claude-3-sonnet', 20)).toEqual({ 'entry 1': 20 });
    const { decision } = await guide.outcomeOf(await guide.ask('claude-3-sonnet'));
    expect(decision?.candidates.map(({ order, via }) => [order, via])).toEqual([
      [1, 'exact:claude-3-sonnet'],
      [2, 'fallback:claude-3-haiku'],
    ]);
  });

  test('serve in place of a model that cannot be called at all', async () => {
    const { yaml, servers } = await withServers(block('routing-overview-02'));
    const invalid = yaml.replace(/model: openai\/invalid\n\s+api_base: .*/, 'model: bedrock/invalid');
    await using guide = await guided(invalid, servers);
    const said = await guide.ask('claude-3-sonnet');
    expect([said.by, said.rule]).toEqual(['entry 2', 'exact:claude-3-sonnet']);
    expect(await guide.decisionOf(said)).toMatchObject({ skipped: ['bedrock/invalid not_callable'] });
    expect(guide.gateway.lines.join('\n')).toContain('(fallback chain)');
  });
});

test('a request of the guide reaches nobody but the machine of this test', async () => {
  const bystander = await startOpenAi({ models: ['claude-3'], answer: ['bystander'] });
  await using guide = await guided(
    `${block('routing-overview-04')}\nproviders: { bystander: { kind: openai, base_url: "${bystander.url}" } }`,
    [bystander],
  );
  // A rule for the name decides, whatever the health of its deployments: a server that happens to list it is not asked.
  expect((await guide.ask('claude-3')).status).toBe(503);
  expect(bystander.requests.filter(({ method }) => method === 'POST')).toEqual([]);
});
