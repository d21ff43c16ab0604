import { describe, expect, test } from 'vitest';
import type { Endpoint } from '../../gateway/types.ts';
import { observe, verdict } from './observing.ts';
import type { RecordedAnswer } from './recordings.ts';
import { recorded, recordedStreams } from './recordings.ts';

type Sign = 'error' | 'garbage' | 'false end' | 'nothing';

/** Streams whose HTTP body ended well or whose end came too early, and what gives each of them away. */
const broken: Readonly<Record<string, Sign>> = {
  'llama-cpp-python/err-prompt-too-long-stream': 'nothing',
  'llama-cpp-python/three-concurrent-1': 'false end',
  'llama-cpp-python/three-concurrent-2': 'false end',
  'llama-cpp-python/two-concurrent-first': 'false end',
  'llama-server/kvfull-concurrent-1': 'error',
  'llama-server/kvfull-concurrent-2': 'error',
  'llama-server/router-child-killed-mid-stream': 'garbage',
  'llama-server/server-sigterm-mid-stream': 'nothing',
  'ollama/runner-killed-mid-stream': 'error',
  'ollama/runner-killed-mid-stream-messages': 'nothing',
  'ollama/runner-killed-mid-stream-v1': 'nothing',
  'ollama/server-sigkill-mid-stream': 'nothing',
  'vllm/dev_stream_when_paused_with_abort': 'false end',
  'vllm/killed_api_kill_stream': 'nothing',
  'vllm/killed_api_term_8blocks_stream': 'nothing',
  'vllm/killed_api_term_dev_stream': 'nothing',
  'vllm/killed_api_term_devmode_stream': 'false end',
  'vllm/killed_api_term_run2_stream': 'error',
  'vllm/killed_api_term_run3_stream': 'error',
  'vllm/killed_api_term_toolparser_stream': 'false end',
  'vllm/killed_engine_kill_stream': 'error',
};

const complete = recordedStreams.filter(({ name, isWhole }) => isWhole && !(name in broken));

function signOf({ endpoint, bytes }: RecordedAnswer): Sign {
  const observer = observe(endpoint, bytes);
  if (observer.error !== null) return 'error';
  if (observer.garbage !== null) return 'garbage';
  return observer.falseEndAt === null ? 'nothing' : 'false end';
}

/** Offsets just behind each line end. */
function borders(bytes: Buffer): number[] {
  const found: number[] = [];
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) found.push(at + 1);
  return found;
}

/** A repeatable sample of `count` offsets. */
function sample(length: number, count: number): number[] {
  let seed = length;
  return Array.from({ length: count }, () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed % length;
  });
}

/** Every offset of a short stream, a sample of a long one. */
function someCuts(bytes: Buffer): number[] {
  return bytes.length <= 5_000 ? Array.from({ length: bytes.length }, (_, i) => i) : sample(bytes.length, 60);
}

/** The cuts that change what is said of a stream. */
function differingCuts(endpoint: Endpoint, bytes: Buffer, cuts: readonly number[]): number[] {
  const expected = JSON.stringify(verdict(observe(endpoint, bytes)));
  return cuts.filter((cut) => JSON.stringify(verdict(observe(endpoint, bytes, [cut]))) !== expected);
}

