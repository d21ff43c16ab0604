// Who is asked after everybody a rule names has failed: rules, capabilities, groups, chains and the request itself.

import { describe, expect, test } from 'vitest';
import type { StandIn } from '../backends/core/server.ts';
import { startLlamaCppPython } from '../backends/llama-cpp-python.ts';
import type { OpenAiOptions } from '../backends/openai.ts';
import { type Ask, generationsOf, MODEL, named, type World, worldOf, worldOn } from './support.ts';

/** Groups of different models that have a server each; a group's name is what its server answers. */
async function groups<Name extends string>(
  names: readonly Name[],
  settings: string,
  optionsOf: (name: Name) => Partial<OpenAiOptions> = () => ({}),
): Promise<World<Name>> {
  const started = await Promise.all(
    names.map(async (name) => [name, await named(name, { models: [`model-of-${name}`], ...optionsOf(name) })] as const),
  );
  const entries = started.map(
    ([name, { url }]) =>
      `  - { model_name: ${name}, litellm_params: { model: openai/model-of-${name}, api_base: "${url}" } }`,
  );
  const servers = Object.fromEntries(started) as Record<Name, StandIn>;
  return worldOn(`model_list:\n${entries.join('\n')}\n${settings}\n`, servers);
}

describe('groups', () => {
  test.each([
    ['the map', 'litellm_settings: { fallbacks: [{ first: [second, third] }] }'],
    [
      'model and fallback_models',
      'router_settings: { fallbacks: [{ model: first, fallback_models: [second, third] }] }',
    ],
    ['the star', 'router_settings: { fallbacks: [{ "*": [second, third] }] }'],
    ['default_fallbacks', 'litellm_settings: { default_fallbacks: [second, third] }'],
  ])('a group that failed is followed by its fallbacks, in their order: %s', async (_spelling, settings) => {
    await using world = await groups(['first', 'second', 'third'], settings);
    expect((await world.ask({ model: 'first' })).words).toBe('first');
    await world.servers.first.setFault('server_error');
    expect((await world.ask({ model: 'first', stream: true })).words).toBe('second');
    await world.servers.second.setFault('close');
    const seen = await world.ask({ model: 'first' });
    expect([seen.words, seen.attempts]).toEqual(['third', 3]);
    expect(world.gateway.lines.some((line) => line.includes('[ROUTER] Fallback triggered: '))).toBe(true);
  });

  test('the record of an attempt says which fallback put it there and what went wrong before', async () => {
    await using world = await groups(['first', 'second'], 'router_settings: { fallbacks: [{ first: [second] }] }');
    await world.servers.first.setFault('server_error');
    const { attempts } = await world.outcomeOf(await world.ask({ model: 'first' }));
    expect(attempts.map(({ via }) => via)).toEqual(['exact:first', expect.stringContaining('fallback')]);
    expect(attempts[1]?.because).toContain('server_error');
  });

  test('the default ones come behind those of the group', async () => {
    await using world = await groups(
      ['first', 'second', 'third'],
      'litellm_settings: { fallbacks: [{ first: [second] }], default_fallbacks: [third] }',
    );
    await world.servers.first.setFault('server_error');
    expect((await world.ask({ model: 'first' })).words).toBe('second');
    await world.servers.second.setFault('server_error');
    expect((await world.ask({ model: 'first' })).words).toBe('third');
  });

  test('a list may be keyed by the alias or by its target, and the name that was asked for wins', async () => {
    await using world = await groups(
      ['target', 'by_target', 'by_alias'],
      `router_settings:
  model_group_alias: { alias: target, other: target }
  fallbacks: [{ target: [by_target] }, { alias: [by_alias] }]`,
    );
    await world.servers.target.setFault('server_error');
    expect((await world.ask({ model: 'alias' })).words).toBe('by_alias');
    expect((await world.ask({ model: 'other' })).words).toBe('by_target');
    expect((await world.ask({ model: 'target' })).words).toBe('by_target');
  });

  test('at most five targets per request, or as many as max_fallbacks says', async () => {
    const names = ['g0', 'g1', 'g2', 'g3', 'g4', 'g5', 'g6'] as const;
    const list = names.slice(1).join(', ');
    await using world = await groups(names, `router_settings: { num_retries: 0, fallbacks: [{ g0: [${list}] }] }`);
    for (const name of names) await world.servers[name].setFault('server_error');
    await world.askThroughTime({ model: 'g0' });
    expect(names.map((name) => world.asked(name))).toEqual([1, 1, 1, 1, 1, 1, 0]);
    await world.askThroughTime({ model: 'g0', body: { max_fallbacks: 1 } });
    expect([world.asked('g1'), world.asked('g2')]).toEqual([2, 1]);
  });

  test('a target that is named twice is asked once', async () => {
    await using world = await groups(
      ['first', 'second'],
      'router_settings: { num_retries: 0, fallbacks: [{ first: [second, second, first] }] }',
    );
    await world.servers.first.setFault('server_error');
    await world.servers.second.setFault('server_error');
    await world.askThroughTime({ model: 'first' });
    expect([world.asked('first'), world.asked('second')]).toEqual([1, 1]);
  });
});

