import { describe, expect, test } from 'vitest';
import type { Naming } from '../../gateway/routing/naming.ts';
import { literalNaming } from '../../gateway/routing/naming.ts';
import { type Blocked, freshState, type RouteState } from '../../gateway/routing/question.ts';
import { route } from '../../gateway/routing/route.ts';
import type { Endpoint, ProviderSnapshot, RequestFacts } from '../../gateway/types.ts';
import {
  decide,
  exact,
  facts,
  fallbackTo,
  fleet,
  model,
  order,
  provider,
  rules,
  skippedOnes,
  still,
} from './worlds.ts';

const by = rules({ exact: [exact('m', 'a')] });

function reasonFor(
  changes: Parameters<typeof provider>[1],
  asked: Partial<RequestFacts> = {},
  rule = by,
): string | null {
  const decision = decide({ model: 'm', ...asked }, rule, fleet(provider('a', { models: ['m'], ...changes })));
  return decision.candidates.find((one) => one.provider === 'a')?.reason ?? null;
}

describe('a candidate is passed over', () => {
  const chatOnly: ReadonlySet<Endpoint> = new Set<Endpoint>(['chat']);
  test.each<readonly [string, Parameters<typeof provider>[1], Partial<RequestFacts>]>([
    ['not_callable', { isCallable: false }, {}],
    ['not_callable', { endpoints: chatOnly }, { endpoint: 'messages' }],
    ['disabled', { isEnabled: false }, {}],
    ['draining', { isEnabled: false, isDraining: true }, {}],
    ['model_missing', { models: ['other'] }, {}],
    ['lacks_vision', { models: [model('m', { capabilities: new Set(['completion']) })] }, { needs: ['vision'] }],
    ['lacks_tools', { models: [model('m', { capabilities: new Set(['vision']) })] }, { needs: ['vision', 'tools'] }],
    ['context_too_small', { models: [model('m', { contextLoaded: 9 })] }, { promptTokens: 10 }],
    ['context_too_small', { models: [model('m', { contextTrained: 9 })] }, { promptTokens: 10 }],
    ['auth', { observed: 'auth' }, {}],
  ])('%s', (reason, changes, asked) => {
    expect(reasonFor(changes, asked)).toBe(reason);
  });

  test('lacks_embedding not where a text model is asked for by its name: servers embed with those untold', () => {
    const embeddings: Partial<RequestFacts> = { endpoint: 'embeddings', needs: ['embedding'] };
    const text = model('m', { capabilities: new Set(['completion']) });
    expect(reasonFor({ models: [text] }, embeddings)).toBeNull();
    const substitute = rules({ exact: [exact('other', 'a')] });
    expect(reasonFor({ models: [text], isSingleModel: true }, { ...embeddings, model: 'other' }, substitute)).toBe(
      'lacks_embedding',
    );
    expect(reasonFor({ models: [model('m', { capabilities: new Set(['rerank']) })] }, embeddings)).toBe(
      'lacks_embedding',
    );
    const asked = { ...embeddings, model: 'auto' };
    const embedder = model('e', { capabilities: new Set(['embedding']) });
    expect(order(decide(asked, rules({}), fleet(provider('a', { models: [text, embedder] }))))).toEqual(['a/e']);
  });

  test('not_warm only where a rule requires it', () => {
    const cold = { models: [model('m', { isLoaded: false })] };
    expect(reasonFor(cold)).toBeNull();
    expect(reasonFor(cold, {}, rules({ exact: [exact('m', 'a', { requiresWarm: true })] }))).toBe('not_warm');
  });

  test('with the first reason that applies, in the fixed order', () => {
    const sick = model('m', { capabilities: new Set(), contextLoaded: 1 });
    const asked: Partial<RequestFacts> = { needs: ['vision'], promptTokens: 10 };
    const all = { isCallable: false, isEnabled: false, observed: 'down' as const, models: [sick] };
    expect(reasonFor(all, { ...asked, pin: 'b' })).toBeNull();
    expect(reasonFor(all, asked)).toBe('not_callable');
    expect(reasonFor({ ...all, isCallable: true }, asked)).toBe('disabled');
    expect(reasonFor({ ...all, isCallable: true, isEnabled: true }, asked)).toBe('lacks_vision');
    expect(reasonFor({ ...all, isCallable: true, isEnabled: true }, { promptTokens: 10 })).toBe('context_too_small');
    const disabledWithout = { isEnabled: false, models: ['other'] };
    expect(reasonFor(disabledWithout)).toBe('disabled');
  });

  test('by what is known only: unknown facts keep it, with a note', () => {
    const decision = decide(
      { model: 'm', needs: ['vision'], promptTokens: 1e9 },
      by,
      fleet(provider('a', { models: ['m'] })),
    );
    expect(order(decision)).toEqual(['a/m']);
    expect(decision.candidates[0]?.notes).toEqual(['its capabilities are not known']);
  });

  test.each(['pending', 'warming', 'degraded', 'ready', 'paused'] as const)('not for being %s', (observed) => {
    expect(reasonFor({ observed, isListStale: true })).toBeNull();
  });
});

