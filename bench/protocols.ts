// What the protocol code costs on the hot path: `node scripts/run.cjs bench/protocols.ts`. Medians of many short rounds.

import { applyEdits, jsonDepthExceeds } from '../gateway/protocols/json-text.ts';
import { createStreamObserver } from '../gateway/protocols/observer.ts';
import { planRequestEdits } from '../gateway/protocols/request-edits.ts';
import type { Endpoint } from '../gateway/types.ts';

const ROUNDS = 60;
const CHUNKS = 2_000;

/** Median microseconds of one step over many rounds of `steps` steps. */
function medianUs(steps: number, round: () => void): number {
  const times: number[] = [];
  for (let i = 0; i < ROUNDS; i += 1) {
    const startedAtMs = performance.now();
    round();
    times.push(((performance.now() - startedAtMs) * 1_000) / steps);
  }
  return times.sort((a, b) => a - b)[ROUNDS / 2] ?? Number.NaN;
}

function chunksOf(event: (i: number) => string): Buffer[] {
  return Array.from({ length: CHUNKS }, (_, i) => Buffer.from(event(i)));
}

const streams: readonly (readonly [string, Endpoint, Buffer[]])[] = [
  [
    'chat, vLLM, 220 bytes',
    'chat',
    chunksOf(
      (i) =>
        `data: {"id":"chatcmpl-820a57c53454e532","object":"chat.completion.chunk","created":1795255845,"model":"tiny-vllm","choices":[{"index":0,"delta":{"content":" word${i % 10}"},"logprobs":null,"finish_reason":null,"token_ids":null}]}\n\n`,
    ),
  ],
  [
    'messages',
    'messages',
    chunksOf(
      (i) =>
        `event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" word${i % 10}"}}\n\n`,
    ),
  ],
  [
    'responses',
    'responses',
    chunksOf(
      (i) =>
        `event: response.output_text.delta\ndata: {"content_index":0,"delta":" word","item_id":"msg_212877","logprobs":[],"output_index":0,"sequence_number":${i},"type":"response.output_text.delta"}\n\n`,
    ),
  ],
  [
    'Ollama chat',
    'ollama_chat',
    chunksOf(
      (i) =>
        `{"model":"tiny","created_at":"2026-11-21T10:19:48.${100_000 + i}Z","message":{"role":"assistant","content":" word"},"done":false}\n`,
    ),
  ],
];

for (const [name, endpoint, chunks] of streams) {
  const us = medianUs(chunks.length, () => {
    const observer = createStreamObserver(endpoint);
    for (const chunk of chunks) observer.push(chunk);
    if (observer.contentCount !== chunks.length) throw new Error('content was missed');
  });
  console.log(`observe ${name}: ${us.toFixed(2)} us per chunk`);
}

const quirks = { needsMaxTokens: false, needsSystemRole: false, needsPlainTextContent: false, refuses: [] };
for (const kilobytes of [1, 10, 100, 1_000]) {
  const turn = { role: 'user', content: 'lorem ipsum dolor sit amet, "consectetur" adipiscing '.repeat(9) };
  const messages = Array.from({ length: kilobytes * 2 }, () => turn);
  const body = { model: 'alias', stream: true, messages };
  const bytes = Buffer.from(JSON.stringify(body));
  const repeats = Math.max(1, Math.round(2_000 / kilobytes));
  const size = `${Math.round(bytes.length / 1_000)} kB`;
  const edit = medianUs(repeats, () => {
    for (let i = 0; i < repeats; i += 1) {
      const input = { endpoint: 'chat', body, upstreamModel: 'm', quirks, dropsRefused: false } as const;
      applyEdits(bytes, planRequestEdits(input).edits);
    }
  });
  const depth = medianUs(repeats, () => {
    for (let i = 0; i < repeats; i += 1) jsonDepthExceeds(bytes, 200);
  });
  const parse = medianUs(repeats, () => {
    for (let i = 0; i < repeats; i += 1) JSON.parse(bytes.toString('utf8'));
  });
  console.log(
    `${size}: model replaced ${edit.toFixed(1)} us, depth ${depth.toFixed(1)} us; for scale, JSON.parse ${parse.toFixed(1)} us`,
  );
}