describe('a request', () => {
  const settings = 'router_settings: { num_retries: 0, fallbacks: [{ first: [second] }] }';

  test('may name its own fallbacks, which come in place of the configured ones', async () => {
    await using world = await groups(['first', 'second', 'third'], settings);
    await world.servers.first.setFault('server_error');
    const seen = await world.ask({ model: 'first', body: { fallbacks: ['third'] } });
    expect(seen.words).toBe('third');
    const mapped = await world.ask({ model: 'first', body: { fallbacks: [{ first: ['third'] }] } });
    expect(mapped.words).toBe('third');
    expect(world.servers.third.requests.some(({ body }) => body.includes('fallbacks'))).toBe(false);
  });

  test('may ask for none at all', async () => {
    await using world = await groups(['first', 'second'], settings);
    await world.servers.first.setFault('server_error');
    const seen = await world.askThroughTime({ model: 'first', body: { disable_fallbacks: true } });
    expect([seen.status, world.asked('second')]).toEqual([502, 0]);
  });

  test('may say how long it waits, and then the next one is asked', async () => {
    await using world = await groups(['first', 'second'], settings);
    await world.servers.first.setFault('hang');
    for (const stream of [false, true]) {
      const seen = await world.ask({ model: 'first', stream, body: { timeout: 1 } });
      expect([stream, seen.words]).toEqual([stream, 'second']);
      const [first] = await world.attemptsOf(seen);
      expect(first).toMatch(stream ? / timeout_first_byte$/ : / timeout_total$/);
    }
  });
});

const long = 'many words '.repeat(200);

describe('a prompt that is too long', () => {
  const small = (name: string): Partial<OpenAiOptions> => (name.startsWith('small') ? { contextLength: 100 } : {});

  test('goes to the context window fallbacks, which the general ones follow', async () => {
    await using world = await groups(
      ['small', 'large', 'general'],
      'litellm_settings: { context_window_fallbacks: [{ small: [large] }], fallbacks: [{ small: [general] }] }',
      small,
    );
    expect((await world.ask({ model: 'small', content: long })).words).toBe('large');
    await world.servers.small.setFault('server_error');
    // Another failure is none of their business.
    expect((await world.ask({ model: 'small' })).words).toBe('general');
    await world.servers.small.setFault(null);
    await world.servers.large.setFault('server_error');
    expect((await world.ask({ model: 'small', content: long })).words).toBe('general');
  });

  test('that fits nowhere is the client’s to shorten: 400 context_length_exceeded', async () => {
    await using world = await groups(
      ['small', 'small2'],
      'litellm_settings: { context_window_fallbacks: [{ small: [small2] }] }',
      small,
    );
    const seen = await world.ask({ model: 'small', content: long });
    expect([seen.status, seen.code]).toEqual([400, 'context_length_exceeded']);
    expect(seen.answer.headers['x-should-retry']).toBe('false');
  });

  test('may name where it goes in the request', async () => {
    await using world = await groups(['small', 'large'], '', small);
    const seen = await world.ask({ model: 'small', content: long, body: { context_window_fallbacks: ['large'] } });
    expect(seen.words).toBe('large');
  });
});

