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
  named('llama_router', 'llama_cpp', 'SWITCHYARD_TEST_LLAMA_ROUTER'),
  named('llama_cpp_python', 'llama_cpp_python', 'SWITCHYARD_TEST_LLAMA_CPP_PYTHON'),
  named('vllm', 'vllm', 'SWITCHYARD_TEST_VLLM'),
];

export const presentServers = realServers.filter((server) => server.url !== null);

/** A configuration with all of them. */
export function configurationOf(servers: readonly RealServer[]): string {
  const lines = servers.map(({ name, kind, url }) => `  ${name}: { kind: ${kind}, base_url: "${url}" }`);
  return `providers:\n${lines.join('\n')}\n`;
}
