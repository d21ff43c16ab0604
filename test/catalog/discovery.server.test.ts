import { describe, expect, test } from 'vitest';
import { type DiscoverOptions, discover } from '../../gateway/catalog/discovery.ts';
import type { DiscoveryOptions } from '../../gateway/catalog/discovery-watch.ts';
import { StateFile } from '../../gateway/catalog/state-file.ts';
import { systemClock } from '../../gateway/clock.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { attempt, bench, provider, settingsWith } from './catalog-bench.ts';
import {
  hang,
  llamaCppPythonRoutes,
  llamaCppRoutes,
  ollamaRoutes,
  openaiRoutes,
  type StandIn,
  standIn,
  vllmRoutes,
} from './stand-in.ts';
import { TestLog } from './test-log.ts';

const qwen = { name: 'qwen3:8b' };

function look(servers: readonly StandIn[], more: Partial<DiscoverOptions> = {}) {
  const ports = servers.map((server) => server.port);
  return discover({ clock: systemClock, ollamaHost: undefined, ownPorts: [], known: [], ports, ...more });
}

function watching(...servers: readonly StandIn[]): { discovery: DiscoveryOptions } {
  const ports = servers.map((server) => server.port);
  return { discovery: { ollamaHost: undefined, ownPorts: () => [], ports } };
}

