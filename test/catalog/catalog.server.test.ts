import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { StateFile } from '../../gateway/catalog/state-file.ts';
import { defaultProbe, emptyModel } from '../../gateway/config/defaults.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { attempt, bench, provider, settingsWith } from './catalog-bench.ts';
import {
  hang,
  llamaCppPythonRoutes,
  llamaCppRoutes,
  ollamaRoutes,
  openaiRoutes,
  standIn,
  vllmRoutes,
} from './stand-in.ts';
import { TestLog } from './test-log.ts';

const qwen = { name: 'qwen3:8b', isLoaded: true };

describe('what the first sweep learns', () => {
  test('models with their facts, state, version and slots', async () => {
    await using ollama = await standIn(ollamaRoutes(qwen, { name: 'other:1b' }));
    await using llama = await standIn(llamaCppRoutes('/models/x.gguf'));
    const settings = settingsWith(provider('o', 'ollama', ollama.url), provider('l', 'llama_cpp', llama.url));
    await using b = bench(settings);
    expect(b.see('o').observed).toBe('pending');
    b.catalog.start();
    await b.catalog.whenListed();
    expect(b.catalog.isListed).toBe(true);
    expect(b.see('o')).toMatchObject({ observed: 'ready', isListStale: false, loadsOnDemand: true, place: 'local' });
    expect([...b.see('o').models.keys()]).toEqual(['qwen3:8b', 'other:1b']);
    expect(b.see('o').models.get('qwen3:8b')).toMatchObject({
      size: 8e9,
      quantization: 'Q4_K_M',
      isLoaded: true,
      contextLoaded: 4096,
    });
    expect(b.see('l')).toMatchObject({ observed: 'ready', isSingleModel: true, maxParallelRequests: 2 });
    expect(b.catalog.status().map((each) => [each.name, each.version])).toEqual([
      ['o', '0.17.4'],
      ['l', 'b1-abc'],
    ]);
  });

  test('a request waits for a silent server at most 2 s', async () => {
    await using server = await standIn({ '/api/version': hang, '/api/tags': hang, '/api/ps': hang });
    const probe = { ...defaultProbe, timeoutMs: 60_000 };
    await using b = bench(settingsWith(provider('o', 'ollama', server.url, { probe })));
    const asked = server.nextAsked('/api/version');
    b.catalog.start();
    await asked;
    b.clock.advance(1_999);
    expect(b.catalog.isListed).toBe(false);
    b.clock.advance(1);
    await b.catalog.whenListed();
    expect(b.see('o').observed).toBe('pending');
  });

  test('one provider that is away does not keep the others', async () => {
    await using ollama = await standIn(ollamaRoutes(qwen));
    await using away = await standIn({});
    await away.stop();
    const settings = settingsWith(provider('o', 'ollama', ollama.url), provider('v', 'vllm', away.url));
    await using b = bench(settings);
    b.catalog.start();
    await b.catalog.whenListed();
    expect(b.see('o').observed).toBe('ready');
    expect(b.see('v')).toMatchObject({ observed: 'pending', cause: { class: 'refused' } });
  });

  test('declared facts win, and a cloud provider has only those and is asked nothing', async () => {
    await using server = await standIn(openaiRoutes('gpt-x'));
    const declared = { ...emptyModel('gpt-x'), context: 128_000, aliases: ['gx'] };
    const models = new Map([['gpt-x', declared]]);
    const settings = settingsWith(
      provider('near', 'openai', server.url, { models }),
      provider('far', 'cloud', server.url, { models, place: 'cloud' }),
    );
    await using b = bench(settings);
    b.catalog.start();
    await b.catalog.whenListed();
    for (const name of ['near', 'far']) {
      expect(b.see(name)).toMatchObject({ observed: 'ready', isListStale: false });
      expect(b.see(name).models.get('gpt-x')).toMatchObject({ contextTrained: 128_000, aliases: ['gx'] });
    }
    expect(server.asked.filter((asked) => asked.path === '/v1/models')).toHaveLength(1);
  });

  test('a provider without its key is not asked and says why', async () => {
    await using server = await standIn(openaiRoutes('m'));
    const settings = settingsWith(provider('p', 'openai', server.url, { notCallableBecause: 'KEY is not set' }));
    await using b = bench(settings);
    b.catalog.start();
    await b.catalog.whenListed();
    expect(b.see('p')).toMatchObject({ isCallable: false, observed: 'auth', cause: { message: 'KEY is not set' } });
    expect(server.asked).toEqual([]);
  });
});