describe('recorded complete streams', () => {
  test('are many, of all servers and of every streaming endpoint', () => {
    expect(complete.length).toBeGreaterThan(60);
    expect(new Set(complete.map(({ endpoint }) => endpoint))).toEqual(
      new Set(['chat', 'completions', 'responses', 'messages', 'ollama_chat', 'ollama_generate']),
    );
  });

  test.each(complete)(
    '$name is complete, with content, usage where reported and a boundary at its end',
    (recording) => {
      const observer = observe(recording.endpoint, recording.bytes);
      expect(verdict(observer)).toMatchObject({
        isComplete: true,
        hasContent: true,
        error: null,
        isGarbage: false,
        falseEndAt: null,
        boundary: recording.bytes.length,
      });
      expect(observer.model).not.toBeNull();
      expect(observer.finishReasons.length).toBeGreaterThan(0);
      if (/"(completion|output)_tokens":\s*[1-9]|"eval_count"|"predicted_n"/.test(recording.bytes.toString())) {
        expect(observer.usage?.completionTokens).toBeGreaterThan(0);
      }
    },
  );

  test.each(complete)('$name gives the same verdict wherever it is cut', ({ endpoint, bytes }) => {
    const expected = verdict(observe(endpoint, bytes));
    expect(differingCuts(endpoint, bytes, someCuts(bytes))).toEqual([]);
    // All event borders at once, missed by up to three bytes either way; then byte by byte.
    for (const shift of [-3, -2, -1, 0, 1, 2, 3]) {
      const shifted = borders(bytes).map((border) => Math.max(0, Math.min(bytes.length, border + shift)));
      expect(verdict(observe(endpoint, bytes, shifted))).toEqual(expected);
    }
    if (bytes.length <= 20_000) {
      expect(
        verdict(
          observe(
            endpoint,
            bytes,
            Array.from({ length: bytes.length }, (_, i) => i),
          ),
        ),
      ).toEqual(expected);
    }
  });

  test.each(complete)(
    '$name is incomplete when anything but line breaks is missing at its end',
    ({ endpoint, bytes }) => {
      const text = bytes.toString('latin1');
      const wrong: string[] = [];
      for (const length of [
        ...someCuts(bytes),
        ...borders(bytes).slice(-6),
        bytes.length - 1,
        bytes.length - 2,
        bytes.length - 3,
      ]) {
        const observer = observe(endpoint, bytes.subarray(0, length));
        if (observer.boundary > 0 && text[observer.boundary - 1] !== '\n')
          wrong.push(`boundary inside a line at ${length}`);
        if (observer.isComplete && /\S/.test(text.slice(length))) wrong.push(`complete at ${length}`);
      }
      expect(wrong).toEqual([]);
    },
  );

  test.each(complete.filter(({ endpoint }) => endpoint === 'chat'))(
    '$name counts the characters its client reads',
    ({ endpoint, bytes }) => {
      const deltas = bytes
        .toString()
        .split('\n')
        .filter((line) => line.startsWith('data: {'))
        .flatMap((line) => JSON.parse(line.slice(6)).choices)
        .map(({ delta }) => delta);
      const calls = deltas.flatMap((delta) => delta.tool_calls ?? []).map((call) => call.function);
      const texts = [...deltas.map((delta) => delta.content), ...calls.flatMap((call) => [call.name, call.arguments])];
      expect(observe(endpoint, bytes).contentCharacters).toBe(texts.join('').length);
    },
  );
});

describe('recorded broken streams', () => {
  test.each(Object.entries(broken))('%s is never complete; it is given away by: %s', (name, sign) => {
    const recording = recorded(name);
    expect(observe(recording.endpoint, recording.bytes, [], recording.isWhole).isComplete).toBe(false);
    expect(signOf(recording)).toBe(sign);
  });

  test.each(Object.keys(broken))('%s is broken wherever it is cut', (name) => {
    const { endpoint, bytes } = recorded(name);
    expect(differingCuts(endpoint, bytes, someCuts(bytes))).toEqual([]);
  });

  test('a stream that its client or a time limit ended is not complete', () => {
    const left = recordedStreams.filter(({ isWhole, name }) => !isWhole && !(name in broken));
    expect(left.length).toBeGreaterThan(10);
    for (const { endpoint, bytes } of left) expect(observe(endpoint, bytes, [], false).isComplete).toBe(false);
  });

  test('a false end is found where the provider wrote it, so that an error can be put before it', () => {
    for (const [name, sign] of Object.entries(broken)) {
      if (sign !== 'false end') continue;
      const { endpoint, bytes } = recorded(name);
      expect(observe(endpoint, bytes).falseEndAt).toBe(bytes.indexOf('data: [DONE]'));
    }
  });

  test('text that lost its way into a stream is kept out of what may be shown', () => {
    const { endpoint, bytes } = recorded('llama-server/router-child-killed-mid-stream');
    const observer = observe(endpoint, bytes);
    expect(observer.garbage).toBe('proxy error: Failed to read connection');
    expect(observer.boundary).toBe(bytes.indexOf('proxy error'));
  });

  test('an error event tells the status it names', () => {
    const { endpoint, bytes } = recorded('llama-server/kvfull-concurrent-1');
    expect(observe(endpoint, bytes).error).toEqual({
      message: 'Context size has been exceeded.',
      status: 500,
      raw: { error: { code: 500, message: 'Context size has been exceeded.', type: 'server_error' } },
    });
  });
});
