// A model that takes minutes to load is waited for: the clock is moved by hand, the connection is real.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { expect, test } from 'vitest';
import { defaultProvider } from '../../gateway/config/defaults.ts';
import type { ProviderSettings } from '../../gateway/config/settings.ts';
import { startAttempt } from '../../gateway/dispatch/attempt.ts';
import type { AttemptInput } from '../../gateway/dispatch/attempt-contract.ts';
import { ClientReply } from '../../gateway/dispatch/exchange.ts';
import { HeldBytes } from '../../gateway/dispatch/held-bytes.ts';
import { defaultDispatchLimits } from '../../gateway/dispatch/limits.ts';
import { attemptLimits } from '../../gateway/dispatch/time-limits.ts';
import { UpstreamPools } from '../../gateway/dispatch/upstream-pools.ts';
import { adapters } from '../../gateway/providers/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { readStream } from '../support/http.ts';
import { type Provider, type Script, startProvider, type Turn } from './provider.ts';
import { events, healthy, requestFor } from './support.ts';

function settingsOf({ url }: Provider): ProviderSettings {
  return {
    ...defaultProvider,
    name: 'p1',
    kind: 'ollama',
    vendor: null,
    baseUrl: url,
    place: 'local',
    apiKey: null,
    headers: {},
    notCallableBecause: null,
    isEnabled: true,
    maxParallelRequests: null,
    caFile: null,
    isTlsInsecure: false,
    rpm: null,
    tpm: null,
    timeouts: { connectMs: null, firstByteMs: null, idleMs: null, totalMs: null },
    defaultModel: null,
    models: new Map(),
    probe: { schedule: null, intervalMs: 15_000, timeoutMs: 2_000, retries: 2 },
    keepWarm: [],
    isDiscovered: false,
    isNamedInFile: true,
    position: null,
  };
}

/** One attempt at a cold model, another candidate being left to ask, in front of a real client. */
async function coldAttempt(script: Script, isStream: boolean) {
  const clock = new FakeClock(0);
  const pools = new UpstreamPools();
  const asked = Promise.withResolvers<Turn>();
  const provider = await startProvider((turn) => asked.resolve(turn), { kind: 'ollama' });
  const settings = settingsOf(provider);
  const front = createServer().listen(0, '127.0.0.1');
  await once(front, 'listening');
  const address = front.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const answer = readStream(`http://127.0.0.1:${port}/`, { body: '{}' });
  const [, response] = await once(front, 'request');
  const input: AttemptInput = {
    endpoint: 'chat',
    isStream,
    provider: settings,
    adapter: adapters.ollama,
    path: '/v1/chat/completions',
    requestHeaders: ['content-type', 'application/json'],
    body: Buffer.from(JSON.stringify(requestFor('chat', isStream))),
    limits: attemptLimits(
      [settings.timeouts],
      null,
      {
        isStream,
        isGenerating: true,
        loadsOnDemand: true,
        isLoaded: false,
        promptTokens: 10,
        maxTokens: 16,
        learned: null,
        hasUntriedCandidate: true,
      },
      adapters.ollama.defaultIdleMs(false),
    ),
    mustEncodeEmbeddings: false,
    reply: new ClientReply(response),
    replyHead: () => ({ headers: [], comment: null }),
    onCommit: () => undefined,
    mask: (text) => text,
    streamError: () => '',
  };
  const held = new HeldBytes(1_000_000);
  const attempt = startAttempt({ clock, pools, held, dispatchLimits: defaultDispatchLimits }, input);
  const turn = await asked.promise;
  return {
    clock,
    attempt,
    held,
    answer,
    isRunning: () => provider.hasRunning,
    load: () => script(turn),
    stop: async () => {
      response.destroy();
      await answer.catch(() => undefined);
      await pools.close();
      await provider.close();
      front.close();
    },
  };
}

test.each([true, false])('a cold load of 130 s is not aborted (stream: %s)', async (isStream) => {
  const world = await coldAttempt(healthy('chat', 'loaded'), isStream);
  for (let waitedMs = 0; waitedMs < 130_000; waitedMs += 1_000) world.clock.advance(1_000);
  // Requests and answers of the real connection have had their turn: it is still held.
  expect(world.isRunning()).toBe(true);
  await world.load();
  const result = await world.attempt.result;
  expect(result).toMatchObject({ ended: 'complete', failure: null, status: 200 });
  expect(result.contentAfterMs).toBeGreaterThanOrEqual(130_000);
  expect((await world.answer).text).toContain('loaded');
  expect([world.clock.pending, world.held.held]).toEqual([0, 0]);
  await world.stop();
});

test('one that never ends is left after its limit, by name, and the provider is told at once', async () => {
  const world = await coldAttempt(events(), true);
  world.clock.advance(329_000);
  expect(world.isRunning()).toBe(true);
  world.clock.advance(2_000);
  const result = await world.attempt.result;
  expect(result).toMatchObject({ ended: 'failed', failure: { kind: 'timeout_first_byte' } });
  await expect.poll(world.isRunning).toBe(false);
  expect([world.clock.pending, world.held.held]).toEqual([0, 0]);
  await world.stop();
});
