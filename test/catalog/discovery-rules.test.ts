import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import {
  discoveredProvider,
  discoveryAddresses,
  type FoundServer,
  isOllamaChild,
  nameFinds,
  parseOllamaHost,
  usualPorts,
  worthHaving,
} from '../../gateway/catalog/discovery-rules.ts';
import { discoveredAsYaml } from '../../gateway/catalog/discovery-yaml.ts';
import { factsOf } from '../../gateway/providers/openai-models.ts';

const loopback = ['127.0.0.1', '[::1]'];

describe('OLLAMA_HOST is read as Ollama reads it', () => {
  test.each([
    ['127.0.0.1', { scheme: 'http', hosts: loopback.slice(0, 1), port: 11434 }],
    ['localhost:11500', { scheme: 'http', hosts: loopback, port: 11500 }],
    [':11500', { scheme: 'http', hosts: loopback, port: 11500 }],
    ['0.0.0.0', { scheme: 'http', hosts: loopback, port: 11434 }],
    ['[::]:11500', { scheme: 'http', hosts: loopback, port: 11500 }],
    ['[::1]:11500', { scheme: 'http', hosts: ['[::1]'], port: 11500 }],
    ['http://gpu-box', { scheme: 'http', hosts: ['gpu-box'], port: 80 }],
    ['https://gpu-box.lan/path', { scheme: 'https', hosts: ['gpu-box.lan'], port: 443 }],
    ['192.168.1.20:99999', { scheme: 'http', hosts: ['192.168.1.20'], port: 11434 }],
    ['', null],
    ['https://ollama.com', null],
    ['8.8.8.8', null],
    ['what is this', null],
  ])('%s', (value, address) => {
    expect(parseOllamaHost(value)).toEqual(address);
  });

  test('its address comes first and is asked once', () => {
    expect(discoveryAddresses(undefined)).toHaveLength(usualPorts.length);
    expect(discoveryAddresses('localhost:11434')).toHaveLength(usualPorts.length);
    const addresses = discoveryAddresses('localhost:12345');
    expect(addresses[0]?.port).toBe(12345);
    expect(addresses).toHaveLength(usualPorts.length + 1);
  });
});

function server(
  kind: FoundServer['kind'],
  port: number,
  models: readonly (string | [string, string])[] | null,
): FoundServer {
  return {
    kind,
    baseUrl: `http://127.0.0.1:${port}`,
    version: null,
    models:
      models?.map((model) => {
        const [id, digest] = typeof model === 'string' ? [model, null] : model;
        return { ...factsOf(id, {}), digest };
      }) ?? null,
  };
}

describe('which finds are worth having', () => {
  const ollama = server('ollama', 11434, [['qwen3:8b', 'sha-a']]);
  const vllm = server('vllm', 8001, ['Qwen/Qwen3-8B']);
  const blob = `/home/u/.ollama/models/blobs/sha256-${'a'.repeat(64)}`;

  test("Ollama's own children are not", () => {
    expect(isOllamaChild(server('llama_cpp', 40001, [blob]))).toBe(true);
    expect(isOllamaChild(server('llama_cpp', 40001, [blob.slice(blob.indexOf('sha256'))]))).toBe(true);
    expect(isOllamaChild(server('llama_cpp', 8080, ['/models/sha256-notes.gguf']))).toBe(false);
    expect(worthHaving([ollama, server('llama_cpp', 8080, [blob])])).toEqual([ollama]);
  });

  test("a gateway's copy of what is there itself is not", () => {
    const gateway = server('openai', 8000, ['ollama/qwen3:8b', 'vllm/Qwen/Qwen3-8B']);
    expect(worthHaving([gateway, ollama, vllm])).toEqual([ollama, vllm]);
  });

  test('nor is its copy of a server that is configured', () => {
    expect(worthHaving([server('openai', 8000, ['qwen3:8b'])], [ollama])).toEqual([]);
  });

  test('a server with one model of its own is worth having', () => {
    const other = server('openai', 1234, ['qwen3:8b', 'gemma-3-4b']);
    expect(worthHaving([ollama, other])).toEqual([ollama, other]);
  });

  test('two names of one Ollama are one', () => {
    expect(worthHaving([ollama, { ...ollama, baseUrl: 'http://127.0.0.1:12345' }])).toEqual([ollama]);
  });

  test('two servers of one model are two', () => {
    const second = server('vllm', 8000, ['Qwen/Qwen3-8B']);
    expect(worthHaving([vllm, second])).toEqual([vllm, second]);
  });

  test('one that tells no models is kept', () => {
    const silent = server('llama_cpp_python', 8000, null);
    expect(worthHaving([silent])).toEqual([silent]);
  });
});

test('finds are named by kind, further ones by address', () => {
  const found = [
    { kind: 'vllm', baseUrl: 'http://127.0.0.1:8000' },
    { kind: 'vllm', baseUrl: 'http://127.0.0.1:8001' },
    { kind: 'ollama', baseUrl: 'http://127.0.0.1:11434' },
  ] as const;
  const names = nameFinds(found, new Set(['ollama'])).map((provider) => provider.name);
  expect(names).toEqual(['vllm', 'vllm@127.0.0.1:8001', 'ollama@127.0.0.1:11434']);
});

describe('finds as a configuration', () => {
  const find = (name: string, kind: FoundServer['kind'], port: number) => ({
    provider: discoveredProvider({ name, kind, baseUrl: `http://127.0.0.1:${port}` }),
    version: '0.17.4\nproviders: {}',
    modelCount: 3,
    product: 'Something',
    needsKey: true,
  });

  test('says where each is, and can be read again', () => {
    const yaml = discoveredAsYaml([find('ollama', 'ollama', 11434), find('vllm@127.0.0.1:8001', 'vllm', 8001)]);
    expect(parse(yaml)).toEqual({
      providers: {
        ollama: { kind: 'ollama', base_url: 'http://127.0.0.1:11434' },
        'vllm@127.0.0.1:8001': { kind: 'vllm', base_url: 'http://127.0.0.1:8001' },
      },
      default_provider: 'ollama',
    });
    expect(yaml).toContain('# Something 0.17.4providers: {}, 3 models, needs an api_key');
  });

  test('none: an example to fill in', () => {
    expect(parse(discoveredAsYaml([]))).toBeNull();
    expect(discoveredAsYaml([])).toContain('base_url:');
  });
});