describe('room for the longest answer', () => {
  const sized = (name: string, contextLoaded: number) => provider(name, { models: [model('m', { contextLoaded })] });
  test('prefers the larger context and excludes nobody', () => {
    const asked = { model: 'm', promptTokens: 50, maxTokens: 100 };
    expect(order(decide(asked, rules(), fleet(sized('small', 100), sized('large', 1000))))).toEqual([
      'large/m',
      'small/m',
    ]);
    expect(order(decide(asked, rules(), fleet(sized('small', 100))))).toEqual(['small/m']);
  });
});

describe('capacity', () => {
  const full = (name: string): ProviderSnapshot =>
    provider(name, { models: ['m'], maxParallelRequests: 1, load: { inFlight: 1, queued: 0 } });
  test('a full candidate goes behind every free one, fallbacks too, and waits there', () => {
    const own = rules({ exact: [exact('m', 'a', { fallback: fallbackTo('b') })] });
    const decision = decide('m', own, fleet(full('a'), provider('b', { models: ['m'] })));
    expect(order(decision)).toEqual(['b/m', 'a/m']);
    expect(decision.candidates.map(({ reason }) => reason)).toEqual([null, 'at_capacity']);
  });
  test('with all of them full the request has candidates to wait for, and no error', () => {
    const decision = decide('m', rules(), fleet(full('a'), full('b')));
    expect(order(decision)).toHaveLength(2);
    expect(decision.error).toBeNull();
  });
  test('the last slot is still a free one', () => {
    const nearly = provider('a', { models: ['m'], maxParallelRequests: 2, load: { inFlight: 1, queued: 0 } });
    expect(decide('m', rules(), fleet(nearly)).candidates[0]?.reason).toBeNull();
  });
});

describe('what live traffic has blocked', () => {
  const blocking = (names: Readonly<Record<string, Blocked>>, failed: readonly string[] = []): RouteState => ({
    ...freshState,
    failed: new Map(failed.map((name) => [`${name}\u0000m`, 'server_error' as const])),
    blocked: ({ provider }) => names[provider] ?? null,
  });
  const two = fleet(provider('a', { models: ['m'] }), provider('b', { models: ['m'] }));
  const cooling: Blocked = { reason: 'cooling_down', remainingMs: 1500, isByRequest: false };
  const limited: Blocked = { reason: 'rate_limited', remainingMs: 4200, isByRequest: false };
  const ask = (state: RouteState) => route(facts({ model: 'm' }), rules(), two, still, state);
  test('is skipped with its reason', () => {
    const decision = ask(blocking({ a: cooling }));
    expect(order(decision)).toEqual(['b/m']);
    expect(skippedOnes(decision)).toEqual(['a/m: cooling_down']);
  });
  test('says for how long, who asked for patience, and which limit it is', () => {
    const noted = (block: Blocked) => ask(blocking({ a: block })).candidates.at(-1)?.notes;
    expect(noted(cooling)).toEqual(['for 2 s more']);
    expect(noted({ ...cooling, reason: 'breaker_open' })).toEqual(['for 2 s more']);
    expect(noted({ ...cooling, isByRequest: true })).toEqual(['it asked for patience, for 2 s more']);
    expect(noted({ ...limited, limit: 'rpm of gateway' })).toEqual(['rpm of gateway has room again in 5 s']);
    expect(noted({ ...limited, remainingMs: null, limit: 'tpm of a/m' })).toEqual([
      'this prompt alone is more than tpm of a/m allows',
    ]);
  });
  test('is skipped when it failed in this request', () => {
    expect(skippedOnes(ask(blocking({}, ['b'])))).toEqual(['b/m: already_failed']);
  });
  test('only rate limits make a 429, with the real time left', () => {
    expect(ask(blocking({ a: limited, b: { ...limited, remainingMs: 9000 } })).error).toMatchObject({
      code: 'rate_limited',
      retryAfterSeconds: 5,
    });
  });
  test('a provider that asked for patience is not tried anyway, one that only failed is', () => {
    const patient = { ...cooling, isByRequest: true };
    expect(ask(blocking({ a: patient, b: patient })).error).toMatchObject({
      code: 'rate_limited',
      retryAfterSeconds: 2,
    });
    expect(order(ask(blocking({ a: cooling, b: cooling })))).toHaveLength(1);
  });
});