describe('rules of the gateway dialect', () => {
  async function three(yaml: string) {
    return worldOf({ a: await named('a'), b: await named('b'), c: await named('c') }, { yaml });
  }
  const exact = (fallback: string) =>
    `exact_matches:\n  "${MODEL}": { provider: a, fallback: ${fallback} }\nrouter_settings: { num_retries: 0 }`;
  const chains = `
fallback_chains:
  default: { chain: [{ primary: c }] }
  spare: { chain: [{ primary: b }, { secondary: c }] }
`;

  test.each([
    ['a provider', exact('b'), ['a server_error', 'b ok']],
    ['a list', exact('[b, c]'), ['a server_error', 'b ok']],
    ['a chain', exact('spare') + chains, ['a server_error', 'b ok']],
    ['the default chain behind no fallback', exact('null') + chains, ['a server_error', 'c ok']],
    ['the default chain behind a provider', exact('b') + chains, ['a server_error', 'b ok']],
    ['none: not even the default chain', exact('none') + chains, ['a server_error']],
    ['nothing', exact('null'), ['a server_error']],
  ])('an exact rule falls back to %s', async (_what, yaml, attempts) => {
    await using world = await three(yaml);
    await world.servers.a.setFault('server_error');
    const seen = await world.askThroughTime();
    expect(await world.attemptsOf(seen)).toEqual(attempts);
  });

  test('after the fallback comes the default chain, each target once', async () => {
    await using world = await three(exact('b') + chains);
    await world.servers.a.setFault('server_error');
    await world.servers.b.setFault('server_error');
    expect(await world.attemptsOf(await world.askThroughTime())).toEqual(['a server_error', 'b server_error', 'c ok']);
  });

  test('patterns, sizes and metadata rules have fallbacks too', async () => {
    const yaml = `
patterns: [{ pattern: "^llama", provider: a, fallback: b }]
model_size_routing: [{ size: "> 13B", provider: a, fallback: c }]
request_metadata_routing: { batch: { provider: a, condition: header.x-batch == "yes", fallback: c } }
router_settings: { num_retries: 0, disable_cooldowns: true }
`;
    const big = 'qwen:72b';
    const models = [MODEL, big];
    const servers = {
      a: await named('a', { models }),
      b: await named('b', { models }),
      c: await named('c', { models }),
    };
    await using world = await worldOf(servers, { yaml });
    await servers.a.setFault('server_error');
    expect((await world.ask()).words).toBe('b');
    expect((await world.ask({ model: big })).words).toBe('c');
    const tagged = await world.ask({ headers: { 'x-batch': 'yes' }, model: big });
    expect([tagged.words, tagged.rule]).toEqual(['c', 'metadata:batch']);
  });

  test('a capability falls back to a provider, which answers with what it has', async () => {
    const only = 'mistral-7b-instruct-q4_k_m';
    const python = await startLlamaCppPython({ models: [only], answer: ['python'] });
    const yaml = `
capabilities: { low_latency: { provider: a, preferred_models: ["${MODEL}"], fallback: python } }
router_settings: { num_retries: 0 }
`;
    await using world = await worldOf({ a: await named('a'), python }, { yaml });
    const asked: Ask = { model: 'auto', headers: { 'x-capability': 'low_latency' } };
    expect((await world.ask(asked)).words).toBe('a');
    await world.servers.a.setFault('server_error');
    expect((await world.ask(asked)).words).toBe('python');
  });

  test('a pinned request stays where it is pinned, whatever fails', async () => {
    await using world = await three(exact('b') + chains);
    await world.servers.a.setFault('server_error');
    const seen = await world.askThroughTime({ headers: { 'x-provider': 'a' } });
    expect([seen.status, world.asked('b'), world.asked('c')]).toEqual([502, 0, 0]);
  });

  test('a strict metadata rule fails rather than going elsewhere', async () => {
    await using world = await three(`
request_metadata_routing: { only_a: { provider: a, condition: always, strict: true } }
router_settings: { num_retries: 0 }
`);
    await world.servers.a.setFault('server_error');
    const seen = await world.askThroughTime();
    expect([seen.status, world.asked('b'), world.asked('c')]).toEqual([502, 0, 0]);
  });
});

