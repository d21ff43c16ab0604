// The guide "Routing Configuration": its hierarchy and each of its sections, in front of the four servers it speaks of.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StandIn } from '../backends/core/server.ts';
import { startLlamaCppPython } from '../backends/llama-cpp-python.ts';
import { startLlamaServer } from '../backends/llama-server.ts';
import { startOllama } from '../backends/ollama.ts';
import { startVllm } from '../backends/vllm.ts';
import { send } from '../support/http.ts';
import { type Asked, block, countOf, type Guided, guided, under } from './support.ts';

const started: StandIn[] = [];
let providers = '';

beforeAll(async () => {
  const ollamaModels = ['llama3.1:8b', 'qwen2.5-coder:7b', 'deepseek-coder-v2', 'qwen2.5:32b', 'nomic-embed-text'];
  const ollama = await startOllama({ models: ollamaModels, warm: ollamaModels, answer: ['ollama'] });
  const vllm = await startVllm({
    models: [
      'llama3.1:8b',
      'llama2-13b-vllm',
      'meta-llama/Llama-2-7b-chat-hf',
      'mistralai/Mistral-7B-v0.1',
      'qwen2.5:32b',
      'qwen2.5-coder:7b',
    ],
    answer: ['vllm'],
  });
  const python = await startLlamaCppPython({
    models: ['llama-cpp-default'],
    contextLength: 8192,
    answer: ['llama_cpp_python'],
  });
  const native = await startLlamaServer({ models: ['tiny-1b'], answer: ['llama_cpp_native'] });
  started.push(ollama, vllm, python, native);
  providers = `providers:
  ollama: { kind: ollama, base_url: "${ollama.url}", models: { "llama3.1:8b": { aliases: [llama3.1-ollama] } } }
  vllm: { kind: vllm, base_url: "${vllm.url}" }
  llama_cpp_python: { kind: llama_cpp_python, base_url: "${python.url}", models: { llama-cpp-default: { aliases: [llama-cpp-python] } } }
  llama_cpp_native: { kind: llama_cpp, base_url: "${native.url}" }
`;
});

afterAll(async () => {
  await Promise.all(started.map((one) => one.close()));
});

/** A gateway in front of the four, on these sections. */
function gatewayOn(...sections: readonly string[]): Promise<Guided> {
  return guided([providers, ...sections].join('\n'));
}

/** Asks, and tells who answered, with which model, by which rule. */
async function told(guide: Guided, asked: string | Asked): Promise<string> {
  const { by, model, rule, answer } = await guide.ask(asked);
  return by === null ? `${answer.status} ${answer.text}` : `${by} ${model} ${rule}`;
}

describe('1. exact names', () => {
  test('go to the provider of their rule, whoever else serves them, and the log says so', async () => {
    await using guide = await gatewayOn(block('routing-configuration-01'));
    expect(await guide.share('llama3.1:8b', 20)).toEqual({ ollama: 20 });
    expect(await told(guide, 'llama3.1:8b')).toBe('ollama llama3.1:8b exact:llama3.1:8b');
    expect(guide.gateway.lines).toContain('info [ROUTER] Model: llama3.1:8b -> Provider: ollama (exact match)');
  });

  test('do so in the model_list form too, whose address lends the name of the provider', async () => {
    const [ollama] = started;
    const printed = block('routing-configuration-02').replace('http://127.0.0.1:11434', ollama?.url ?? '');
    await using guide = await gatewayOn(printed);
    expect(await told(guide, 'llama3.1:8b')).toBe('ollama llama3.1:8b exact:llama3.1:8b');
    expect(guide.gateway.gateway.settings.providers.size).toBe(4);
  });
});

