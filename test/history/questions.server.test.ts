// What the window asks of requests, against the same question put to the plain list of what was recorded; and that no question
// reads more than it needs.

import { join } from 'node:path';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AdminRequestFilter } from '../../gateway/contract.ts';
import type { History } from '../../gateway/history/history.ts';
import { openHistory } from '../../gateway/history/recorder.ts';
import { WindowAnswers } from '../../gateway/history/window-answers.ts';
import type { Outcome, OutcomeResult } from '../../gateway/types.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { memoryLog, outcome, temporaryFolder, upToDate } from './support.ts';

const minuteMs = 60_000;
const startMs = Date.UTC(2026, 0, 1);

let folder: ReturnType<typeof temporaryFolder>;
let clock: FakeClock;
let history: History;

beforeEach(() => {
  folder = temporaryFolder();
  clock = new FakeClock(startMs);
  history = open();
});

afterEach(async () => {
  await history.close();
  folder.remove();
});

function open(): History {
  const settings = { retentionDays: 90, maxMb: 1_024 };
  return openHistory({ folder: folder.path, settings, log: memoryLog(), clock, instance: 'first' });
}

const results: readonly OutcomeResult[] = ['complete', 'complete', 'complete', 'failed', 'cancelled', 'rejected'];

/** Alike every 60th: providers, models, clients and results in all combinations. */
function varied(index: number): Outcome {
  const result = results[index % results.length] ?? 'complete';
  const isAnswered = result === 'complete' || result === 'cancelled';
  return outcome({
    receivedAtMs: startMs + index * 1_000,
    provider: isAnswered ? (['ollama', 'vllm'][index % 2] ?? null) : null,
    model: isAnswered ? (['qwen3:8b', 'Llama_3', 'phi%4'][index % 3] ?? null) : null,
    requestedModel: ['fast', 'Llama_3', 'phi%4'][index % 3] ?? null,
    client: ['curl', 'python', '=cmd()', 'zed', 'pi'][index % 5] ?? '',
    variant: index % 10 === 0 ? 'B' : null,
    result,
    errorMessage: isAnswered ? null : `line ${index} was cut`,
  });
}

function finds(
  { fromMs = 0, toMs = Number.POSITIVE_INFINITY, text, ...filter }: AdminRequestFilter,
  one: Outcome,
): boolean {
  const { provider, model, result, client, variant } = filter;
  const texts = [one.id, one.errorCode, one.errorMessage, one.model, one.requestedModel];
  return (
    one.receivedAtMs >= fromMs &&
    one.receivedAtMs < toMs &&
    (provider === undefined || one.provider === provider) &&
    (model === undefined || (one.model ?? one.requestedModel) === model) &&
    (result === undefined || one.result === result) &&
    (client === undefined || one.client === client) &&
    (variant === undefined || one.variant === variant) &&
    (text === undefined || texts.some((part) => part?.toLowerCase().includes(text.toLowerCase())))
  );
}

describe('pages of requests', () => {
  const filter: fc.Arbitrary<AdminRequestFilter> = fc.record(
    {
      fromMs: fc.integer({ min: startMs, max: startMs + 1_000_000 }),
      toMs: fc.integer({ min: startMs, max: startMs + 3_500_000 }),
      provider: fc.constantFrom('ollama', 'vllm', 'nobody'),
      model: fc.constantFrom('qwen3:8b', 'Llama_3', 'fast'),
      result: fc.constantFrom<OutcomeResult>('complete', 'failed', 'rejected'),
      client: fc.constantFrom('curl', 'zed'),
      variant: fc.constant('B'),
      text: fc.constantFrom('llama_', 'PHI%', 'line 12', 'cut', 'nowhere'),
    },
    { requiredKeys: [] },
  );

  test('are, one after the other, what the filter finds, newest first', async () => {
    const recorded = Array.from({ length: 3_000 }, (_, index) => varied(index));
    for (const one of recorded) history.record(one);
    await history.flush();
    await fc.assert(
      fc.asyncProperty(filter, fc.integer({ min: 50, max: 500 }), async (wanted, limit) => {
        const expected = recorded.filter((one) => finds(wanted, one)).map(({ id }) => id);
        const found: string[] = [];
        let cursor: string | undefined;
        do {
          const page = await history.requestPage(wanted, limit, cursor);
          found.push(...page.requests.map(({ id }) => id));
          if (cursor === undefined && page.isCountExact) expect(page.count).toBe(expected.length);
          cursor = page.nextCursor ?? undefined;
        } while (cursor !== undefined);
        expect(found).toEqual(expected.reverse());
      }),
      { numRuns: 40 },
    );
  });

  test('a page has whole requests, but for their decisions', async () => {
    const recorded = varied(0);
    history.record(recorded);
    const { decision, ...listed } = recorded;
    const page = await history.requestPage({}, 10);
    expect(page).toEqual({
      ...{ requests: [listed], nextCursor: null, isFull: true, searchedToMs: null, count: 1, isCountExact: true },
    });
  });

  test('requests of the same millisecond are each on one page', async () => {
    for (let index = 0; index < 30; index++) history.record(outcome({ receivedAtMs: startMs }));
    const ids = new Set<string>();
    let cursor: string | undefined;
    for (let page = 0; page < 6; page++) {
      const answer = await history.requestPage({}, 5, cursor);
      for (const { id } of answer.requests) ids.add(id);
      cursor = answer.nextCursor ?? undefined;
    }
    expect([ids.size, cursor]).toEqual([30, undefined]);
  });

  test('an id as text finds its request at once, and a made-up cursor nothing', async () => {
    const [one, other] = [outcome(), outcome()];
    for (const recorded of [one, other]) history.record(recorded);
    expect((await history.requestPage({ text: one.id }, 5)).requests.map(({ id }) => id)).toEqual([one.id]);
    expect((await history.requestPage({ text: one.id, client: 'somebody else' }, 5)).requests).toEqual([]);
    expect((await history.requestPage({}, 5, 'drop table')).requests).toEqual([]);
  });
});

