// Which real servers the environment names. Each is an address such as http://127.0.0.1:11434.

import type { ProviderKind } from '../../gateway/types.ts';

export interface RealServer {
  readonly name: string;
  readonly kind: ProviderKind;
  readonly variable: string;
  readonly url: string | null;
}

function named(name: string, kind: ProviderKind, variable: string): RealServer {
  return { name, kind, variable, url: process.env[variable] ?? null };
}

export const realServers: readonly RealServer[] = [
  named('ollama', 'ollama', 'SWITCHYARD_TEST_OLLAMA'),
  named('llama_cpp', 'llama_cpp', 'SWITCHYARD_TEST_LLAMA_CPP'),
  // Started with --models-dir.
  named('llama_router', 'llama_cpp', 'SWITCHYARD_TEST_LLAMA_ROUTER'),
  // Started with --embeddings and a pooling type.
  named('llama_embeddings', 'llama_cpp', 'SWITCHYARD_TEST_LLAMA_EMBEDDINGS'),
  named('llama_cpp_python', 'llama_cpp_python', 'SWITCHYARD_TEST_LLAMA_CPP_PYTHON'),
  named('vllm', 'vllm', 'SWITCHYARD_TEST_VLLM'),
];

export interface PresentServer extends RealServer {
  readonly url: string;
}

export const presentServers: readonly PresentServer[] = realServers.flatMap((server) =>
  server.url === null ? [] : [{ ...server, url: server.url }],
);

/** The named ones among those of the environment; for `describe.skipIf(servers.length === 0)`. */
export function present(...names: readonly string[]): readonly PresentServer[] {
  return presentServers.filter(({ name }) => names.includes(name));
}

/** A configuration with all of them; `extra` is written into each provider's entry. */
export function configurationOf(servers: readonly RealServer[], extra = ''): string {
  const lines = servers.map(({ name, kind, url }) => `  ${name}: { kind: ${kind}, base_url: "${url}"${extra} }`);
  return `providers:\n${lines.join('\n')}\n`;
}