describe('panic', () => {
  test('with nothing kept, fallbacks included, the best of those skipped only for health is tried', () => {
    const own = rules({ exact: [exact('m', 'a', { fallback: fallbackTo('b') })] });
    const decision = decide(
      'm',
      own,
      fleet(provider('a', { models: ['m'], observed: 'down' }), provider('b', { models: ['m'], observed: 'auth' })),
    );
    expect(order(decision)).toEqual(['a/m']);
    expect(decision.steps.find(({ step }) => step === 'panic')).toMatchObject({ result: 'matched' });
    expect(decision.candidates[0]?.notes).toContain('tried anyway (down)');
    expect(decision.error).toBeNull();
  });
  test('not while anything is kept', () => {
    const decision = decide(
      'm',
      rules(),
      fleet(provider('a', { models: ['m'], observed: 'down' }), provider('b', { models: ['m'] })),
    );
    expect(order(decision)).toEqual(['b/m']);
  });
});

describe('the error when nobody is left', () => {
  test('an unknown model is named with the nearest names', () => {
    const naming: Naming = { ...literalNaming, nearestNames: (_name, known) => [...known].slice(0, 2) };
    const decision = decide(
      'lama3',
      rules({ exact: [exact('llama3', 'b')] }, naming),
      fleet(provider('a', { models: ['llama3.1', 'qwen'] })),
    );
    expect(decision.error).toMatchObject({ code: 'model_not_found' });
    expect(decision.error?.message).toContain('model "lama3" is not known here');
    expect(decision.error?.message).toMatch(/nearest names are "llama3(\.1)?", "llama3(\.1)?"/);
  });
  test('of thousands of names only the most alike are compared letter by letter', () => {
    let compared = 0;
    const naming: Naming = {
      ...literalNaming,
      nearestNames: (_name, known) => {
        const names = [...known];
        compared = names.length;
        return names.slice(0, 1);
      },
    };
    const many = Array.from({ length: 5_000 }, (_, index) => `${index.toString(36)}-zzz`);
    const decision = decide(
      'qwen2.5-codr:7b',
      rules({}, naming),
      fleet(provider('a', { models: [...many, 'Qwen2.5-Coder:7B'] })),
    );
    expect(decision.error?.message).toContain('"Qwen2.5-Coder:7B"');
    expect(compared).toBeLessThan(20);
  });
  test('only the context in the way is the client’s mistake', () => {
    const decision = decide(
      { model: 'm', promptTokens: 5000 },
      rules(),
      fleet(provider('a', { models: [model('m', { contextLoaded: 4096 })] })),
    );
    expect(decision.error).toMatchObject({ code: 'context_length_exceeded' });
    expect(decision.error?.message).toContain('4096');
  });
  test('the context beside another reason is not', () => {
    const world = fleet(
      provider('a', { models: [model('m', { contextLoaded: 4096 })] }),
      provider('b', { models: ['m'], observed: 'auth' }),
    );
    expect(decide({ model: 'm', promptTokens: 5000 }, rules(), world).error?.code).toBe('no_available_deployment');
  });
  test('each candidate is listed with its reason', () => {
    const world = fleet(
      provider('a', { models: ['m'], observed: 'auth' }),
      provider('b', { models: ['m'], isCallable: false }),
    );
    const { error } = decide('m', rules(), world);
    expect(error?.message).toContain('a/m: auth');
    expect(error?.message).toContain('b/m: not_callable');
  });
  test('a protocol that no provider of the model speaks is said to be that', () => {
    const world = fleet(provider('a', { models: ['m'], endpoints: new Set<Endpoint>(['chat']) }));
    expect(decide({ model: 'm', endpoint: 'messages' }, rules(), world).error).toMatchObject({
      code: 'not_translated',
    });
  });
  test('a name nobody is known to have may be at a provider that has told nothing yet: that is worth asking again', () => {
    const silent = provider('box', { models: [], observed: 'down', isListStale: true });
    const { error } = decide('m', rules(), fleet(provider('a', { models: ['other'] }), silent));
    expect(error?.code).toBe('no_available_deployment');
    expect(error?.message).toContain('box (down)');
    const off = provider('box', { models: [], observed: 'off', isListStale: true, isEnabled: false });
    expect(decide('m', rules(), fleet(provider('a', { models: ['other'] }), off)).error?.code).toBe('model_not_found');
  });
  test('a protocol that only an absent provider speaks is no matter of translation', () => {
    const world = fleet(
      provider('a', { models: ['m'], endpoints: new Set<Endpoint>(['chat']) }),
      provider('box', { models: [], observed: 'down', isListStale: true, endpoints: new Set<Endpoint>(['messages']) }),
    );
    expect(decide({ model: 'm', endpoint: 'messages' }, rules(), world).error?.code).toBe('no_available_deployment');
  });
  test('a request without a model that nobody takes', () => {
    expect(decide({ model: null }, rules(), fleet()).error).toMatchObject({ code: 'model_not_found' });
  });
});