describe('a look at the usual ports', () => {
  test('recognises each kind, in parallel, and sends GETs and /api/show, and nothing else', async () => {
    await using ollama = await standIn(ollamaRoutes(qwen));
    await using vllm = await standIn(vllmRoutes('m'));
    await using llama = await standIn(llamaCppRoutes('/models/x.gguf'));
    await using python = await standIn(llamaCppPythonRoutes('x'));
    await using other = await standIn(openaiRoutes('y'));
    await using closed = await standIn({});
    await closed.stop();
    const servers = [ollama, vllm, llama, python, other, closed];
    const found = await look(servers);
    expect(found.map((find) => [find.provider.kind, find.provider.baseUrl, find.modelCount])).toEqual([
      ['ollama', ollama.url, 1],
      ['vllm', vllm.url, 1],
      ['llama_cpp', llama.url, 1],
      ['llama_cpp_python', python.url, null],
      ['openai', other.url, 1],
    ]);
    expect(found[0]?.provider).toMatchObject({
      name: 'ollama',
      isDiscovered: true,
      isNamedInFile: false,
      position: null,
      place: 'local',
    });
    const sent = servers.flatMap((server) => server.asked.map(({ method, path }) => `${method} ${path}`));
    expect(sent.filter((line) => !line.startsWith('GET ') && line !== 'POST /api/show')).toEqual([]);
    // Somebody else's stream may run there, which a list would cut.
    expect(python.asked.map((asked) => asked.path)).not.toContain('/v1/models');
  });

  test('a port that takes connections and says nothing is left after a second', async () => {
    await using silent = await standIn({ '/openapi.json': hang });
    const clock = new FakeClock();
    const asked = silent.nextAsked('/openapi.json');
    const looking = look([silent], { clock });
    await asked;
    clock.advance(1_000);
    expect(await looking).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  test('something else that listens there is not taken', async () => {
    await using page = await standIn({ '/': { text: '<html>a web page</html>' } });
    expect(await look([page])).toEqual([]);
  });

  test('a gateway of our own kind, and our own ports, are not taken', async () => {
    await using gateway = await standIn({
      ...openaiRoutes('m'),
      '/health/readiness': { json: { status: 'ok', product: 'switchyard' } },
    });
    await using own = await standIn(openaiRoutes('m'));
    expect(await look([gateway, own], { ownPorts: [own.port] })).toEqual([]);
    expect(own.asked).toEqual([]);
  });

  test('a model that Ollama runs itself is not taken', async () => {
    await using child = await standIn(llamaCppRoutes(`/root/.ollama/models/blobs/sha256-${'a'.repeat(64)}`));
    expect(await look([child])).toEqual([]);
  });

  test('servers we have are not asked, and their names are taken', async () => {
    await using have = await standIn(ollamaRoutes(qwen));
    await using other = await standIn(ollamaRoutes({ name: 'b:1b' }));
    const known = [
      { name: 'ollama', kind: 'ollama', baseUrl: `http://localhost:${have.port}`, version: null, models: [] },
    ] as const;
    const found = await look([have, other], { known });
    expect(found.map((find) => find.provider.name)).toEqual([`ollama@127.0.0.1:${other.port}`]);
    expect(have.asked).toEqual([]);
  });

  test('OLLAMA_HOST is looked at too', async () => {
    await using ollama = await standIn(ollamaRoutes(qwen));
    const found = await look([], { ollamaHost: `127.0.0.1:${ollama.port}` });
    expect(found.map((find) => find.provider.baseUrl)).toEqual([ollama.url]);
  });
});

describe('with nothing configured', () => {
  test('finds are used at once, and listed when the first sweep has ended', async () => {
    await using ollama = await standIn(ollamaRoutes(qwen));
    await using b = bench(settingsWith(), watching(ollama));
    b.catalog.start();
    await b.catalog.whenListed();
    expect(b.see('ollama').observed).toBe('ready');
    expect(b.see('ollama').models.has('qwen3:8b')).toBe(true);
    expect(b.catalog.providerSettings('ollama')).toMatchObject({
      isDiscovered: true,
      isNamedInFile: false,
      baseUrl: ollama.url,
    });
    expect(b.catalog.offered).toEqual([]);
    expect(b.log.lines.some((line) => line.message.includes(ollama.url))).toBe(true);
  });

  test('a server started later is noticed', async () => {
    await using ollama = await standIn(ollamaRoutes(qwen));
    await ollama.stop();
    await using b = bench(settingsWith(), watching(ollama));
    b.catalog.start();
    await b.catalog.whenListed();
    expect(b.catalog.snapshot().providers.size).toBe(0);
    await ollama.restart();
    b.clock.advance(10_000);
    await b.untilObserved('ollama', 'ready');
  });

  test('a server in use is not looked at again', async () => {
    await using ollama = await standIn(ollamaRoutes(qwen));
    await using b = bench(settingsWith(), watching(ollama));
    b.catalog.start();
    await b.catalog.whenListed();
    const fingerprints = () => ollama.asked.filter((asked) => asked.path === '/openapi.json').length;
    expect(fingerprints()).toBe(1);
    b.clock.advance(10_000);
    await b.catalog.discover();
    expect(fingerprints()).toBe(1);
  });

  test('as soon as something is configured finds are only offered, and used again when nothing is', async () => {
    await using ollama = await standIn(ollamaRoutes(qwen));
    await using vllm = await standIn(vllmRoutes('m'));
    await using b = bench(settingsWith(), watching(ollama));
    b.catalog.start();
    await b.catalog.whenListed();
    b.catalog.apply(settingsWith(provider('v', 'vllm', vllm.url)));
    expect([...b.catalog.snapshot().providers.keys()]).toEqual(['v']);
    expect((await b.catalog.discover()).map((find) => find.provider.name)).toEqual(['ollama']);
    expect(b.catalog.offered.map((find) => find.provider.name)).toEqual(['ollama']);
    expect([...b.catalog.snapshot().providers.keys()]).toEqual(['v']);
    b.catalog.apply(settingsWith());
    expect([...b.catalog.snapshot().providers.keys()]).toEqual(['ollama']);
    await b.untilObserved('ollama', 'ready');
  });

  test('finds are remembered over a restart for a week, and so is that one is switched off', async () => {
    await using ollama = await standIn(ollamaRoutes(qwen));
    const clock = new FakeClock();
    const state = new StateFile({ path: null, clock, log: new TestLog() });
    await using first = bench(settingsWith(), { ...watching(ollama), state });
    first.catalog.start();
    await first.catalog.whenListed();
    first.catalog.setEnabled('ollama', false);
    await first.catalog.close();
    await ollama.stop();
    await using second = bench(settingsWith(), { ...watching(ollama), state });
    expect(second.see('ollama')).toMatchObject({ isEnabled: false, isListStale: true });
    expect(second.see('ollama').models.has('qwen3:8b')).toBe(true);
    clock.advance(8 * 24 * 3_600_000);
    await using third = bench(settingsWith(), { ...watching(ollama), state, clock });
    expect(third.catalog.snapshot().providers.size).toBe(0);
  });

  test('another kind of server on the port of one that is gone takes its place', async () => {
    await using server = await standIn(ollamaRoutes(qwen));
    await using b = bench(settingsWith(), watching(server));
    b.catalog.start();
    await b.catalog.whenListed();
    await server.stop();
    b.catalog.reportAttempt(attempt('ollama', 'unreachable'));
    server.routes = vllmRoutes('m');
    await server.restart();
    b.clock.advance(10_000);
    await b.untilObserved('vllm', 'ready');
    expect([...b.catalog.snapshot().providers.keys()]).toEqual(['vllm']);
  });
});

test('after close nothing looks any more', async () => {
  await using ollama = await standIn(ollamaRoutes(qwen));
  const b = bench(settingsWith(), watching(ollama));
  b.catalog.start();
  await b.catalog.whenListed();
  await b.catalog.close();
  expect(b.clock.pending).toBe(0);
});

test('closing ends a look that is under way', async () => {
  await using silent = await standIn({ '/openapi.json': hang });
  const b = bench(settingsWith(), watching(silent));
  const asked = silent.nextAsked('/openapi.json');
  b.catalog.start();
  await asked;
  await b.catalog.close();
  await b.catalog.discover();
  expect(b.clock.pending).toBe(0);
});
