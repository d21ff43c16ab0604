import { describe, expect, test } from 'vitest';
import { adapters } from '../../gateway/providers/index.ts';
import type { ProbeContext, ProbeFindings } from '../../gateway/providers/provider.ts';
import { answer, fakeServer, parsed, quiet, type Reply, recorded, timedOut } from './recordings.ts';

const { llama_cpp: llamaCpp } = adapters;
const recordedProps = parsed(recorded('llama-server/props').text) as Record<string, unknown>;
const withoutMetrics = answer(200, { ...recordedProps, endpoint_metrics: false });

const single: Readonly<Record<string, Reply>> = {
  '/health': 'llama-server/health-ok',
  '/v1/models': 'llama-server/models',
  '/props': 'llama-server/props',
  '/metrics': 'llama-server/busy-metrics',
  '/slots': 'llama-server/busy-slots',
};
const asleep = { ...single, '/v1/models': 'llama-server/sleep-models', '/props': 'llama-server/sleep-props' };

interface Given {
  readonly context?: Partial<ProbeContext>;
  readonly previous?: ProbeFindings | null;
}

async function probe(replies: Readonly<Record<string, Reply>>, { context = {}, previous = null }: Given = {}) {
  const server = fakeServer(replies);
  const findings = await llamaCpp.probe(server, { ...quiet, ...context }, previous);
  return { findings, asked: server.asked };
}

describe('a server with one model', () => {
  test('tells its model, the context of a slot, its slots and its load', async () => {
    const { findings } = await probe(single);
    expect(findings).toMatchObject({
      observed: 'ready',
      version: 'b1-0c1e570',
      isSingleModel: true,
      loadsOnDemand: false,
      slots: 2,
      busy: { running: 2, waiting: 1 },
    });
    expect(findings.models).toHaveLength(1);
    expect(findings.models?.[0]).toMatchObject({
      id: 'tiny-llama',
      aliases: [],
      size: 150_080,
      quantization: 'F16',
      contextTrained: 2_048,
      contextLoaded: 1_024,
      fileBytes: 300_800,
      isLoaded: true,
      loadedUntilMs: Number.POSITIVE_INFINITY,
      createdAtSeconds: null,
    });
    expect(llamaCpp.defaultMaxParallelRequests(findings)).toBe(2);
  });

  test('lacks only what it rules out: no vision, no audio, and no tools without a place for them in the template', async () => {
    const { findings } = await probe(single);
    expect(findings.models?.[0]?.capabilities).toEqual(
      new Set(['completion', 'structured_output', 'fim', 'embedding', 'rerank']),
    );
    const able = answer(200, {
      ...recordedProps,
      modalities: { vision: true, audio: true },
      chat_template_caps: { supports_tools: true, supports_reasoning_effort: true },
    });
    const second = await probe({ ...single, '/props': able });
    for (const capability of ['vision', 'audio', 'transcription', 'tools', 'reasoning'] as const) {
      expect(second.findings.models?.[0]?.capabilities).toContain(capability);
    }
  });

  test('with an embedding model is for nothing else', async () => {
    const list = answer(200, { object: 'list', data: [{ id: 'nomic-embed-text-v1.5.Q8_0.gguf', meta: null }] });
    const { findings } = await probe({ ...single, '/v1/models': list });
    expect(findings.models?.[0]?.capabilities).toEqual(new Set(['embedding']));
  });

  test('tells by its file what its alias does not', async () => {
    const list = answer(200, { object: 'list', data: [{ id: 'main', meta: null }] });
    const props = answer(200, { ...recordedProps, model_ftype: null, model_path: '/models/Qwen3-30B-A3B-Q4_K_M.gguf' });
    const { findings } = await probe({ ...single, '/v1/models': list, '/props': props });
    expect(findings.models?.[0]).toMatchObject({ size: 30e9, activeSize: 3e9, quantization: 'Q4_K_M' });
  });

  test('is warming while it loads, and asked nothing more', async () => {
    const { findings, asked } = await probe({ ...single, '/health': 'llama-server/loading-health' });
    expect(findings).toMatchObject({ observed: 'warming', cause: { class: 'loading' }, models: null });
    expect(asked).toEqual(['/health']);
  });

  test('with another key than ours is found so, though /health is open', async () => {
    const { findings } = await probe({
      ...single,
      '/health': 'llama-server/key-health-no-key',
      '/v1/models': 'llama-server/key-models-no-key',
      '/props': 'llama-server/key-props-no-key',
    });
    expect(findings).toMatchObject({ observed: 'auth', cause: { class: 'auth' } });
  });

  test('that does not answer is left to whoever counts silences', async () => {
    await expect(probe({ ...single, '/health': timedOut })).rejects.toMatchObject({ failure: timedOut });
  });
});

