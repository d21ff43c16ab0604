// What a decision was made from: kept once per change, without secrets, and read back equal.

import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ProviderSettings } from '../../gateway/config/settings.ts';
import type { DecisionBasis, History } from '../../gateway/history/history.ts';
import { isHeaderKept } from '../../gateway/history/kept-headers.ts';
import { openHistory } from '../../gateway/history/recorder.ts';
import { parseCondition } from '../../gateway/routing/condition-syntax.ts';
import type { Snapshot } from '../../gateway/types.ts';
import { exact, facts, fleet, model, provider, rules } from '../routing/worlds.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { decision, memoryLog, outcome, temporaryFolder } from './support.ts';

const limits = { retentionDays: 90, maxMb: 1_024 };
const HOUR_MS = 3_600_000;

let folder: ReturnType<typeof temporaryFolder>;
let clock: FakeClock;
let history: History;

function open(): History {
  return openHistory({ folder: folder.path, settings: limits, log: memoryLog(), clock, instance: 'test' });
}

beforeEach(() => {
  folder = temporaryFolder();
  clock = new FakeClock();
  history = open();
});

afterEach(async () => {
  await history.close();
  folder.remove();
});

const { settings } = rules({ exact: [exact('m', 'ollama')] });

function world(): Snapshot {
  const loaded = model('m', { loadedUntilMs: Number.POSITIVE_INFINITY, capabilities: new Set(['tools']) });
  return fleet(provider('ollama', { models: [loaded] }), provider('vllm', { models: ['x', 'y'] }));
}

function basis(changes: Partial<DecisionBasis> = {}): DecisionBasis {
  return { facts: facts({ model: 'qwen3:8b', client: 'openai-python' }), snapshot: world(), settings, ...changes };
}

function rows(table: string): number {
  const database = new Database(join(folder.path, 'history.db'), { readonly: true });
  try {
    return database.prepare<[], { count: number }>(`SELECT count(*) AS count FROM ${table}`).get()?.count ?? 0;
  } finally {
    database.close();
  }
}

describe('a request that can be decided again', () => {
  test('has its facts, snapshot and settings as they were', async () => {
    const asked = facts({
      model: 'qwen3:8b',
      client: 'openai-python',
      isStream: true,
      pin: 'vllm',
      capabilityHint: 'code',
      needs: ['vision', 'tools'],
      batchSize: 3,
      promptTokens: 1_234,
      maxTokens: 99,
      headers: { 'x-team': 'red "one"', 'user-agent': 'curl/8' },
      overrides: { ...facts().overrides, fallbacks: ['a', 'b'], isFallbackDisabled: true },
    });
    const snapshot = world();
    const one = outcome();
    history.record(one, basis({ facts: asked, snapshot }));
    const [kept] = await history.replayable(5);
    expect(kept?.facts).toEqual({ ...asked, id: one.id, receivedAtMs: one.receivedAtMs });
    expect(kept?.snapshot).toEqual(snapshot);
    expect(kept?.settings).toEqual({
      providers: settings.providers,
      routing: settings.routing,
      reliability: settings.reliability,
    });
    expect(kept?.blocked).toEqual([]);
  });

  test('has the load of the moment, though that goes on being counted', async () => {
    const load = { inFlight: 2, queued: 1 };
    history.record(outcome(), basis({ snapshot: fleet(provider('ollama', { load })) }));
    load.inFlight = 7;
    const [kept] = await history.replayable(5);
    expect(kept?.snapshot.providers.get('ollama')?.load).toEqual({ inFlight: 2, queued: 1 });
  });

  test('knows what live traffic had taken out', async () => {
    const [first] = decision.candidates;
    if (!first) throw new Error('the decision has candidates');
    const cooling = { ...first, kept: false, order: null, reason: 'cooling_down' as const };
    history.record(outcome({ decision: { ...decision, candidates: [cooling] } }), basis());
    const [kept] = await history.replayable(5);
    expect(kept?.blocked).toEqual([{ provider: 'ollama', model: 'qwen3:8b', reason: 'cooling_down' }]);
  });

  test('is one that was decided, the latest first, as many as asked for', async () => {
    const all = [outcome(), outcome(), outcome()];
    for (const one of all) history.record(one, basis());
    history.record(outcome({ decision: null }));
    expect((await history.replayable(2)).map((one) => one.facts.id)).toEqual([all[2]?.id, all[1]?.id]);
  });

  test('stays so over a restart', async () => {
    const one = outcome();
    history.record(one, basis());
    await history.close();
    history = open();
    const another = outcome();
    history.record(another, basis());
    expect((await history.replayable(5)).map((two) => two.facts.id)).toEqual([another.id, one.id]);
  });
});