describe('2. patterns', () => {
  test('send what they match to their provider, and nothing else', async () => {
    await using guide = await gatewayOn(block('routing-configuration-03'));
    expect(await told(guide, 'meta-llama/Llama-2-7b-chat-hf')).toBe('vllm meta-llama/Llama-2-7b-chat-hf pattern:1');
    expect(guide.gateway.lines).toContain(
      'info [ROUTER] Model: meta-llama/Llama-2-7b-chat-hf -> Provider: vllm (pattern match)',
    );
    expect((await guide.ask('llama2-13b-vllm')).rule).toBe('catalog');
  });

  test('are taken in the order of the file, each with its own number', async () => {
    await using guide = await gatewayOn(under('patterns', 'routing-configuration-04'));
    expect(await told(guide, 'mistralai/Mistral-7B-v0.1')).toBe('vllm mistralai/Mistral-7B-v0.1 pattern:2');
  });

  test('recognise the names of Ollama by their tag, whatever the case of its unit', async () => {
    await using guide = await gatewayOn(under('patterns', 'routing-configuration-05'));
    expect(await told(guide, 'qwen2.5-coder:7b')).toBe('ollama qwen2.5-coder:7b pattern:1');
    expect(await told(guide, 'qwen2.5-coder:7B')).toBe('ollama qwen2.5-coder:7b pattern:1');
  });

  test('send GGUF files to llama-cpp-python, and name llama-server as the next', async () => {
    await using guide = await gatewayOn(under('patterns', 'routing-configuration-06'));
    const said = await guide.ask('mistral-7b-instruct.Q4_K_M.gguf');
    expect([said.by, said.rule]).toEqual(['llama_cpp_python', 'pattern:1']);
    expect((await guide.decisionOf(said)).kept).toEqual([
      'llama_cpp_python/llama-cpp-default',
      'llama_cpp_native/tiny-1b',
    ]);
  });
});

describe('3. capabilities', () => {
  const wanting = (capability: string): Asked => ({ headers: { 'X-Capability': capability } });

  test('code_generation is served by its preferred models at its provider, in turn', async () => {
    await using guide = await gatewayOn(block('routing-configuration-07'));
    const models: string[] = [];
    for (let time = 0; time < 60; time += 1) {
      const { by, rule, model } = await guide.ask(wanting('code_generation'));
      expect([by, rule]).toEqual(['ollama', 'capability:code_generation']);
      models.push(model ?? '');
    }
    expect(new Set(models)).toEqual(new Set(['qwen2.5-coder:7b', 'deepseek-coder-v2:latest']));
    expect(models).toEqual(models.map((_, index) => models[index % 2]));
    expect(guide.gateway.lines.filter((line) => line.includes('(capability match)'))).toHaveLength(60);
  });

  test('the name of a capability works as a model, and the same entry under its section is the same', async () => {
    await using guide = await gatewayOn(under('capabilities', 'routing-configuration-08'));
    expect(await told(guide, 'code_generation')).toMatch(
      /^ollama (qwen2\.5-coder:7b|deepseek-coder-v2:latest) capability:code_generation$/,
    );
  });

  test('high_throughput takes only models of vLLM from 13B on', async () => {
    await using guide = await gatewayOn(under('capabilities', 'routing-configuration-09'));
    const said = await guide.ask(wanting('high_throughput'));
    expect([said.by, said.rule]).toEqual(['vllm', 'capability:high_throughput']);
    const { kept, skipped } = await guide.decisionOf(said);
    expect(new Set(kept)).toEqual(new Set(['vllm/llama2-13b-vllm', 'vllm/qwen2.5:32b']));
    expect(skipped).toContain('vllm/llama3.1:8b too_small');
  });

  test('low_latency goes to llama-server, with llama-cpp-python behind it', async () => {
    await using guide = await gatewayOn(under('capabilities', 'routing-configuration-10'));
    const said = await guide.ask(wanting('low_latency'));
    expect([said.by, said.rule]).toEqual(['llama_cpp_native', 'capability:low_latency']);
    expect((await guide.decisionOf(said)).kept).toEqual([
      'llama_cpp_native/tiny-1b',
      'llama_cpp_python/llama-cpp-default',
    ]);
  });

  test('general_chat chooses among its preferred models wherever they are', async () => {
    await using guide = await gatewayOn(under('capabilities', 'routing-configuration-11'));
    const said = await guide.ask(wanting('general_chat'));
    expect(said.rule).toBe('capability:general_chat');
    expect(new Set((await guide.decisionOf(said)).kept)).toEqual(
      new Set(['ollama/llama3.1:8b', 'vllm/llama3.1:8b', 'vllm/llama2-13b-vllm']),
    );
  });

  test('large_context leaves out what is loaded with less than 8,192 tokens', async () => {
    await using guide = await gatewayOn(under('capabilities', 'routing-configuration-12'));
    const said = await guide.ask(wanting('large_context'));
    expect([said.by, said.rule]).toEqual(['llama_cpp_python', 'capability:large_context']);
    const { kept, skipped } = await guide.decisionOf(said);
    expect(kept).toEqual(['llama_cpp_python/llama-cpp-default']);
    expect(skipped).toContain('vllm/llama3.1:8b context_too_small');
  });
});