describe('an export', () => {
  test('has each request once, as lines of JSON', async () => {
    const recorded = Array.from({ length: 700 }, (_, index) => varied(index));
    for (const one of recorded) history.record(one);
    const parts: string[] = [];
    for await (const part of history.exportRequests({ result: 'complete' }, 'ndjson')) parts.push(part);
    expect(parts.length).toBeGreaterThan(1);
    const ids = parts
      .join('')
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as Outcome).id);
    expect(ids).toEqual(
      recorded
        .filter(({ result }) => result === 'complete')
        .map(({ id }) => id)
        .reverse(),
    );
  });

  test('as a table has the names of its columns once, and no cell that a spreadsheet would run', async () => {
    history.record(outcome({ client: '=cmd()', errorMessage: 'he said "no",\nand left' }));
    let text = '';
    for await (const part of history.exportRequests({}, 'csv')) text += part;
    const [header, ...rest] = text.split('\r\n');
    expect(header).toMatch(/^time,id,client,/);
    expect(rest.join('\r\n')).toContain(`,'=cmd(),`);
    expect(rest.join('\r\n')).toContain('"he said ""no"",\nand left"');
  });
});

describe('sums over time', () => {
  test('percentiles are within one percent of those of the requests themselves, and a total is no average of buckets', async () => {
    // Each of 20 to 2,019 once, in a mixed order.
    const durations = Array.from({ length: 2_000 }, (_, index) => 20 + ((index * 7_919) % 2_000));
    for (const [index, durationMs] of durations.entries()) {
      history.record(outcome({ receivedAtMs: startMs + index * 20_000, durationMs, firstContentMs: 10 }));
    }
    clock.advance(12 * 60 * minuteMs);
    const range = { fromMs: startMs, toMs: startMs + 12 * 60 * minuteMs };
    const { total, buckets, ...series } = await upToDate(() =>
      history.series({ ...range, metric: 'durationMs', buckets: 6 }),
    );
    expect(series).toEqual({ isUpToDate: true, metric: 'durationMs', ...range, bucketMs: 120 * minuteMs });
    const sorted = durations.toSorted((a, b) => a - b);
    for (const [share, found] of [
      [0.5, total.p50],
      [0.95, total.p95],
      [0.99, total.p99],
    ] as const) {
      const exact = sorted[Math.ceil(share * 2_000) - 1] ?? 0;
      expect(Math.abs((found ?? 0) / exact - 1)).toBeLessThan(0.011);
    }
    expect(buckets.map(({ count }) => count)).toEqual([360, 360, 360, 360, 360, 200]);
  });

  test('warm and cold first contents are measured apart, and tokens after the first', async () => {
    const [refused, answered] = outcome().attempts;
    const warm = { attempts: [{ ...(answered ?? refused), isCold: false }] } as Partial<Outcome>;
    history.record(outcome({ receivedAtMs: startMs, firstContentMs: 4_000, durationMs: 5_000 }));
    history.record(outcome({ receivedAtMs: startMs, firstContentMs: 40, durationMs: 830, ...warm }));
    history.record(outcome({ receivedAtMs: startMs, firstContentMs: 40, durationMs: 830, result: 'broken', ...warm }));
    clock.advance(minuteMs);
    const total = async (metric: 'firstContentWarmMs' | 'firstContentColdMs' | 'tokensPerSecond') =>
      (await upToDate(() => history.series({ fromMs: startMs, toMs: startMs + minuteMs, metric, buckets: 1 }))).total;
    expect(await total('firstContentWarmMs')).toMatchObject({ count: 1, p50: expect.closeTo(40, 0) });
    expect((await total('firstContentColdMs')).p50).toBeCloseTo(4_000, -2);
    // 79 tokens after the first, in 790 ms and in 1,000 ms.
    expect(await total('tokensPerSecond')).toMatchObject({ count: 2, p50: expect.closeTo(79, -1) });
  });

  test('usage is what the requests add up to', async () => {
    for (let index = 0; index < 600; index++) history.record(varied(index));
    clock.advance(600_000);
    const range = { fromMs: startMs, toMs: startMs + 600_000 };
    expect((await upToDate(() => history.series({ ...range, metric: 'durationMs', buckets: 1 }))).total.count).toBe(
      300,
    );
    const of = async (by: 'provider' | 'model' | 'client') =>
      Object.fromEntries((await upToDate(() => history.usage(by, range))).rows.map((row) => [row.name, row.requests]));
    // Who failed is counted for the last that was asked.
    expect(await of('provider')).toEqual({ ollama: 500, vllm: 100 });
    expect(await of('client')).toEqual({ curl: 120, python: 120, '=cmd()': 120, zed: 120, pi: 120 });
    const [first] = (await upToDate(() => history.usage('provider', range))).rows;
    expect(first).toMatchObject({ name: 'ollama', complete: 200, promptTokens: 500 * 12, details: { failed: 100 } });
    expect((await upToDate(() => history.usage('model', range))).rows[0]?.details?.rejected).toBe(100);
  });
});

