import { describe, expect, test } from 'vitest';
import { post, readStream, send } from '../support/http.ts';
import { rawExchange } from '../support/raw-http.ts';
import { isGeneration } from './recordings.ts';
import { bodyOf, brokenOnes, completeStreams, listRecordings, loadRecording, startReplay } from './replay.ts';

const requestOf = (recording: ReturnType<typeof loadRecording>) => ({
  method: recording.request.method,
  path: recording.request.path,
  headers: {
    Host: '127.0.0.1',
    'Content-Type': 'application/json',
    'Content-Length': String(Buffer.byteLength(recording.request.body)),
  },
  body: recording.request.body,
});

describe('recordings', () => {
  test('every recorded request body has the length its head says', () => {
    const wrong = listRecordings(({ request }) => {
      const length = request.headers['Content-Length'];
      return length !== undefined && Number(length) !== Buffer.byteLength(request.body);
    });
    expect(wrong.map(({ name }) => name)).toEqual([]);
  });

  test('no stream is both complete and broken', () => {
    const broken = new Set(brokenOnes().map(({ recording }) => recording.name));
    const both = completeStreams().filter(({ name }) => broken.has(name));
    expect(both).toEqual([]);
    expect(completeStreams().length).toBeGreaterThanOrEqual(80);
  });

  test('every generation that did not end well is complete, refused properly, or known to be broken', () => {
    const known = new Set([
      ...brokenOnes().map(({ recording }) => recording.name),
      ...completeStreams().map(({ name }) => name),
    ]);
    const unknown = listRecordings((recording) => {
      const { status, end, framing } = recording.response;
      if (!isGeneration(recording) || known.has(recording.name) || end === 'client_closed' || end === 'refused')
        return false;
      return (
        end !== 'complete' ||
        (status === 200 && framing === 'chunked' && /event: |data: |"done":false/.test(bodyOf(recording)))
      );
    });
    expect(unknown.map(({ name }) => name)).toEqual([]);
  });
});

describe('replay', () => {
  const streams = completeStreams();
  test.each(streams.map((recording) => [recording.name, recording] as const))(
    '%s comes as it was recorded',
    async (_name, recording) => {
      await using server = await startReplay(recording);
      const got = await rawExchange(server.port, requestOf(recording));
      expect(got.chunks).toEqual(recording.response.chunks.map(({ text }) => text));
      expect([got.status, got.framing, got.isComplete]).toEqual([200, 'chunked', true]);
      const names = recording.response.headers.map(([name]) => name).filter((name) => !/^connection$/i.test(name));
      expect(got.headers.map(([name]) => name).filter((name) => !/^connection$/i.test(name))).toEqual(names);
    },
  );

  test.each(brokenOnes().map((broken) => [broken.recording.name, broken] as const))(
    '%s breaks as it was recorded',
    async (_name, broken) => {
      const { recording, isSilent } = broken;
      await using server = await startReplay(recording);
      const got = await rawExchange(server.port, requestOf(recording), isSilent ? 100 : 5_000).catch(() => null);
      expect(got?.status ?? null).toBe(recording.response.status);
      expect(got?.chunks.join('') ?? '').toBe(bodyOf(recording));
      expect(got?.isComplete ?? false).toBe(recording.response.end === 'complete');
    },
  );

  test('the body can be cut anywhere without a byte changing', async () => {
    const recording = loadRecording('vllm/chat_stream_n2');
    const whole = bodyOf(recording);
    const total = Buffer.byteLength(whole);
    for (const cutAt of [[1], [total - 1], [10, 11, 12, 900], 'every_byte'] as const) {
      await using server = await startReplay(recording, { cutAt });
      const got = await readStream(`${server.url}${recording.request.path}`, { body: recording.request.body });
      expect(got.text).toBe(whole);
    }
  });

  test.each(['clean', 'fin', 'rst'] as const)('it can stop after so many bytes: %s', async (ending) => {
    await using server = await startReplay('ollama/chat-stream', { stopAfter: { bytes: 200, ending } });
    const got = await readStream(`${server.url}/api/chat`, { body: {} });
    expect(got.body.length).toBe(200);
    expect(got.isComplete).toBe(ending === 'clean');
  });

  test('everything but what generates is answered by the stand-in of the kind, with the recorded model', async () => {
    await using server = await startReplay('ollama/chat-stream');
    expect((await send(`${server.url}/api/tags`)).text).toContain('"name":"tiny:latest"');
    expect((await send(`${server.url}/api/ps`)).text).toContain('tiny:latest');
    server.play('ollama/runner-killed-mid-stream');
    expect((await post(`${server.url}/api/chat`, {})).text).toContain('unexpected EOF');
  });

  test('a refused connection is refused', async () => {
    await using server = await startReplay('vllm/killed_api_term_new_request_after_signal');
    await expect(post(`${server.url}/v1/chat/completions`, {})).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});