describe('4. strategies', () => {
  test('each is the strategy of what it is applicable to', async () => {
    const entries = ['13', '14', '15', '16'].map((number) => under('x', `routing-configuration-${number}`).slice(3));
    await using guide = await gatewayOn(`strategies:\n${entries.join('')}`);
    const { strategies } = guide.gateway.gateway.settings.routing;
    expect([...strategies.values()].map(({ strategy, applicableTo }) => [strategy, applicableTo])).toEqual([
      ['round_robin', ['general_chat', 'code_generation']],
      ['least_busy', ['high_throughput']],
      ['usage_based', null],
      ['fastest_response', ['low_latency']],
    ]);
  });

  test('a redundant model has all its providers as candidates, and 7 to 3 of any ten requests in a row', async () => {
    const declared = block('routing-configuration-17').replace(
      'provider: llama_cpp_python\n',
      'provider: llama_cpp_python\n        model: llama-cpp-default\n',
    );
    await using guide = await gatewayOn(block('routing-configuration-01'), declared);
    const turns = await guide.turns('llama3.1:8b', 40);
    for (let start = 0; start + 10 <= turns.length; start += 1) {
      expect(countOf(turns.slice(start, start + 10))).toEqual({ ollama: 7, llama_cpp_python: 3 });
    }
  });
});

describe('5. fallback chains', () => {
  test('the default chain serves what no rule serves, link by link as their conditions hold', async () => {
    await using guide = await gatewayOn(block('routing-configuration-18'));
    expect(await told(guide, 'a-model-nobody-has')).toBe('llama_cpp_python llama-cpp-default chain:default:3');
    expect(guide.gateway.lines).toContain(
      'info [ROUTER] Model: a-model-nobody-has -> Provider: llama_cpp_python (fallback chain)',
    );
    const large = await guide.ask('qwen2.5:32b');
    expect(large.rule).toBe('catalog');
    const { kept } = await guide.decisionOf(large);
    expect(new Set(kept.slice(0, 2))).toEqual(new Set(['vllm/qwen2.5:32b', 'ollama/qwen2.5:32b']));
    expect(kept.slice(2)).toEqual(['llama_cpp_python/llama-cpp-default']);
  });

  test('a chain of a capability stands behind it, for when its provider has failed', async () => {
    await using guide = await gatewayOn(
      under('capabilities', 'routing-configuration-08'),
      under('fallback_chains', 'routing-configuration-19'),
    );
    const said = await guide.ask('code_generation');
    expect(said.by).toBe('ollama');
    const { kept } = await guide.decisionOf(said);
    expect(kept.toSorted()).toEqual([
      'llama_cpp_python/llama-cpp-default',
      'ollama/deepseek-coder-v2:latest',
      'ollama/qwen2.5-coder:7b',
    ]);
    expect(kept.at(-1)).toBe('llama_cpp_python/llama-cpp-default');
  });

  test('a rule may name a chain, whose links come in their order', async () => {
    await using guide = await gatewayOn(
      block('routing-configuration-01').replace('fallback: null', 'fallback: high_availability'),
      under('fallback_chains', 'routing-configuration-20'),
    );
    const said = await guide.ask('llama3.1:8b');
    expect(said.by).toBe('ollama');
    expect((await guide.decisionOf(said)).kept).toEqual([
      'ollama/llama3.1:8b',
      'llama_cpp_python/llama-cpp-default',
      'llama_cpp_native/tiny-1b',
    ]);
  });
});