describe('faults of a server', () => {
  test.each([
    { fault: '401', route: { json: { error: 'Unauthorized' }, status: 401 }, observed: 'auth', because: 'auth' },
    { fault: 'HTML', route: { text: '<html>login</html>' }, observed: 'pending', because: 'wrong_kind' },
    {
      fault: '500',
      route: { text: 'Internal Server Error', status: 500 },
      observed: 'pending',
      because: 'http_status',
    },
    {
      fault: '503 while loading',
      route: { json: { error: { message: 'Loading model', type: 'unavailable_error', code: 503 } }, status: 503 },
      observed: 'warming',
      because: 'loading',
    },
  ] as const)('$fault: $observed', async ({ route, observed, because }) => {
    await using server = await standIn({
      '/health': route,
      '/v1/models': route,
      '/props': route,
      '/version': route,
      '/metrics': route,
    });
    await using b = bench(settingsWith(provider('p', 'openai', server.url)));
    b.catalog.start();
    await b.catalog.whenListed();
    expect(b.see('p')).toMatchObject({ observed, cause: { class: because }, isListStale: true });
  });

  test('an outage: pending, then down after three probes 2 s apart, back with the first good one; the list is kept', async () => {
    await using server = await standIn(ollamaRoutes(qwen));
    await using b = bench(settingsWith(provider('o', 'ollama', server.url)));
    b.catalog.start();
    await b.catalog.whenListed();
    await server.stop();
    b.clock.advance(15_000);
    await b.untilObserved('o', 'pending');
    expect(b.see('o').isListStale).toBe(true);
    expect(b.see('o').models.get('qwen3:8b')?.isLoaded).toBe(true);
    const beats = () => b.changes.filter((change) => change.kind === 'beat').length;
    for (const expected of [3, 4]) {
      b.clock.advance(2_000);
      await b.until(() => beats() === expected);
    }
    expect(b.see('o')).toMatchObject({ observed: 'down', cause: { class: 'refused' }, isListStale: true });
    expect(b.see('o').models.get('qwen3:8b')).toMatchObject({ size: 8e9, isLoaded: null, vramBytes: null });
    await server.restart();
    b.clock.advance(15_000);
    await b.untilObserved('o', 'ready');
    await b.until(() => !b.see('o').isListStale);
    const moves = b.changes.filter((change) => change.kind === 'transition').filter(({ from, to }) => from !== to);
    const told = moves.map(({ from, to }) => `${from} ${to}`);
    expect(told).toEqual(['pending ready', 'ready pending', 'pending down', 'down ready']);
  });

  test('a server that hangs is given up after its time limit', async () => {
    await using server = await standIn(vllmRoutes('m'));
    await using b = bench(settingsWith(provider('v', 'vllm', server.url)));
    b.catalog.start();
    await b.catalog.whenListed();
    server.routes = { '/health': hang, '/v1/models': hang, '/metrics': hang, '/version': hang };
    const asked = server.nextAsked('/health');
    b.clock.advance(15_000);
    await asked;
    b.clock.advance(2_000);
    await b.untilObserved('v', 'pending');
    expect(b.see('v').cause?.class).toBe('timeout');
  });
});

