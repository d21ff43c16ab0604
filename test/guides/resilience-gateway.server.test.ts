// What the guide "Routing Configuration" says of failures: its blocks in front of the four servers it speaks of.

import { describe, expect, test } from 'vitest';
import type { StandIn } from '../backends/core/server.ts';
import { startLlamaCppPython } from '../backends/llama-cpp-python.ts';
import { startLlamaServer } from '../backends/llama-server.ts';
import { startOllama } from '../backends/ollama.ts';
import { startVllm } from '../backends/vllm.ts';
import { whenReady } from '../faults/support.ts';
import { type Ask, generationsOf, type World, worldOn } from '../resilience/support.ts';
import { block, under } from './support.ts';

const SECOND = 1_000;
const CHAT = 'llama3.1:8b';
const CODE = 'qwen2.5-coder:7b';

/** A push of the clock must not look like a slow network. */
const PATIENT_PROBES = 'general_settings: { health_check_interval: 3600, health_check_timeout: 60 }';

type Four = World<'ollama' | 'vllm' | 'llama_cpp_python' | 'llama_cpp_native'>;

/** The four, each of which answers with its name, on these sections. */
async function four(...sections: readonly string[]): Promise<Four> {
  const ollamaModels = [CHAT, CODE];
  const servers = {
    ollama: await startOllama({ models: ollamaModels, warm: ollamaModels, answer: ['ollama'] }),
    vllm: await startVllm({ models: [CHAT, 'llama2-13b-vllm', 'meta-llama/Llama-2-7b-chat-hf'], answer: ['vllm'] }),
    llama_cpp_python: await startLlamaCppPython({ models: ['llama-cpp-default'], answer: ['llama_cpp_python'] }),
    llama_cpp_native: await startLlamaServer({ models: ['tiny-1b'], answer: ['llama_cpp_native'] }),
  };
  const probe = 'probe: { interval: 1h, timeout: 1m }, timeouts: { connect: 1m }';
  const entry = (name: string, kind: string, { url }: StandIn) =>
    `  ${name}: { kind: ${kind}, base_url: "${url}", ${probe} }`;
  const yaml = `providers:
${entry('ollama', 'ollama', servers.ollama)}
${entry('vllm', 'vllm', servers.vllm)}
${entry('llama_cpp_python', 'llama_cpp_python', servers.llama_cpp_python)}
${entry('llama_cpp_native', 'llama_cpp', servers.llama_cpp_native)}
`;
  return worldOn([yaml, ...sections].join('\n'), servers);
}

/** Asks one after the other, and says who answered each. */
async function answersOf(world: Four, asked: Ask, times: number): Promise<readonly (string | null)[]> {
  const all: (string | null)[] = [];
  for (let time = 0; time < times; time += 1) all.push((await world.askThroughTime(asked)).words);
  return all;
}

const toOllama = `exact_matches: { "${CHAT}": { provider: ollama, fallback: null } }`;

describe('fallback chains', () => {
  test('a pattern goes to its fallback when its provider fails', async () => {
    await using world = await four(
      `patterns: [{ pattern: "^meta-llama/.*", provider: vllm, fallback: llama_cpp_python }]`,
    );
    const asked: Ask = { model: 'meta-llama/Llama-2-7b-chat-hf' };
    expect(await answersOf(world, asked, 1)).toEqual(['vllm']);
    await world.servers.vllm.setFault('server_error');
    expect(await answersOf(world, asked, 1)).toEqual(['llama_cpp_python']);
    expect(
      world.gateway.lines.some((line) => line.includes('[ROUTER] Fallback triggered: vllm -> llama_cpp_python')),
    ).toBe(true);
  });

  test('the default chain: vLLM only for 13B and more, then Ollama, then llama-cpp-python', async () => {
    const rules = `exact_matches: { "${CHAT}": { provider: llama_cpp_native }, "llama2-13b-vllm": { provider: llama_cpp_native } }`;
    await using world = await four(rules, block('routing-configuration-18'));
    await world.servers.llama_cpp_native.setFault('server_error');
    expect(await answersOf(world, { model: 'llama2-13b-vllm' }, 1)).toEqual(['vllm']);
    // 8B is not enough for the first link.
    expect(await answersOf(world, { model: CHAT }, 1)).toEqual(['ollama']);
    await world.servers.ollama.setFault('server_error');
    expect(await answersOf(world, { model: CHAT }, 1)).toEqual(['llama_cpp_python']);
    expect(world.asked('vllm')).toBe(1);
  });

  test('the chain of a capability: llama-cpp-python once Ollama is unavailable', async () => {
    const capability = `capabilities: { code_generation: { preferred_models: ["${CODE}"], provider: ollama } }`;
    await using world = await four(capability, under('fallback_chains', 'routing-configuration-19'));
    const asked: Ask = { model: 'auto', headers: { 'x-capability': 'code_generation' } };
    expect(await answersOf(world, asked, 1)).toEqual(['ollama']);
    await world.servers.ollama.setFault('server_error');
    expect(await answersOf(world, asked, 1)).toEqual(['llama_cpp_python']);
    await world.servers.ollama.close();
    expect(await answersOf(world, asked, 2)).toEqual(['llama_cpp_python', 'llama_cpp_python']);
  });

  test('when everybody has failed the client is told of each, and who failed cools down', async () => {
    await using world = await four(toOllama, block('routing-configuration-18'), 'router_settings: { num_retries: 0 }');
    for (const name of ['ollama', 'llama_cpp_python'] as const) await world.servers[name].setFault('server_error');
    for (let time = 0; time < 3; time += 1) {
      const seen = await world.askThroughTime({ model: CHAT });
      expect(seen.status).toBe(502);
      for (const name of ['ollama', 'llama_cpp_python']) expect(seen.answer.text).toContain(`${name}/`);
    }
    const reasons = await world.reasonsOf(await world.ask({ model: CHAT }));
    expect(Object.values(reasons)).toContain('cooling_down');
  });
});