test('6. model sizes choose the provider, both ends of a range included', async () => {
  await using guide = await gatewayOn(block('routing-configuration-21'));
  expect(await told(guide, 'qwen2.5-coder:7b')).toBe('ollama qwen2.5-coder:7b size:1');
  expect(await told(guide, 'llama3.1:8b')).toBe('ollama llama3.1:8b size:2');
  expect(await told(guide, 'llama2-13b-vllm')).toBe('vllm llama2-13b-vllm catalog');
  expect(await told(guide, 'qwen2.5:32b')).toBe('vllm qwen2.5:32b size:3');
  expect(guide.gateway.lines).toContain('info [ROUTER] Model: qwen2.5:32b -> Provider: vllm (size match)');
});

describe('7. request metadata', () => {
  test('a header, a batch or a stream puts a provider first, and what was chosen otherwise stays behind it', async () => {
    await using guide = await gatewayOn(block('routing-configuration-01'), block('routing-configuration-22'));
    expect(await told(guide, 'llama3.1:8b')).toBe('ollama llama3.1:8b exact:llama3.1:8b');
    const high = await guide.ask({ model: 'llama3.1:8b', headers: { 'X-Priority': 'high' } });
    expect([high.by, high.rule]).toEqual(['vllm', 'metadata:high_priority_requests']);
    expect((await guide.decisionOf(high)).kept).toEqual(['vllm/llama3.1:8b', 'ollama/llama3.1:8b']);
    const low = await guide.ask({ model: 'llama3.1:8b', headers: { 'X-Priority': 'low' } });
    expect(low.by).toBe('ollama');
    const stream = await guide.ask({ model: 'llama3.1:8b', body: { stream: true } });
    expect([stream.by, stream.rule]).toEqual(['ollama', 'metadata:streaming_requests']);
    const batch = await guide.ask({
      model: 'llama3.1:8b',
      path: '/v1/completions',
      body: { messages: undefined, prompt: ['one', 'two'] },
    });
    expect([batch.by, batch.rule]).toEqual(['vllm', 'metadata:batch_requests']);
    expect(guide.gateway.lines).toContain('info [ROUTER] Model: llama3.1:8b -> Provider: vllm (metadata match)');
  });

  test('a rule whose provider lacks the model is passed over', async () => {
    await using guide = await gatewayOn(block('routing-configuration-22'));
    const said = await guide.ask({ model: 'deepseek-coder-v2', headers: { 'X-Priority': 'high' } });
    expect([said.by, said.rule]).toEqual(['ollama', 'catalog']);
  });
});

test('8. the special cases start, and requests go as ever while nothing fails', async () => {
  const sections = ['23', '24', '25'].map((number) => block(`routing-configuration-${number}`));
  await using guide = await gatewayOn(block('routing-configuration-01'), ...sections);
  expect(await guide.share('llama3.1:8b', 5)).toEqual({ ollama: 5 });
});