describe('its load', () => {
  test('is never asked for while it sleeps, which would wake it; the model counts as not loaded', async () => {
    for (const context of [{}, { isFirst: true }, { inFlight: 1 }]) {
      const { findings, asked } = await probe(asleep, { context });
      expect([...asked].sort()).toEqual(['/health', '/props', '/v1/models']);
      expect(findings).toMatchObject({ observed: 'ready', loadsOnDemand: true, busy: { running: 0, waiting: 0 } });
      expect(findings.models?.[0]).toMatchObject({ isLoaded: false, loadedUntilMs: null });
    }
  });

  test.each([
    [0, false],
    [2_999, false],
    [3_000, true],
  ])('is not asked for until 3 s after a client left a request without a stream (%i ms)', async (agoMs, isAsked) => {
    const context = { abandonedAtMs: quiet.nowMs - agoMs, inFlight: 1 };
    for (const props of ['llama-server/props', withoutMetrics]) {
      const { asked } = await probe({ ...single, '/props': props }, { context });
      expect(asked.some((path) => path === '/metrics' || path === '/slots')).toBe(isAsked);
    }
  });

  test('is not asked for while it is not known whether it sleeps', async () => {
    for (const props of [timedOut, answer(404, ''), answer(200, '<html>')]) {
      const { asked } = await probe({ ...single, '/props': props }, { context: { inFlight: 1 } });
      expect([...asked].sort()).toEqual(['/health', '/props', '/v1/models']);
    }
  });

  test('is counted by its slots where it has no metrics', async () => {
    const { findings, asked } = await probe({ ...single, '/props': withoutMetrics }, { context: { inFlight: 1 } });
    expect(asked).not.toContain('/metrics');
    expect(findings.busy).toEqual({ running: 2, waiting: 0 });
  });

  test('is not counted by slots while nobody is known to be served: that would keep it from falling asleep', async () => {
    const replies = { ...single, '/props': withoutMetrics };
    const first = await probe(replies, { context: { isFirst: true } });
    expect(first.asked).toContain('/slots');
    const busyBefore = await probe(replies, { previous: first.findings });
    expect(busyBefore.asked).toContain('/slots');
    const idle = await probe({ ...replies, '/slots': 'llama-server/slots-idle' }, { previous: first.findings });
    expect(idle.findings.busy).toEqual({ running: 0, waiting: 0 });
    const after = await probe(replies, { previous: idle.findings });
    expect(after.asked).not.toContain('/slots');
  });

  test('stays unknown where neither may be asked', async () => {
    const props = answer(200, { ...recordedProps, endpoint_metrics: false, endpoint_slots: false });
    const { findings, asked } = await probe({ ...single, '/props': props }, { context: { inFlight: 1 } });
    expect([...asked].sort()).toEqual(['/health', '/props', '/v1/models']);
    expect(findings.busy).toBeNull();
  });
});

