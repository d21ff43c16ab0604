// What a kind declares to refuse is what its recordings refused, and nothing that they took.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { adapters } from '../../gateway/providers/index.ts';
import type { ProviderKind } from '../../gateway/types.ts';
import { type RecordedServer, recorded, recordingNames } from './recordings.ts';

const servers: Readonly<Record<RecordedServer, ProviderKind>> = {
  ollama: 'ollama',
  vllm: 'vllm',
  'llama-server': 'llama_cpp',
  'llama-cpp-python': 'llama_cpp_python',
};

/** The recording that shows it, by kind and field. */
const shownBy: Readonly<Record<string, string>> = {
  'vllm stream_options': 'vllm/err_stream_options_without_stream',
  'llama_cpp_python response_format': 'llama-cpp-python/chat-json-schema',
};

/** The body of a recorded request; null: it is no JSON object. */
function bodyOf(name: string): Readonly<Record<string, unknown>> | null {
  const file = join(import.meta.dirname, '../recordings', `${name}.json`);
  const { body } = (JSON.parse(readFileSync(file, 'utf8')) as { request: { body?: unknown } }).request;
  const parsed = typeof body === 'string' ? jsonIn(body) : body;
  return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? { ...parsed } : null;
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

test('each declared field has a recording in which it was refused', () => {
  const declared = Object.values(adapters).flatMap(({ kind, quirks }) =>
    quirks.refuses.map((refused) => ({ id: `${kind} ${refused.field}`, refused })),
  );
  expect(declared.map(({ id }) => id).sort()).toEqual(Object.keys(shownBy).sort());
  for (const { id, refused } of declared) {
    const name = shownBy[id] ?? '';
    const body = bodyOf(name) ?? {};
    expect(recorded(name).status).toBeGreaterThanOrEqual(400);
    expect([id, Object.hasOwn(body, refused.field) && refused.isRefused(body)]).toEqual([id, true]);
  }
});

test('nothing that a server took is declared as refused', () => {
  let taken = 0;
  for (const server of Object.keys(servers) as RecordedServer[]) {
    const { paths, quirks } = adapters[servers[server]];
    for (const name of recordingNames(server).map((one) => `${server}/${one}`)) {
      const { path, status } = recorded(name);
      const body = status === 200 ? bodyOf(name) : null;
      if (body === null) continue;
      for (const { endpoint, field, isRefused } of quirks.refuses) {
        if (path !== paths[endpoint] || !Object.hasOwn(body, field)) continue;
        taken += 1;
        expect([name, field, isRefused(body)]).toEqual([name, field, false]);
      }
    }
  }
  expect(taken).toBeGreaterThan(2);
});
