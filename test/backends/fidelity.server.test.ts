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
import { listRecordings, type Recording } from './recordings.ts';
import { startVllm } from './vllm.ts';

// The tiny models the recordings were made with.
const base = { parameters: 150_080, quantization: 'F16', family: 'llama', fileBytes: 314_971, embeddingLength: 64 };
const plain = { ...base, contextTrained: 2048, contextLoaded: 2048, capabilities: ['completion'] as const };
const tiny: ModelInput = { ...plain, name: 'tiny' };

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
  /queue-cold-[3-6]|evict-other-[34]|busy-slots-fail|kvfull-concurrent|loading-|sleep-|server-sig|runner-killed-mid-stream(-messages|-v1)?$|child-killed-mid|models-after-child-crash|concurrent|killed_|overload_503|frozen_|dev_stream_when|sse_keep_alive|-conversation-id|models-sse|unload|router-load-(already|while)|models-(loaded|loading|unloading|after)|ps-|evict-ps|busy-slots|slots-after|then-slots|slots-default|load_tracked_1|metrics-disabled|disconnect|startup|half-close/;

const usable = (recording: Recording, extra: RegExp | null = null) =>
  recording.response.end === 'complete' &&
  !recording.response.isShortened &&
  !NEEDS_OTHERS.test(recording.name) &&
  !(extra?.test(recording.name) ?? false);

const names = (server: string, extra: RegExp | null = null) =>
  listRecordings((recording) => recording.server === server && usable(recording, extra)).map(
    (recording) => [recording.name, recording] as const,
  );

describe('Ollama answers as recorded', () => {
  const models: ModelInput[] = [
    tiny,
    { ...plain, name: 'tiny-tools', capabilities: ['completion', 'tools'] },
    { ...plain, name: 'tiny-auto' },
    { ...plain, name: 'slow', contextTrained: 8192, contextLoaded: 4096 },
    { ...plain, name: 'mid', contextTrained: 8192, contextLoaded: 4096 },
  ];
  test.each(names('ollama'))('%s', async (_name, recording) => {
    const server = await serverFor('ollama', () => startOllama({ models, answer }));
    await compare(recording, server);
  });
});

describe('llama-server answers as recorded', () => {
  const startFor = (recording: Recording) => {
    const { howStarted, name } = recording;
    const hasKey = howStarted.includes('--api-key');
    const flags = {
      models: [{ ...plain, name: howStarted.includes('slow') ? 'slow-llama' : 'tiny-llama' }],
      answer,
      slots: 2,
      hasMetrics: howStarted.includes('--metrics'),
      hasSlots: !howStarted.includes('--no-slots'),
      hasEmbeddings: howStarted.includes('--embeddings'),
      ...(hasKey ? { apiKey: 'sk-test' } : {}),
    };
    return serverFor(`${JSON.stringify(flags)}${name.includes('/key-')}`, () => startLlamaServer(flags));
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
    const isFresh = /router-models(-no-v1)?$|router-load$|autoload-false/.test(name);
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
      hasAlias: howStarted.includes('--model_alias'),
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
    const { howStarted } = recording;
    const flags = {
      models: [{ ...plain, name: 'tiny-vllm', contextLoaded: 512 }],
      answer,
      echoesRequestId: howStarted.includes('--enable-request-id-headers'),
      hasToolParser: howStarted.includes('--tool-call-parser'),
      hasTokenDetails: howStarted.includes('--enable-prompt-tokens-details'),
      isDevMode: howStarted.includes('DEV_MODE'),
      ...(howStarted.includes('--api-key') ? { apiKey: 'sk-tiny' } : {}),
    };
    const server = await serverFor(`vllm ${JSON.stringify(flags)}`, () => startVllm(flags));
    await compare(recording, server);
  });
});