test('redundant models: when one of two fails, the other has its share too', async () => {
  const redundant = `redundant_models:\n  "${CHAT}": { providers: [{ provider: ollama, weight: 0.7 }, { provider: vllm, weight: 0.3 }] }`;
  await using world = await four(redundant);
  const shares = await answersOf(world, { model: CHAT }, 10);
  expect(shares.filter((name) => name === 'ollama')).toHaveLength(7);
  await world.servers.ollama.setFault('server_error');
  expect(new Set(await answersOf(world, { model: CHAT }, 10))).toEqual(new Set(['vllm']));
});

test('rate-limited fallback: a 429 starts the fallback at once, and the provider is asked again after sixty seconds', async () => {
  const rules = `exact_matches: { "${CHAT}": { provider: ollama, fallback: vllm } }`;
  await using world = await four(rules, block('routing-configuration-24'));
  await world.servers.ollama.setFault({ kind: 'rate_limited', times: 1, retryAfter: '' });
  const asked: Ask = { model: CHAT };
  for (let time = 0; time < 3; time += 1) expect((await world.ask(asked)).words).toBe('vllm');
  expect(generationsOf(world.servers.ollama)).toBe(1);
  expect(world.clock.aheadMs).toBe(0);
  world.clock.advance(58 * SECOND);
  expect(await answersOf(world, asked, 1)).toEqual(['vllm']);
  world.clock.advance(3 * SECOND);
  expect(await answersOf(world, asked, 1)).toEqual(['ollama']);
});

test('error-based routing: more than three errors halve the share of a provider for five minutes', async () => {
  const redundant = `redundant_models:\n  "${CHAT}": { providers: [{ provider: ollama, weight: 0.5 }, { provider: vllm, weight: 0.5 }] }`;
  await using world = await four(
    redundant,
    block('routing-configuration-25'),
    'router_settings: { disable_cooldowns: true }',
  );
  const share = async (times: number) =>
    (await answersOf(world, { model: CHAT }, times)).filter((name) => name === 'ollama').length;
  expect(await share(20)).toBe(10);
  await world.servers.ollama.setFault({ kind: 'server_error', times: 4 });
  await answersOf(world, { model: CHAT }, 8);
  expect(await share(30)).toBe(10);
  world.clock.advance(301 * SECOND);
  expect(await share(20)).toBe(10);
});

test('cold start: a warm provider goes first while the model has answered nothing yet', async () => {
  const redundant = `redundant_models:\n  "${CHAT}": { providers: [{ provider: ollama, weight: 1 }, { provider: vllm, weight: 0 }] }`;
  const ollama = await startOllama({ models: [CHAT], answer: ['ollama'] });
  const vllm = await startVllm({ models: [CHAT], answer: ['vllm'] });
  const yaml = `providers:
  ollama: { kind: ollama, base_url: "${ollama.url}" }
  vllm: { kind: vllm, base_url: "${vllm.url}" }
${redundant}
${block('routing-configuration-23')}`;
  await using world = await worldOn(yaml, { ollama, vllm });
  expect((await world.ask({ model: CHAT })).words).toBe('vllm');
  expect((await world.ask({ model: CHAT })).words).toBe('ollama');
});

test('the complete configuration: fallbacks of the named models, in front of servers of which one is gone', async () => {
  const names = `model_list:
  - { model_name: "${CHAT}", litellm_params: { model: "ollama/${CHAT}", api_base: OLLAMA } }
  - { model_name: llama3.1-backup, litellm_params: { model: "hosted_vllm/${CHAT}", api_base: VLLM } }
  - { model_name: llama-cpp-python, litellm_params: { model: openai/llama-cpp-default, api_base: PYTHON } }
`;
  const withoutRedis = block('routing-configuration-26').replace(/^ *redis_.*$/gm, '');
  const ollama = await startOllama({ models: [CHAT], warm: [CHAT], answer: ['ollama'] });
  const vllm = await startVllm({ models: [CHAT], answer: ['vllm'] });
  const python = await startLlamaCppPython({ models: ['llama-cpp-default'], answer: ['python'] });
  const list = names
    .replace('OLLAMA', `"${ollama.url}"`)
    .replace('VLLM', `"${vllm.url}"`)
    .replace('PYTHON', `"${python.url}"`);
  await using world = await worldOn(`${withoutRedis}\n${list}\n${PATIENT_PROBES}`, { ollama, vllm, python });
  const asked: Ask = { model: CHAT };
  expect((await world.askThroughTime(asked)).words).toBe('ollama');
  await ollama.close();
  expect((await world.askThroughTime(asked)).words).toBe('vllm');
  await vllm.setFault('overloaded');
  expect((await world.askThroughTime(asked)).words).toBe('python');
  await vllm.setFault(null);
  await using again = await startOllama({ models: [CHAT], warm: [CHAT], answer: ['ollama again'], port: ollama.port });
  world.clock.advance(61 * SECOND);
  await whenReady(world.gateway, 'ollama');
  expect((await world.askThroughTime(asked)).words).toBe('ollama again');
  expect(generationsOf(again)).toBe(1);
});
