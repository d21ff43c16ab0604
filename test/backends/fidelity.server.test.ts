import { afterAll, describe, expect, test } from 'vitest';
import { rawExchange } from '../support/raw-http.ts';
import type { Asked } from './core/asked.ts';
import type { ModelInput } from './core/models.ts';
import type { StandIn } from './core/server.ts';
import { shapeOfAnswer, shapeOfRecording, tokensOf } from './fidelity.ts';
import { startLlamaCppPython } from './llama-cpp-python.ts';
import { startLlamaRouter } from './llama-router.ts';
import { startLlamaServer } from './llama-server.ts';
import { startOllama } from './ollama.ts';
import { bodyOf, listRecordings, type Recording } from './recordings.ts';
import { startVllm } from './vllm.ts';

// The tiny models the recordings were made with.
const base = { parameters: 150_080, quantization: 'F16', family: 'llama', fileBytes: 314_971, embeddingLength: 64 };
const plain = { ...base, contextTrained: 2048, contextLoaded: 2048, capabilities: ['completion'] as const };

let tokens: readonly string[] = [];
const answer = (_asked: Asked) => tokens;
const started: StandIn[] = [];
const running = new Map<string, StandIn>();

afterAll(async () => {
  for (const server of started) await server.close();
});

async function serverFor(key: string, start: () => Promise<StandIn>): Promise<StandIn> {
  const known = running.get(key);
  if (known) return known;
  const server = await start();
  started.push(server);
  running.set(key, server);
  return server;
}

/** Sends what was recorded and compares what comes. */
async function compare(recording: Recording, server: StandIn): Promise<void> {
  tokens = tokensOf(recording);
  const { method, path, headers, body } = recording.request;
  const host =
    headers.Host === undefined || /^127\.0\.0\.1/.test(headers.Host) ? { Host: `127.0.0.1:${server.port}` } : {};
  const got = await rawExchange(server.port, { method, path, headers: { ...headers, ...host }, body });
  expect(shapeOfAnswer(got)).toEqual(shapeOfRecording(recording));
}

/** Exchanges whose outcome hangs on what else happened at the time; other tests are about those. */
const NEEDS_OTHERS =
  /queue-cold-[3-6]|evict-other-[34]|busy-slots-fail|kvfull-concurrent|loading-|sleep-|server-sig|runner-killed-mid-stream(-messages|-v1)?$|child-killed-mid|models-after-child-crash|concurrent|killed_|overload_503|frozen_|dev_stream_when|sse_keep_alive|-conversation-id|models-sse|unload|router-load-(already|while)|models-(loaded|loading|unloading|after)|ps-|evict-ps|busy-slots|router-slots$|is_paused_after|is_sleeping_level|slots-after|then-slots|slots-default|load_tracked_1|metrics-disabled|disconnect|startup|half-close/;

/** What no stand-in claims to do. */
const NOT_CLAIMED: readonly (readonly [pattern: RegExp, why: string])[] = [
  [/logprobs$|completion_echo|token_ids|truncate_prompt/, 'probabilities, echoes and token numbers'],
  [/chat_batch/, 'a route that no gateway uses'],
  [/slow-prefill-progress/, 'progress events (return_progress)'],
  [/n2-stream|stream_n2/, 'the order in which the choices of one stream take turns is chance'],
  [/tools_required/, 'what the random model made of a forced tool call'],
  [/stream_of_6|small_kv_preempted/, 'tokens that share an event when the machine is busy'],
  [/small_kv_metrics|dev_paused_metrics/, 'metrics that appear after the first tool call'],
];

const usable = (recording: Recording, extra: RegExp | null = null) =>
  recording.response.end === 'complete' &&
  !recording.response.isShortened &&
  !NEEDS_OTHERS.test(recording.name) &&
  !NOT_CLAIMED.some(([pattern]) => pattern.test(recording.name)) &&
  !(extra?.test(recording.name) ?? false);

const names = (server: string, extra: RegExp | null = null) =>
  listRecordings((recording) => recording.server === server && usable(recording, extra)).map(
    (recording) => [recording.name, recording] as const,
  );