describe('router settings', () => {
  test('a list under an alias makes a group of all the models it names, wherever they are', async () => {
    await using guide = await gatewayOn(block('routing-configuration-26'));
    const said = await guide.ask('general_chat');
    expect(said.rule).toBe('alias:general_chat');
    expect(new Set((await guide.decisionOf(said)).kept)).toEqual(
      new Set(['ollama/llama3.1:8b', 'vllm/llama3.1:8b', 'vllm/llama2-13b-vllm', 'llama_cpp_python/llama-cpp-default']),
    );
    expect(await told(guide, 'high_throughput')).toBe('vllm llama2-13b-vllm alias:high_throughput');
  });

  test('an alias whose targets nobody has is passed over', async () => {
    await using guide = await gatewayOn(block('routing-configuration-26'));
    expect((await guide.ask('code_generation')).status).toBe(404);
  });

  test('fallbacks stand behind what was asked for, in their order, but for those nobody has', async () => {
    await using guide = await gatewayOn(block('routing-configuration-26'));
    const said = await guide.ask('llama2-13b-vllm');
    expect(said.by).toBe('vllm');
    const { kept } = await guide.decisionOf(said);
    expect(kept[0]).toBe('vllm/llama2-13b-vllm');
    expect(new Set(kept.slice(1))).toEqual(new Set(['ollama/llama3.1:8b', 'vllm/llama3.1:8b']));
  });
});

test('debugging as printed: the list of models, then a form-encoded request for each of them', async () => {
  await using guide = await gatewayOn(block('routing-configuration-01'), block('routing-configuration-27'));
  const { url } = guide.gateway;
  const list = (await send(`${url}/v1/models`)).json as { data: { id: string; object: string }[] };
  expect(list.data.map(({ id }) => id)).toEqual(expect.arrayContaining(['llama3.1:8b', 'llama2-13b-vllm']));
  expect(new Set(list.data.map(({ object }) => object))).toEqual(new Set(['model']));
  for (const model of ['llama3.1:8b', 'llama2-13b-vllm']) {
    const answer = await send(`${url}/v1/chat/completions`, {
      method: 'POST',
      body: `{"model": "${model}", "messages": [{"role": "user", "content": "Hi"}]}`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    expect((answer.json as { model: string }).model).toBe(model);
  }
});

test('each metric of the guide is there', async () => {
  const printed = block('routing-configuration-28');
  await using guide = await gatewayOn(printed);
  await guide.ask('llama3.1:8b');
  const metrics = (await send(`${guide.gateway.url}/metrics`)).text;
  const names = [...printed.matchAll(/- (\w+)/g)].map((match) => match[1] ?? '');
  expect(names).toHaveLength(7);
  for (const name of names) expect([name, metrics.includes(name)]).toEqual([name, true]);
});

test('the hierarchy: exact, pattern, capability, size, catalog, default, chain, error, each when those before it are gone', async () => {
  const rules: readonly (readonly [string, string])[] = [
    ['exact:qwen2.5-coder:7b', 'exact_matches: { "qwen2.5-coder:7b": { provider: vllm } }'],
    ['pattern:1', 'patterns: [{ pattern: "coder", provider: ollama }]'],
    [
      'capability:qwen2.5-coder:7b',
      'capabilities: { "qwen2.5-coder:7b": { provider: vllm, preferred_models: ["qwen2.5-coder:7b"] } }',
    ],
    ['size:1', 'model_size_routing: [{ size: "< 8B", provider: ollama }]'],
    ['catalog', ''],
  ];
  for (const [index, [rule]] of rules.entries()) {
    await using guide = await gatewayOn(...rules.slice(index).map(([, text]) => text));
    expect((await guide.ask('qwen2.5-coder:7b')).rule).toBe(rule);
  }
  const chain = 'fallback_chains: { default: { chain: [{ primary: llama_cpp_native }] } }';
  await using byDefault = await gatewayOn('default_provider: llama_cpp_python', chain);
  expect(await told(byDefault, 'unheard-of')).toBe('llama_cpp_python llama-cpp-default default');
  await using byChain = await gatewayOn(chain);
  expect(await told(byChain, 'unheard-of')).toBe('llama_cpp_native tiny-1b chain:default:1');
  await using byNobody = await gatewayOn();
  expect(await byNobody.ask('lama3.1:8b')).toMatchObject({ status: 404, rule: null });
});