describe('live traffic', () => {
  test('a refused connection makes a provider down at once, and its probe comes within 2 s', async () => {
    await using server = await standIn(ollamaRoutes(qwen));
    await using b = bench(settingsWith(provider('o', 'ollama', server.url)));
    b.catalog.start();
    await b.catalog.whenListed();
    b.catalog.reportAttempt(attempt('o', 'unreachable'));
    expect(b.see('o')).toMatchObject({ observed: 'down', cause: { class: 'refused' }, isListStale: true });
    b.clock.advance(2_000);
    await b.untilObserved('o', 'ready');
  });

  test('requests that fail again and again do not put the probe off', async () => {
    await using server = await standIn(ollamaRoutes(qwen));
    await using b = bench(settingsWith(provider('o', 'ollama', server.url)));
    b.catalog.start();
    await b.catalog.whenListed();
    for (let times = 0; times < 4; times++) {
      b.catalog.reportAttempt(attempt('o', 'unreachable'));
      b.clock.advance(600);
    }
    await b.untilObserved('o', 'ready');
  });

  test('a success makes it ready', async () => {
    await using server = await standIn({});
    await server.stop();
    await using b = bench(settingsWith(provider('o', 'ollama', server.url)));
    b.catalog.start();
    await b.catalog.whenListed();
    b.catalog.reportAttempt(attempt('o', null));
    expect(b.see('o').observed).toBe('ready');
  });

  test('a model that is missing or was loaded for a request makes the list be read again soon', async () => {
    await using server = await standIn(ollamaRoutes(qwen));
    await using b = bench(settingsWith(provider('o', 'ollama', server.url)));
    b.catalog.start();
    await b.catalog.whenListed();
    server.routes = ollamaRoutes(qwen, { name: 'new:1b', isLoaded: true });
    b.catalog.reportAttempt(attempt('o', null, { isCold: true }));
    b.clock.advance(2_000);
    await b.until(() => b.see('o').models.has('new:1b'));
  });

  test('what requests found of a cloud provider ends by time, since nothing else can end it', async () => {
    await using b = bench(settingsWith(provider('c', 'cloud', 'https://api.example.com', { place: 'cloud' })));
    b.catalog.start();
    b.catalog.reportAttempt(attempt('c', 'auth'));
    expect(b.see('c').observed).toBe('auth');
    b.clock.advance(60_000);
    expect(b.see('c').observed).toBe('ready');
    await b.catalog.close();
    expect(b.clock.pending).toBe(0);
  });

  test('an unknown provider is no error', async () => {
    await using b = bench(settingsWith());
    b.catalog.reportAttempt(attempt('gone', null));
    b.catalog.begin({ provider: 'gone', model: 'm' }).end();
    b.catalog.setQueued('gone', 1);
    expect(b.catalog.setEnabled('gone', false)).toBeNull();
  });
});

describe('snapshots', () => {
  test('are the same object until something changed; counting changes nothing but the live count', async () => {
    await using server = await standIn(ollamaRoutes(qwen));
    await using b = bench(settingsWith(provider('o', 'ollama', server.url)));
    b.catalog.start();
    await b.catalog.whenListed();
    const before = b.catalog.snapshot();
    const lease = b.catalog.begin({ provider: 'o', model: 'qwen3:8b' });
    b.catalog.setQueued('o', 3);
    b.catalog.reportAttempt(attempt('o', null));
    expect(b.catalog.snapshot()).toBe(before);
    expect(before.providers.get('o')?.load).toMatchObject({ inFlight: 1, queued: 3 });
    lease.end();
    lease.end();
    expect(before.providers.get('o')?.load.inFlight).toBe(0);
    const beats = () => b.changes.filter((change) => change.kind === 'beat').length;
    b.clock.advance(15_000);
    await b.until(() => beats() === 2);
    expect(b.catalog.snapshot()).toBe(before);
  });

  test('count their version up with each change, and older ones stay as they were', async () => {
    await using server = await standIn(ollamaRoutes(qwen));
    await using b = bench(settingsWith(provider('o', 'ollama', server.url)));
    b.catalog.start();
    await b.catalog.whenListed();
    const before = b.catalog.snapshot();
    b.catalog.reportAttempt(attempt('o', 'unreachable'));
    expect(b.catalog.snapshot().version).toBeGreaterThan(before.version);
    expect(before.providers.get('o')?.observed).toBe('ready');
  });
});