describe('the same model under another name', () => {
  const naming: Naming = {
    ...literalNaming,
    isSameName: (kind, a, b) => a === b || (kind === 'ollama' && a.toLowerCase() === b.toLowerCase()),
    identify: (name) => ({
      name,
      family: name.toLowerCase().includes('llama') ? 'llama' : null,
      fineTune: '',
      size: null,
      isSizeReported: false,
      activeSize: null,
      quantization: /q\d/.exec(name)?.[0] ?? null,
    }),
    likeness: (a, b) => (a.quantization === b.quantization ? 'same' : 'near'),
  };
  const known = rules({}, naming);
  test('is served by providers that list it under that one', () => {
    const decision = decide(
      'llama3',
      known,
      fleet(provider('a', { models: ['llama3'] }), provider('b', { models: ['org/Llama'] })),
    );
    expect(new Set(order(decision))).toEqual(new Set(['a/llama3', 'b/org/Llama']));
    expect(decision.candidates.find((one) => one.provider === 'b')?.source).toBe('same_model');
  });
  test('a near match is not used unasked', () => {
    const decision = decide('llama3', known, fleet(provider('b', { models: ['llama-q4'] })));
    expect(order(decision)).toEqual([]);
  });
  test('spelling follows the kind: without regard to case where the server has none', () => {
    expect(order(decide('Zephyr', known, fleet(provider('a', { kind: 'ollama', models: ['zephyr'] }))))).toEqual([
      'a/zephyr',
    ]);
    expect(order(decide('Zephyr', known, fleet(provider('a', { kind: 'vllm', models: ['zephyr'] }))))).toEqual([]);
  });
  test('the loaded one of several is taken', () => {
    const two = [model('llama-a', { isLoaded: false }), model('llama-b', { isLoaded: true })];
    expect(order(decide('llama3', known, fleet(provider('a', { models: two }))))).toEqual(['a/llama-b']);
  });
});