describe('chains', () => {
  const provider = { num_retries: 0 };
  const asking = (more: Ask = {}): Ask => ({ body: provider, ...more });

  test('a link is asked only where its condition holds', async () => {
    const yaml = `
exact_matches: { "${MODEL}": { provider: a } }
fallback_chains:
  default:
    chain:
      - { primary: b, condition: header.x-spare == "yes" }
      - { secondary: c, condition: a_unavailable }
`;
    await using world = await worldOf({ a: await named('a'), b: await named('b'), c: await named('c') }, { yaml });
    await world.servers.a.setFault('server_error');
    expect((await world.ask(asking())).words).toBe('c');
    expect((await world.ask(asking({ headers: { 'x-spare': 'yes' } }))).words).toBe('b');
  });

  test('a link may name the model to use there', async () => {
    const servers = { a: await named('a'), b: await named('b', { models: ['other', MODEL] }) };
    const yaml = `
exact_matches: { "${MODEL}": { provider: a, fallback: spare } }
fallback_chains: { spare: { chain: [{ primary: b, preferred_model: other }] } }
`;
    await using world = await worldOf(servers, { yaml });
    await servers.a.setFault('server_error');
    const seen = await world.ask(asking());
    expect([seen.words, seen.answer.headers['x-switchyard-model']]).toEqual(['b', 'other']);
  });
});

describe('switches for trying fallbacks out', () => {
  const settings =
    'litellm_settings: { num_retries: 0, fallbacks: [{ first: [second] }], context_window_fallbacks: [{ first: [third] }], content_policy_fallbacks: [{ first: [fourth] }] }';
  const names = ['first', 'second', 'third', 'fourth'] as const;

  test.each([
    ['mock_testing_fallbacks', 'second'],
    ['mock_testing_rate_limit_error', 'second'],
    ['mock_testing_context_fallbacks', 'third'],
    ['mock_testing_content_policy_fallbacks', 'fourth'],
  ])('%s fails the first group without asking it', async (field, answeredBy) => {
    await using world = await groups(names, settings);
    for (const stream of [false, true]) {
      const seen = await world.ask({ model: 'first', stream, body: { [field]: true } });
      expect(seen.words).toBe(answeredBy);
    }
    expect(world.asked('first')).toBe(0);
    const all = Object.values(world.servers).flatMap(({ requests }) => requests);
    expect(all.some(({ body }) => body.includes('mock_testing'))).toBe(false);
    // It was a game: nobody is in any trouble for it.
    expect((await world.ask({ model: 'first' })).words).toBe('first');
  });

  test('they are for this machine alone, unless they are allowed', async () => {
    const asked: Ask = {
      model: 'first',
      headers: { 'x-forwarded-for': '203.0.113.7' },
      body: { mock_testing_fallbacks: true },
    };
    {
      await using world = await groups(names, settings);
      expect((await world.ask(asked)).words).toBe('first');
      expect(generationsOf(world.servers.first)).toBe(1);
    }
    await using world = await groups(names, `${settings}\ngeneral_settings: { allow_mock_testing: true }`);
    expect((await world.ask(asked)).words).toBe('second');
  });
});