describe('switching a provider off', () => {
  test('drains: requests that run end by themselves, nothing is probed', async () => {
    await using server = await standIn(ollamaRoutes(qwen));
    await using b = bench(settingsWith(provider('o', 'ollama', server.url)));
    b.catalog.start();
    await b.catalog.whenListed();
    const lease = b.catalog.begin({ provider: 'o', model: 'qwen3:8b' });
    expect(b.catalog.setEnabled('o', false)).toBe('file');
    expect(b.see('o')).toMatchObject({ observed: 'off', isEnabled: false, isDraining: true });
    lease.end();
    expect(b.see('o').isDraining).toBe(false);
    const askedSoFar = server.asked.length;
    b.clock.advance(60_000);
    await b.catalog.sweep();
    expect(server.asked).toHaveLength(askedSoFar);
    b.catalog.setEnabled('o', true);
    expect(b.see('o').observed).toBe('pending');
    await b.untilObserved('o', 'ready');
  });

  test('a probe under way does not bring it back', async () => {
    await using server = await standIn({ ...ollamaRoutes(qwen), '/api/version': hang });
    await using b = bench(settingsWith(provider('o', 'ollama', server.url)));
    const asked = server.nextAsked('/api/version');
    b.catalog.start();
    await asked;
    b.catalog.setEnabled('o', false);
    await b.catalog.whenListed();
    expect(b.see('o')).toMatchObject({ observed: 'off', cause: null });
  });

  test('the wish for a provider that no file names is kept in the state', async () => {
    const found = provider('d', 'ollama', 'http://127.0.0.1:9', { isNamedInFile: false });
    await using b = bench(settingsWith(found));
    expect(b.catalog.setEnabled('d', false)).toBe('state');
    expect(b.state.current.switches).toEqual({ d: false });
    await using again = bench(settingsWith(found), { state: b.state });
    expect(again.see('d')).toMatchObject({ isEnabled: false, observed: 'off' });
  });
});