describe('snapshots and settings', () => {
  test('are stored once per change, and lists of models once at all', async () => {
    const first = world();
    const providers = new Map(first.providers);
    const ollama = providers.get('ollama');
    if (ollama) providers.set('ollama', { ...ollama, observed: 'degraded' });
    const second: Snapshot = { ...first, version: 2, providers };
    for (const snapshot of [first, first, second, first]) {
      history.record(outcome(), basis({ snapshot }));
      await history.flush();
    }
    expect([rows('snapshots'), rows('model_lists'), rows('rule_sets')]).toEqual([2, 2, 1]);
    const kept = await history.replayable(5);
    expect(kept.map(({ snapshot }) => snapshot.version)).toEqual([1, 2, 1, 1]);
    // Shared objects: each is put together once.
    expect(kept[0]?.snapshot).toBe(kept[2]?.snapshot);
  });

  test('hold no keys and no headers of providers', async () => {
    const own = withSecrets('sk-very-secret');
    history.record(outcome(), basis({ settings: { ...settings, providers: new Map([['box', own]]) } }));
    const [kept] = await history.replayable(1);
    expect(kept?.settings.providers.get('box')).toEqual({ ...own, apiKey: null, headers: {} });
  });

  test('go after 48 hours, with the facts, and not before; requests stay', async () => {
    const one = outcome({ receivedAtMs: clock.now() });
    history.record(one, basis());
    await history.flush();
    clock.advance(47 * HOUR_MS);
    await history.retain();
    expect(await history.replayable(5)).toHaveLength(1);
    clock.advance(2 * HOUR_MS);
    // The hourly clean-ups that fell due meanwhile may answer for this one.
    await expect
      .poll(async () => {
        await history.retain();
        return [rows('snapshots'), rows('model_lists'), rows('rule_sets'), rows('facts')];
      })
      .toEqual([0, 0, 0, 0]);
    expect(await history.replayable(5)).toEqual([]);
    expect((await history.request(one.id))?.id).toBe(one.id);
    // A snapshot still in force is stored anew when it is named again.
    history.record(outcome({ receivedAtMs: clock.now() }), basis());
    expect(await history.replayable(5)).toHaveLength(1);
  });

  test('a database that was exchanged under us gets them again', async () => {
    const snapshot = world();
    history.record(outcome(), basis({ snapshot }));
    await history.close();
    history = open();
    history.record(outcome(), basis({ snapshot }));
    expect(await history.replayable(5)).toHaveLength(2);
  });
});

describe('headers', () => {
  const secrets = ['authorization', 'cookie', 'set-cookie', 'x-api-key', 'api-key', 'x-auth-token', 'x-client-secret'];

  test.each(secrets)('%s is never kept', async (name) => {
    const headers = { [name]: 'sk-very-secret', 'x-team': 'red' };
    history.record(outcome(), basis({ facts: facts({ headers }) }));
    const [kept] = await history.replayable(1);
    expect(kept?.facts.headers).toEqual({ 'x-team': 'red' });
  });

  test('that conditions cannot read are not kept', () => {
    for (const name of [...secrets, 'proxy-authorization', 'x-goog-api-key', 'subscription-key'])
      if (!parseCondition(`header.${name} == "x"`).ok) expect([name, isHeaderKept(name)]).toEqual([name, false]);
  });

  test('of several values the first is kept, and none that is long', async () => {
    const headers = { 'x-list': ['a', 'b'], 'x-long': 'x'.repeat(257), 'x-fits': 'x'.repeat(256) };
    history.record(outcome(), basis({ facts: facts({ headers }) }));
    const [kept] = await history.replayable(1);
    expect(kept?.facts.headers).toEqual({ 'x-list': 'a', 'x-fits': 'x'.repeat(256) });
  });
});

function withSecrets(secret: string): ProviderSettings {
  return {
    name: 'box',
    kind: 'vllm',
    vendor: null,
    baseUrl: 'http://127.0.0.1:1',
    place: 'local',
    apiKey: secret,
    headers: { 'x-key': secret },
    notCallableBecause: null,
    isEnabled: true,
    priority: 0,
    weight: 1,
    maxParallelRequests: null,
    maxQueue: 1,
    queueTimeoutMs: 1,
    caFile: null,
    isTlsInsecure: false,
    rpm: null,
    tpm: null,
    timeouts: { connectMs: null, firstByteMs: null, idleMs: null, totalMs: null },
    defaultModel: null,
    models: new Map(),
    probe: { schedule: null, intervalMs: 1, timeoutMs: 1, retries: 1 },
    keepWarm: [],
    isDiscovered: false,
    isNamedInFile: true,
    position: null,
  };
}
