import { describe, expect, test } from 'vitest';
import { adapters } from '../../gateway/providers/index.ts';
import type { ProbeContext, ProbeFindings } from '../../gateway/providers/provider.ts';
import { answer, fakeServer, quiet, type Reply, timedOut } from './recordings.ts';

const { llama_cpp_python: python } = adapters;
const up: Readonly<Record<string, Reply>> = {
  '/openapi.json': 'llama-cpp-python/openapi',
  '/v1/models': 'llama-cpp-python/models',
};
const first = { isFirst: true };

async function probe(
  replies: Readonly<Record<string, Reply>>,
  context: Partial<ProbeContext> = {},
  previous: ProbeFindings | null = null,
) {
  const server = fakeServer(replies);
  const findings = await python.probe(server, { ...quiet, ...context }, previous);
  return { findings, asked: server.asked };
}

describe('a probe', () => {
  test('reads the list once after a start, and afterwards only /openapi.json', async () => {
    const start = await probe(up, first);
    expect(start.asked).toEqual(['/openapi.json', '/v1/models']);
    expect(start.findings).toMatchObject({
      observed: 'ready',
      version: '0.3.36',
      isSingleModel: true,
      loadsOnDemand: false,
    });
    expect(start.findings.models).toMatchObject([{ id: 'tiny-llama', isLoaded: true, capabilities: null }]);
    const later = await probe(up, {}, start.findings);
    expect(later.asked).toEqual(['/openapi.json']);
    expect(later.findings).toMatchObject({ observed: 'ready', models: null, isSingleModel: true });
  });

  test('reads the list again when the server has come back', async () => {
    const start = await probe(up, first);
    const back = await probe(up, first, start.findings);
    expect(back.asked).toContain('/v1/models');
  });

  test.each([
    ['before the first list', first, null],
    ['ever', {}, null],
  ])('never reads the list while something of ours runs there (%s)', async (_when, context, previous) => {
    const { asked, findings } = await probe(up, { ...context, inFlight: 1 }, previous);
    expect(asked).toEqual(['/openapi.json']);
    expect(findings).toMatchObject({ observed: 'ready', models: null });
  });

  test('of a server with several models knows that it changes over on demand', async () => {
    const list = answer(200, { object: 'list', data: [{ id: 'a' }, { id: 'b' }] });
    const { findings } = await probe({ ...up, '/v1/models': list }, first);
    expect(findings).toMatchObject({ isSingleModel: false, loadsOnDemand: true });
    expect(findings.models?.map(({ isLoaded }) => isLoaded)).toEqual([null, null]);
  });

  test('finds a wrong key, and asks again until it is right', async () => {
    const locked = await probe({ ...up, '/v1/models': 'llama-cpp-python/key-models-no-key' }, first);
    expect(locked.findings).toMatchObject({ observed: 'auth', cause: { class: 'auth' } });
    const busy = await probe(up, { inFlight: 1 }, locked.findings);
    expect(busy.findings.observed).toBe('auth');
    const open = await probe(up, {}, locked.findings);
    expect(open.findings).toMatchObject({ observed: 'ready', models: [{ id: 'tiny-llama' }] });
  });

  test('asks for the list again after its key was refused, though a list is known', async () => {
    const start = await probe(up, first);
    const refused: ProbeFindings = { ...start.findings, observed: 'auth' };
    expect((await probe(up, {}, refused)).asked).toContain('/v1/models');
  });

  test.each<[string, Reply]>([
    ['vLLM', answer(200, { openapi: '3.1.0', info: { title: 'FastAPI', version: '0.1.0' } })],
    ['llama.cpp', 'llama-server/err-404-get'],
    ['a web page', answer(200, '<html>llama.cpp Python API</html>')],
  ])('does not take %s for it, and asks nothing more', async (_what, page) => {
    const { findings, asked } = await probe({ ...up, '/openapi.json': page }, first);
    expect(findings).toMatchObject({ observed: 'down', cause: { class: 'wrong_kind' } });
    expect(asked).toEqual(['/openapi.json']);
  });

  test('passes on silence: during a change of models the whole process is silent', async () => {
    await expect(probe({ ...up, '/openapi.json': timedOut })).rejects.toMatchObject({ failure: timedOut });
  });
});

test('serves one request at a time unless told otherwise', () => {
  expect(python.defaultMaxParallelRequests(null)).toBe(1);
});