describe('other settings', () => {
  test('added ones are probed, removed ones are gone, running requests of removed ones end safely', async () => {
    await using ollama = await standIn(ollamaRoutes(qwen));
    await using vllm = await standIn(vllmRoutes('m'));
    await using b = bench(settingsWith(provider('o', 'ollama', ollama.url)));
    b.catalog.start();
    await b.catalog.whenListed();
    const lease = b.catalog.begin({ provider: 'o', model: 'qwen3:8b' });
    b.catalog.apply(settingsWith(provider('v', 'vllm', vllm.url)));
    expect([...b.catalog.snapshot().providers.keys()]).toEqual(['v']);
    await b.untilObserved('v', 'ready');
    lease.end({ abandoned: true });
    const askedSoFar = ollama.asked.length;
    b.clock.advance(60_000);
    await b.catalog.sweep();
    expect(ollama.asked).toHaveLength(askedSoFar);
  });

  test('that do not touch the call leave state and list as they are', async () => {
    await using server = await standIn(ollamaRoutes(qwen));
    await using b = bench(settingsWith(provider('o', 'ollama', server.url)));
    b.catalog.start();
    await b.catalog.whenListed();
    b.catalog.apply(settingsWith(provider('o', 'ollama', server.url, { weight: 5, priority: 2 })));
    expect(b.see('o')).toMatchObject({ observed: 'ready', weight: 5, priority: 2, isListStale: false });
  });

  test('another key is tried at once, and the count of running requests goes on', async () => {
    await using server = await standIn({
      '/v1/models': (request, response) => {
        response.writeHead(request.headers.authorization === 'Bearer good' ? 200 : 401, {
          'content-type': 'application/json',
        });
        response.end(JSON.stringify({ object: 'list', data: [{ id: 'm', object: 'model' }] }));
      },
    });
    await using b = bench(settingsWith(provider('p', 'openai', server.url, { apiKey: 'bad' })));
    b.catalog.start();
    await b.catalog.whenListed();
    expect(b.see('p').observed).toBe('auth');
    const lease = b.catalog.begin({ provider: 'p', model: 'm' });
    b.catalog.apply(settingsWith(provider('p', 'openai', server.url, { apiKey: 'good' })));
    await b.untilObserved('p', 'ready');
    expect(b.see('p').load.inFlight).toBe(1);
    lease.end();
    expect(b.see('p').load.inFlight).toBe(0);
  });

  test('what a probe under way finds under the former key does not count', async () => {
    const list = { json: { object: 'list', data: [{ id: 'm', object: 'model' }] } };
    await using server = await standIn({ '/v1/models': hang });
    await using b = bench(settingsWith(provider('p', 'openai', server.url, { apiKey: 'bad' })));
    const asked = server.nextAsked('/v1/models');
    b.catalog.start();
    await asked;
    server.routes = { '/v1/models': list };
    b.catalog.apply(settingsWith(provider('p', 'openai', server.url, { apiKey: 'good' })));
    await b.untilObserved('p', 'ready');
    const beats = b.changes.filter((change) => change.kind === 'beat');
    expect(beats).toMatchObject([{ observed: 'ready' }]);
  });

  test('another server under the same name begins with nothing', async () => {
    await using first = await standIn(ollamaRoutes(qwen));
    await using second = await standIn(ollamaRoutes({ name: 'b:1b' }));
    await using b = bench(settingsWith(provider('o', 'ollama', first.url)));
    b.catalog.start();
    await b.catalog.whenListed();
    const lease = b.catalog.begin({ provider: 'o', model: 'qwen3:8b' });
    b.catalog.apply(settingsWith(provider('o', 'ollama', second.url)));
    expect(b.see('o')).toMatchObject({ observed: 'pending', load: { inFlight: 0 } });
    expect(b.see('o').models.size).toBe(0);
    lease.end();
    expect(b.see('o').load.inFlight).toBe(0);
    await b.until(() => b.see('o').models.has('b:1b'));
  });

  test('a file that switches a provider off is obeyed', async () => {
    await using server = await standIn(ollamaRoutes(qwen));
    await using b = bench(settingsWith(provider('o', 'ollama', server.url)));
    b.catalog.start();
    await b.catalog.whenListed();
    b.catalog.apply(settingsWith(provider('o', 'ollama', server.url, { isEnabled: false })));
    expect(b.see('o').observed).toBe('off');
  });
});

describe('sleep', () => {
  test('nothing is probed during a pause; a sweep ends it', async () => {
    await using server = await standIn(ollamaRoutes(qwen));
    await using b = bench(settingsWith(provider('o', 'ollama', server.url)));
    b.catalog.start();
    await b.catalog.whenListed();
    b.catalog.pause();
    expect(b.see('o')).toMatchObject({ observed: 'paused', isListStale: true });
    const askedSoFar = server.asked.length;
    b.clock.advance(3_600_000);
    expect(server.asked).toHaveLength(askedSoFar);
    await b.catalog.resume();
    expect(b.see('o')).toMatchObject({ observed: 'ready', isListStale: false });
  });

  test('a provider added during a pause is probed after it', async () => {
    await using server = await standIn(ollamaRoutes(qwen));
    await using b = bench(settingsWith());
    b.catalog.start();
    b.catalog.pause();
    b.catalog.apply(settingsWith(provider('o', 'ollama', server.url)));
    expect(server.asked).toEqual([]);
    await b.catalog.resume();
    expect(b.see('o').observed).toBe('ready');
  });
});