describe('a router', () => {
  const router: Readonly<Record<string, Reply>> = {
    '/health': 'llama-server/router-health',
    '/v1/models': 'llama-server/router-models',
    '/props': 'llama-server/router-props',
  };
  const loaded = {
    ...router,
    '/v1/models': 'llama-server/router-models-loaded',
    '/slots?model=tiny&autoload=false': 'llama-server/router-slots',
  };

  test('lists what it can start, loads when asked, and is no single model', async () => {
    const { findings } = await probe(router);
    expect(findings).toMatchObject({
      observed: 'ready',
      version: 'b1-0c1e570',
      isSingleModel: false,
      loadsOnDemand: true,
      slots: null,
      busy: { running: 0, waiting: 0 },
    });
    expect(findings.models?.map(({ id, isLoaded }) => [id, isLoaded])).toEqual([
      ['slow', false],
      ['tiny', false],
    ]);
    // From the arguments it will be started with.
    expect(findings.models?.[0]?.contextLoaded).toBe(2_048);
    expect(llamaCpp.defaultMaxParallelRequests(findings)).toBeNull();
  });

  test('tells the facts of a model that runs', async () => {
    const { findings } = await probe(loaded, { context: { inFlight: 1 } });
    expect(findings.models?.[1]).toMatchObject({
      id: 'tiny',
      isLoaded: true,
      size: 150_080,
      quantization: 'F16',
      contextTrained: 2_048,
      contextLoaded: 2_048,
    });
    expect(findings.busy).toEqual({ running: 0, waiting: 0 });
  });

  test.each(['llama-server/router-models-loading', 'llama-server/router-models-unloading'])(
    'counts a model as loaded only when it is (%s)',
    async (list) => {
      const { findings } = await probe({ ...router, '/v1/models': list });
      const states = parsed(recorded(list).text) as { data: { status: { value: string } }[] };
      expect(findings.models?.map(({ isLoaded }) => isLoaded)).toEqual(
        states.data.map(({ status }) => status.value === 'loaded'),
      );
    },
  );

  test('is never asked anything that would load a model', async () => {
    const lists = [
      'router-models',
      'router-models-loading',
      'router-models-loaded',
      'router-models-unloading',
      'router-models-after-child-crash',
    ];
    for (const list of lists) {
      for (const context of [{ isFirst: true }, { inFlight: 3 }, {}]) {
        const { asked } = await probe({ ...loaded, '/v1/models': `llama-server/${list}` }, { context });
        const naming = asked.filter((path) => path.includes('model='));
        for (const path of naming) expect(path).toMatch(/&autoload=false$/);
        const known = ['/health', '/props', '/v1/models'];
        expect(asked.filter((path) => !naming.includes(path)).sort()).toEqual(known);
        const { data } = parsed(recorded(`llama-server/${list}`).text) as {
          data: { id: string; status: { value: string } }[];
        };
        const runs = data.filter(({ status }) => status.value === 'loaded').map(({ id }) => id);
        for (const path of naming) expect(runs).toContain(/model=([^&]*)/.exec(path)?.[1]);
      }
    }
  });

  test('is not asked for the slots of a model while nobody is known to be served', async () => {
    const { asked } = await probe(loaded);
    expect([...asked].sort()).toEqual(['/health', '/props', '/v1/models']);
  });

  test('is not asked for load within 3 s of an abandoned request', async () => {
    const { asked, findings } = await probe(loaded, { context: { inFlight: 1, abandonedAtMs: quiet.nowMs - 1_000 } });
    expect([...asked].sort()).toEqual(['/health', '/props', '/v1/models']);
    expect(findings.busy).toBeNull();
  });

  test('is recognised by its list where /props is not to be had', async () => {
    const { findings } = await probe({ ...router, '/props': timedOut });
    expect(findings).toMatchObject({ isSingleModel: false, loadsOnDemand: true });
  });

  test('does not offer what it is still downloading, and counts a sleeping model as not loaded', async () => {
    const data = ['downloading', 'sleeping', 'loaded', 'unloaded'].map((value) => ({
      id: `${value} x`,
      status: { value },
    }));
    const { findings, asked } = await probe(
      { ...router, '/v1/models': answer(200, { object: 'list', data }) },
      { context: { inFlight: 1 } },
    );
    expect(findings.models?.map(({ id, isLoaded }) => [id, isLoaded])).toEqual([
      ['sleeping x', false],
      ['loaded x', true],
      ['unloaded x', false],
    ]);
    expect(asked.filter((path) => path.startsWith('/slots'))).toEqual(['/slots?model=loaded%20x&autoload=false']);
  });

  test('shares a started model’s context out over its slots', async () => {
    const args = ['llama-server', '--ctx-size', '8192', '--parallel', '4'];
    const data = [{ id: 'm', status: { value: 'unloaded', args } }];
    const { findings } = await probe({ ...router, '/v1/models': answer(200, { object: 'list', data }) });
    expect(findings.models?.[0]?.contextLoaded).toBe(2_048);
  });
});
