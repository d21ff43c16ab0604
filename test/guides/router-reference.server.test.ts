// The guide "Router": its YAML examples, and those of its Python ones that have keys in YAML.

import OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import { block, type Guided, guided, guidedWithServers, isFairShare, withServers } from './support.ts';

const EXAMPLES: Readonly<Record<string, string>> = { '01': 'gpt-4', '02': 'gpt-4', '08': 'gpt-4', '09': 'prod-gpt-4' };

test.each(Object.entries(EXAMPLES))(
  'router-reference-%s starts as printed, and skips the vendors that are not called yet',
  async (number, model) => {
    await using guide = await guided(block(`router-reference-${number}`));
    const said = await guide.ask(model);
    expect([said.status, said.rule]).toEqual([503, `exact:${model}`]);
    expect((await guide.decisionOf(said)).skipped.every((one) => one.endsWith(' not_callable'))).toBe(true);
  },
);

/** The reference's list of two deployments of one name, with whatever else a Python example passes. */
const two = (settings: string, first = '', second = '') => `model_list:
  - model_name: gpt-4
    litellm_params: { model: gpt-4, api_key: key }
    model_info: { ${first} }
  - model_name: gpt-4
    litellm_params: { model: azure/gpt-4, api_key: key }
    model_info: { ${second} }
router_settings: { ${settings} }
`;

async function guidedOn(text: string): Promise<Guided> {
  const { yaml, servers } = await withServers(text);
  return guided(yaml, servers);
}

describe('strategies', () => {
  test('simple-shuffle, the default, spreads by chance', async () => {
    await using guide = await guidedOn(two('routing_strategy: simple-shuffle'));
    const counts = await guide.share('gpt-4', 200);
    expect([counts, isFairShare(counts['entry 1'], 200, 0.5)]).toEqual([counts, true]);
  });

  test('cost-based-routing goes to the cheapest deployment', async () => {
    const dear = 'input_cost_per_token: 0.00003, output_cost_per_token: 0.00006';
    const cheap = 'input_cost_per_token: 0.000025, output_cost_per_token: 0.00005';
    await using guide = await guidedOn(two('routing_strategy: cost-based-routing', dear, cheap));
    expect(await guide.share('gpt-4', 20)).toEqual({ 'entry 2': 20 });
  });

  test('least-busy uses both, one after the other', async () => {
    await using guide = await guidedOn(two('routing_strategy: least-busy'));
    const counts = await guide.share('gpt-4', 100);
    expect([counts, isFairShare(counts['entry 1'], 100, 0.5)]).toEqual([counts, true]);
  });
});

describe('fallbacks', () => {
  test('stand behind the model in their order', async () => {
    const third = '  - { model_name: claude-2, litellm_params: { model: claude-2 } }\n';
    await using guide = await guidedWithServers('router-reference-02', (text) =>
      text.replace('litellm_settings', `${third}litellm_settings`),
    );
    const said = await guide.ask('gpt-4');
    expect(said.by).toBe('entry 1');
    const { decision } = await guide.outcomeOf(said);
    expect(decision?.candidates.map(({ via }) => via)).toEqual([
      'exact:gpt-4',
      'fallback:gpt-3.5-turbo',
      'fallback:claude-2',
    ]);
  });

  test('of the context window stand behind a model only when a prompt is too long for it', async () => {
    const list = ['gpt-3.5-turbo', 'gpt-3.5-turbo-16k']
      .map((model) => `  - { model_name: ${model}, litellm_params: { model: openai/${model} } }\n`)
      .join('');
    const { yaml, servers } = await withServers(`model_list:\n${list}${block('router-reference-03')}`);
    await using guide = await guided(yaml, servers);
    const said = await guide.ask('gpt-3.5-turbo');
    expect(said.by).toBe('entry 1');
    expect((await guide.decisionOf(said)).kept).toHaveLength(1);
  });

  test('of a request, which the official client sends as extra fields, stand before the configured ones', async () => {
    await using guide = await guidedWithServers('router-reference-02');
    const client = new OpenAI({ baseURL: `${guide.gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
    const body = {
      model: 'unheard-of',
      messages: [{ role: 'user' as const, content: 'Hi' }],
      fallbacks: ['gpt-3.5-turbo'],
    };
    const answer = await client.chat.completions.create(body);
    expect(answer.choices[0]?.message.content).toBe('entry 2');
  });
});

describe('aliases', () => {
  test.each(['gpt-4', 'gpt4', 'prod-gpt-4'])('%s reaches the model behind it', async (model) => {
    await using guide = await guidedWithServers('router-reference-09');
    expect(await guide.ask(model)).toMatchObject({ by: 'entry 1', rule: 'exact:prod-gpt-4', model: 'gpt-4' });
  });
});

describe('the complete production example', () => {
  test('passes over its aliases, whose target it does not have, and serves gpt-4 from all three deployments', async () => {
    await using guide = await guidedWithServers('router-reference-08');
    const said = await guide.ask('gpt-4');
    expect(said.rule).toBe('exact:gpt-4');
    const { decision } = await guide.outcomeOf(said);
    const kept = decision?.candidates.filter((candidate) => candidate.kept) ?? [];
    expect(kept.map(({ via }) => via)).toEqual([
      'exact:gpt-4',
      'exact:gpt-4',
      'exact:gpt-4',
      'fallback:gpt-3.5-turbo',
      'fallback:claude-2',
    ]);
    expect((await guide.ask('gpt4')).status).toBe(404);
    expect((await guide.ask('gpt-3.5-turbo')).by).toBe('entry 4');
    expect((await guide.ask('claude-2')).by).toBe('entry 5');
  });
});
