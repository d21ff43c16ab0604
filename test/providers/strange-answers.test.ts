// Whatever a server answers, a probe and a fingerprint end with findings: never with an exception.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fingerprint } from '../../gateway/providers/fingerprint.ts';
import { adapters } from '../../gateway/providers/index.ts';
import { type ProbeAnswer, ProbeError, type ProviderAdapter } from '../../gateway/providers/provider.ts';
import type { ModelFacts } from '../../gateway/types.ts';
import { answer, fakeServer, parsed, quiet, type Reply, recorded, timedOut } from './recordings.ts';

const adapterList = Object.values(adapters) as ProviderAdapter[];

/** Documents that servers really send, to be spoilt. */
const documents = [
  'ollama/version',
  'ollama/tags',
  'ollama/ps-loaded',
  'ollama/show',
  'vllm/models',
  'llama-server/models',
  'llama-server/props',
  'llama-server/router-models-loaded',
  'llama-server/router-props',
  'llama-server/busy-slots',
  'llama-cpp-python/models',
].map((name) => parsed(recorded(name).text));

/** The document with any of its values replaced by something of another type. */
function spoil(value: unknown, pick: () => unknown, isHit: () => boolean): unknown {
  if (isHit()) return pick();
  if (Array.isArray(value)) return value.map((entry) => spoil(entry, pick, isHit));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, spoil(entry, pick, isHit)]));
}

const oddValue = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom<unknown>(null, 0, -1, 1e308, '', '__proto__', {}, [], [null], '9'.repeat(600), { toString: 1 }, true),
);
const spoiltDocument = fc
  .record({
    document: fc.constantFrom(...documents),
    odd: fc.array(oddValue, { minLength: 1, maxLength: 8 }),
    hits: fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 200 }),
  })
  .map(({ document, odd, hits }) => {
    let at = 0;
    const isHit = () => hits[at++ % hits.length] === 0;
    return spoil(document, () => odd[at % odd.length], isHit);
  });
const page = fc.constantFrom(
  '',
  '<html><title>x',
  'Ollama is running',
  '\u0000\ud800',
  'data: x',
  'vllm:num_requests_running{ 1',
);
const reply: fc.Arbitrary<Reply> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(
        fc.constantFrom(200, 200, 200, 204, 301, 401, 403, 404, 500, 503),
        fc.oneof(spoiltDocument, fc.jsonValue()),
      )
      .map(([status, body]) => answer(status, JSON.stringify(body) ?? '')),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.integer({ min: 100, max: 999 }), page).map(([status, text]) => answer(status, text)),
  },
  { weight: 1, arbitrary: fc.constant(timedOut) },
);
const paths = [
  '/health',
  '/v1/models',
  '/props',
  '/slots',
  '/metrics',
  '/openapi.json',
  '/api/version',
  '/api/tags',
  '/api/ps',
  '/health/readiness',
  '/',
];
const server = fc.record({
  replies: fc.array(reply, { minLength: paths.length, maxLength: paths.length }),
  otherwise: reply,
});

function expectFacts(facts: ModelFacts): void {
  expect(facts.id.length).toBeGreaterThan(0);
  expect(facts.id.length).toBeLessThanOrEqual(512);
  const numbers = [
    facts.size,
    facts.activeSize,
    facts.contextTrained,
    facts.contextLoaded,
    facts.fileBytes,
    facts.vramBytes,
  ];
  for (const number of numbers) expect(number === null || (Number.isFinite(number) && number >= 0)).toBe(true);
  for (const text of [facts.quantization, facts.family, facts.digest, facts.remoteHost]) {
    expect(text === null || typeof text === 'string').toBe(true);
  }
  expect(facts.loadedUntilMs === null || !Number.isNaN(facts.loadedUntilMs)).toBe(true);
  expect([true, false, null]).toContain(facts.isLoaded);
  expect(facts.aliases.every((alias) => typeof alias === 'string')).toBe(true);
}

test('a probe of anything that answers ends with findings, or passes on its silence', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...adapterList), server, fc.boolean(), async (adapter, given, isFirst) => {
      const replies = Object.fromEntries(paths.map((path, at) => [path, given.replies[at] ?? timedOut]));
      const client = fakeServer(replies, given.otherwise);
      try {
        const findings = await adapter.probe(client, { ...quiet, isFirst, inFlight: isFirst ? 0 : 1 }, null);
        for (const facts of findings.models ?? []) expectFacts(facts);
        for (const count of [findings.slots, findings.busy?.running ?? 0, findings.busy?.waiting ?? 0]) {
          expect(count === null || (Number.isFinite(count) && count >= 0)).toBe(true);
        }
        // What it found is what the next probe is given.
        await adapter.probe(fakeServer(replies, given.otherwise), quiet, findings);
      } catch (error) {
        expect(error).toBeInstanceOf(ProbeError);
      }
    }),
    { numRuns: 300 },
  );
});

test('a fingerprint of anything that answers is one or none', async () => {
  await fc.assert(
    fc.asyncProperty(server, fc.integer({ min: 1, max: 65_535 }), async (given, port) => {
      const replies = Object.fromEntries(paths.map((path, at) => [path, given.replies[at] ?? timedOut]));
      const client = fakeServer(replies, given.otherwise);
      const print = await fingerprint((path) => client.get(path), port);
      expect(print === null || 'kind' in print || 'notOurs' in print).toBe(true);
    }),
    { numRuns: 200 },
  );
});

test.each(adapterList.map((adapter) => [adapter.kind, adapter] as const))(
  'a list of 50,000 models does not hold %s up',
  async (_kind, adapter) => {
    const data = Array.from({ length: 50_000 }, (_, at) => ({
      id: `m${at}`,
      name: `m${at}`,
      status: { value: 'loaded' },
      remote_host: 'x',
    }));
    const huge: ProbeAnswer = { status: 200, headers: {}, text: '', json: { object: 'list', data, models: data } };
    const version = answer(200, { version: '1', status: 'ok', info: { title: 'llama.cpp Python API' } });
    const replies = {
      '/v1/models': huge,
      '/api/tags': huge,
      '/api/ps': huge,
      '/props': answer(200, { role: 'router' }),
    };
    const client = fakeServer(replies, version);
    const findings = await adapter.probe(client, { ...quiet, isFirst: true }, null);
    expect(findings.models?.length ?? 0).toBeLessThanOrEqual(10_000);
    expect(client.asked.length).toBeLessThan(300);
  },
);