test('no question reads the whole of a long table', async () => {
  for (let index = 0; index < 50; index++) history.record(varied(index));
  history.recordBeat({ atMs: startMs, provider: 'ollama', isOk: true, latencyMs: 1, observed: 'ready', cause: null });
  await history.flush();
  await history.close();
  const asked = new Set<string>();
  const verbose = (sql: unknown): void => void asked.add(String(sql));
  const database = new Database(join(folder.path, 'history.db'), { verbose });
  const answers = new WindowAnswers(database, () => []);
  const range = { fromMs: startMs, toMs: startMs + 40 * 86_400_000 };
  const one = { provider: 'ollama', model: 'qwen3:8b', client: 'curl', variant: 'B', result: 'failed' } as const;
  const filters: AdminRequestFilter[] = [
    {},
    range,
    { text: 'llama' },
    { result: 'complete' },
    { ...one, text: 'x', ...range },
  ];
  for (const [key, value] of Object.entries(one)) filters.push({ [key]: value }, { [key]: value, text: 'x' });
  for (const filter of filters) answers.answer({ about: 'page', filter, limit: 5, cursor: null });
  for (const length of [minuteMs, 86_400_000, 40 * 86_400_000]) {
    const part = { fromMs: startMs, toMs: startMs + length };
    answers.answer({ about: 'health', question: { ...part, buckets: 20 } });
    answers.answer({ about: 'series', question: { ...part, metric: 'durationMs', buckets: 20 } });
    for (const by of ['provider', 'client'] as const) answers.answer({ about: 'usage', by, range: part });
  }
  for (const about of ['beats', 'incidents', 'events'] as const) {
    answers.answer({ about, question: { ...range, limit: 5 } });
    answers.answer({ about, question: { ...range, provider: 'ollama', limit: 5 } });
  }
  answers.answer({ about: 'hardware', range, points: 5 });
  const isLong =
    /SCAN (requests|attempts|beats|transitions|events|hardware|request_rollups|health_rollups|client_rollups)\b/;
  const plans: [string, string][] = [];
  for (const sql of [...asked].filter((text) => text.startsWith('SELECT') && !/\bInf\b/.test(text))) {
    const rows = database.prepare<[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all();
    for (const { detail } of rows) if (isLong.test(detail)) plans.push([sql, detail]);
  }
  database.close();
  expect(asked.size).toBeGreaterThan(60);
  expect(plans).toEqual([]);
});
