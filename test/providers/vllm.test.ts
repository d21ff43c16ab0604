import { describe, expect, test } from 'vitest';
import { adapters } from '../../gateway/providers/index.ts';
import type { ProbeFindings } from '../../gateway/providers/provider.ts';
import { answer, fakeServer, quiet, type Reply, recorded, timedOut } from './recordings.ts';

const { vllm } = adapters;

const running: Readonly<Record<string, Reply>> = {
  '/health': 'vllm/health',
  '/v1/models': 'vllm/models',
  '/metrics': 'vllm/metrics_while_6_streams',
};

async function probe(replies: Readonly<Record<string, Reply>>): Promise<{ findings: ProbeFindings; asked: string[] }> {
  const server = fakeServer(replies);
  return { findings: await vllm.probe(server, quiet, null), asked: server.asked };
}

describe('a probe', () => {
  test('asks for health, models and metrics', async () => {
    const { asked } = await probe(running);
    expect([...asked].sort()).toEqual(['/health', '/metrics', '/v1/models']);
  });

  test('finds the model with its usable context, loaded for good, and how busy the engine is', async () => {
    const { findings } = await probe(running);
    expect(findings).toMatchObject({
      observed: 'ready',
      cause: null,
      isSingleModel: false,
      loadsOnDemand: false,
      slots: null,
    });
    expect(findings.busy).toEqual({ running: 4, waiting: 2 });
    expect(findings.models).toHaveLength(1);
    expect(findings.models?.[0]).toMatchObject({
      id: 'tiny-vllm',
      contextLoaded: 512,
      isLoaded: true,
      loadedUntilMs: Number.POSITIVE_INFINITY,
      // It prints the time of the request.
      createdAtSeconds: null,
    });
  });

  test('adds the gauges of all engines', async () => {
    const page =
      'vllm:num_requests_running{engine="0"} 3.0\nvllm:num_requests_running{engine="1"} 2.0\nvllm:num_requests_waiting{engine="0"} 1e1\nvllm:num_requests_waiting{engine="1"} 0\n';
    const { findings } = await probe({ ...running, '/metrics': answer(200, page) });
    expect(findings.busy).toEqual({ running: 5, waiting: 10 });
  });

  test.each([
    ['no metrics', answer(404, '')],
    ['slow metrics', timedOut],
  ])('goes without %s', async (_what, metrics) => {
    const { findings } = await probe({ ...running, '/metrics': metrics });
    expect(findings).toMatchObject({ observed: 'ready', busy: null });
  });

  test('reads size and quantisation off the repository behind a served name, and lends a LoRA its base’s context', async () => {
    const data = [
      { id: 'main', root: 'Qwen/Qwen3-30B-A3B-AWQ', parent: null, max_model_len: 40_960 },
      { id: 'sql-lora', root: '/loras/sql', parent: 'main', max_model_len: null },
    ];
    const { findings } = await probe({ ...running, '/v1/models': answer(200, { object: 'list', data }) });
    expect(findings.models?.[0]).toMatchObject({
      size: 30e9,
      activeSize: 3e9,
      quantization: 'AWQ',
      contextLoaded: 40_960,
    });
    expect(findings.models?.[1]).toMatchObject({ id: 'sql-lora', contextLoaded: 40_960 });
  });

  test('finds an engine that was put to sleep down: requests would wait until somebody wakes it', async () => {
    const page = recorded('vllm/dev_paused_metrics').text.replace(
      'sleep_state="awake"} 1.0',
      'sleep_state="awake"} 0.0',
    );
    const { findings } = await probe({ ...running, '/metrics': answer(200, page) });
    expect(findings).toMatchObject({ observed: 'down', cause: { class: 'asleep' } });
    expect(findings.models?.[0]).toMatchObject({ isLoaded: false });
  });

  test('finds a dead engine down', async () => {
    const { findings } = await probe({ ...running, '/health': answer(503, '') });
    expect(findings).toMatchObject({ observed: 'down', cause: { class: 'http_status' }, models: null });
  });

  test('finds a wrong key', async () => {
    const { findings } = await probe({ ...running, '/v1/models': 'vllm/auth_missing_models' });
    expect(findings).toMatchObject({
      observed: 'auth',
      cause: { class: 'auth', message: expect.stringContaining('401') },
    });
  });

  test('finds a frozen engine well: only live requests can tell', async () => {
    const { findings } = await probe({
      '/health': 'vllm/frozen_engine_health',
      '/v1/models': 'vllm/frozen_engine_models',
      '/metrics': 'vllm/frozen_engine_metrics',
    });
    expect(findings).toMatchObject({ observed: 'ready', busy: { running: 2, waiting: 0 } });
  });

  test('passes on silence at /health', async () => {
    await expect(probe({ ...running, '/health': timedOut })).rejects.toMatchObject({ failure: timedOut });
  });
});