describe('Ollama answers as recorded', () => {
  const models: readonly (ModelInput & { readonly name: string })[] = [
    { ...plain, name: 'tiny' },
    { ...plain, name: 'tiny-tools', capabilities: ['completion', 'tools'] },
    { ...plain, name: 'tiny-auto' },
    { ...plain, name: 'slow', parameters: 824_322_048, contextTrained: 8192, contextLoaded: 4096 },
    { ...plain, name: 'mid', parameters: 103_860_000, contextTrained: 8192, contextLoaded: 4096 },
  ];
  /** A list says its models in an order of its own. */
  const listed = (recording: Recording) => {
    const found = [...bodyOf(recording).matchAll(/"(?:name|id)":"([\w-]+):latest"/g)].map(([, name]) => name);
    return found.flatMap((name) => models.find((model) => model.name === name) ?? []);
  };
  test.each(names('ollama'))('%s', async (name, recording) => {
    const isList = /tags|v1-models$|cors-localhost/.test(name);
    const server = await serverFor(isList ? name : 'ollama', () =>
      startOllama({ models: isList ? listed(recording) : models, answer }),
    );
    await compare(recording, server);
  });
});

describe('llama-server answers as recorded', () => {
  const startFor = (recording: Recording) => {
    const { howStarted, name } = recording;
    const hasKey = howStarted.includes('--api-key');
    const isParallel = howStarted.includes('--parallel 2');
    const contextLoaded = Number(/ -c (\d+)/.exec(howStarted)?.[1] ?? 2048);
    const alias = /--alias (\S+)/.exec(howStarted)?.[1] ?? '<path>';
    const flags = {
      models: [{ ...plain, name: alias, contextLoaded }],
      answer,
      ...(isParallel ? { slots: 2 } : {}),
      hasMetrics: howStarted.includes('--metrics'),
      hasSlots: !howStarted.includes('--no-slots'),
      hasEmbeddings: howStarted.includes('--embeddings'),
      ...(hasKey ? { apiKey: 'sk-test' } : {}),
    };
    // Slots tell what they did last: a look at unused ones needs a server of its own.
    return serverFor(`${JSON.stringify(flags)}${/slots/.test(name) ? name : ''}`, () => startLlamaServer(flags));
  };
  const single = names('llama-server', /router-/);
  test.each(single)('%s', async (_name, recording) => {
    await compare(recording, await startFor(recording));
  });
});

describe('a router answers as recorded', () => {
  const routerNames = names('llama-server').filter(([name]) => name.includes('router-'));
  test.each(routerNames)('%s', async (name, recording) => {
    const models: ModelInput[] = [
      { ...plain, name: 'slow', contextLoaded: 2048 },
      { ...plain, name: 'tiny', contextLoaded: 2048 },
    ];
    const isFresh = /router-models(-no-v1)?$|router-load$|autoload-false|router-slots$/.test(name);
    const server = await serverFor(isFresh ? name : 'router', () => startLlamaRouter({ models, answer, maxModels: 1 }));
    await compare(recording, server);
  });
});

describe('llama-cpp-python answers as recorded', () => {
  test.each(names('llama-cpp-python', /openapi/))('%s', async (_name, recording) => {
    const { howStarted, name } = recording;
    const hasKey = howStarted.includes('--api_key');
    const flags = {
      models: [
        {
          ...plain,
          name: howStarted.includes('slow') ? 'slow-llama' : 'tiny-llama',
          contextLoaded: howStarted.includes('slow') ? 2048 : 1024,
        },
      ],
      answer,
      hasEmbeddings: howStarted.includes('--embedding'),
      hasAlias: !name.includes('noalias'),
      ...(hasKey ? { apiKey: 'sk-test' } : {}),
    };
    const server = await serverFor(`python ${JSON.stringify(flags)} ${name.includes('ping')}`, () =>
      startLlamaCppPython(flags),
    );
    await compare(recording, server);
  });
});

describe('vLLM answers as recorded', () => {
  test.each(names('vllm', /keepalive_idle/))('%s', async (_name, recording) => {
    // One command is noted for all of them, though there were several servers: the names tell.
    const hasAll = /\/(auth_|load_tracked|overload|request_id_|prompt_tokens_details)/.test(recording.name);
    const isDev = /\/(dev_|tools_)/.test(recording.name);
    const flags = {
      models: [{ ...plain, name: 'tiny-vllm', contextLoaded: 512 }],
      answer,
      echoesRequestId: hasAll,
      hasTokenDetails: hasAll,
      hasRequestMetrics: hasAll,
      hasToolParser: isDev,
      isDevMode: isDev,
      ...(hasAll ? { apiKey: 'sk-tiny' } : {}),
    };
    const server = await serverFor(`vllm ${JSON.stringify(flags)}`, () => startVllm(flags));
    await compare(recording, server);
  });
});