describe('over a restart', () => {
  test('the last known list is there at once, marked stale', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'switchyard-catalog-'));
    try {
      const clock = new FakeClock();
      const open = () => new StateFile({ path: join(folder, 'state.json'), clock, log: new TestLog() });
      await using server = await standIn(ollamaRoutes(qwen));
      const settings = settingsWith(provider('o', 'ollama', server.url));
      await using first = bench(settings, { state: open() });
      first.catalog.start();
      await first.catalog.whenListed();
      await first.catalog.close();
      await server.stop();
      await using second = bench(settings, { state: open() });
      expect(second.see('o')).toMatchObject({ observed: 'pending', isListStale: true, loadsOnDemand: true });
      expect(second.see('o').models.get('qwen3:8b')).toMatchObject({ size: 8e9, isLoaded: null });
      const moved = settingsWith(provider('o', 'ollama', 'http://127.0.0.1:9'));
      await using third = bench(moved, { state: open() });
      expect(third.see('o').models.size).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

test('llama-cpp-python is listed once, and not while a request of ours runs there', async () => {
  await using server = await standIn(llamaCppPythonRoutes('/models/x.gguf'));
  await using b = bench(settingsWith(provider('p', 'llama_cpp_python', server.url)));
  const lease = b.catalog.begin({ provider: 'p', model: 'x' });
  b.catalog.start();
  await b.catalog.whenListed();
  const lists = () => server.asked.filter((asked) => asked.path === '/v1/models').length;
  expect(b.see('p').observed).toBe('ready');
  expect(lists()).toBe(0);
  lease.end();
  await b.catalog.sweep();
  expect(lists()).toBe(1);
  await b.catalog.sweep();
  expect(lists()).toBe(1);
  expect([...b.see('p').models.keys()]).toEqual(['/models/x.gguf']);
  b.catalog.reportAttempt(attempt('p', 'unreachable'));
  await b.catalog.sweep();
  expect(lists()).toBe(2);
});

test('whatever the kind, a probe sends GETs and /api/show, and nothing else', async () => {
  await using ollama = await standIn(ollamaRoutes(qwen));
  await using vllm = await standIn(vllmRoutes('m'));
  await using llama = await standIn(llamaCppRoutes('/models/x.gguf'));
  await using python = await standIn(llamaCppPythonRoutes('x'));
  await using other = await standIn(openaiRoutes('y'));
  const servers = [ollama, vllm, llama, python, other];
  const kinds = ['ollama', 'vllm', 'llama_cpp', 'llama_cpp_python', 'openai'] as const;
  await using b = bench(settingsWith(...kinds.map((kind, index) => provider(kind, kind, servers[index]?.url ?? ''))));
  b.catalog.start();
  await b.catalog.whenListed();
  await b.catalog.sweep();
  for (const kind of kinds) expect(b.see(kind).observed).toBe('ready');
  const sent = servers.flatMap((server) => server.asked.map(({ method, path }) => `${method} ${path}`));
  expect(sent.length).toBeGreaterThan(10);
  expect(sent.filter((line) => !line.startsWith('GET ') && line !== 'POST /api/show')).toEqual([]);
});

test('after close nothing is left: no timer, no probe, no listener', async () => {
  await using server = await standIn({ ...ollamaRoutes(qwen), '/api/version': hang });
  const b = bench(settingsWith(provider('o', 'ollama', server.url)));
  const asked = server.nextAsked('/api/version');
  b.catalog.start();
  await asked;
  await b.catalog.close();
  await b.catalog.whenListed();
  const told = b.changes.length;
  b.clock.advance(60_000);
  expect(b.clock.pending).toBe(0);
  expect(b.changes).toHaveLength(told);
});
