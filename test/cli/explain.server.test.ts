// `switchyard explain` as a process: beside a running gateway, and where there is none.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AdminDecision } from '../../gateway/contract.ts';
import { startOllama } from '../backends/ollama.ts';
import { Workplace } from './support.ts';

let ollama: Awaited<ReturnType<typeof startOllama>>;

beforeAll(async () => {
  ollama = await startOllama();
});

afterAll(() => ollama.close());

const MODEL = 'qwen3:0.6b';

function config(): string {
  return `providers:
  ollama: { kind: ollama, base_url: ${ollama.url} }
  box: { kind: vllm, base_url: http://127.0.0.1:9 }
exact_matches:
  "${MODEL}": { provider: ollama }
request_metadata_routing:
  red: { condition: 'header.x-team == "red"', provider: ollama, model: "llama3.1:8b" }
`;
}

describe('switchyard explain', () => {
  test('beside a running gateway asks that one, for people and for scripts', async () => {
    await using place = new Workplace();
    await place.start(['--config', place.write('a.yaml', config())]);
    const data = ['--data', place.data];
    const tree = await place.run(['explain', '--model', MODEL, ...data]);
    expect(tree).toMatchObject({ code: 0, err: '' });
    expect(tree.out).toMatch(/exact\s+matched/);
    expect(tree.out).toContain(`└─ ollama is asked for ${MODEL} by exact:${MODEL}\n`);
    const body = place.write('body.json', JSON.stringify({ model: MODEL, messages: [] }));
    const json = await place.run(['explain', '--body', body, '--header', 'X-Team: red', '--json', ...data]);
    expect(JSON.parse(json.out)).toMatchObject({ rule: 'metadata:red', chosen: { model: 'llama3.1:8b' } });
    const down = await place.run(['explain', '--model', MODEL, '--down', 'olama', ...data]);
    expect(down).toMatchObject({ code: 1, out: '', err: expect.stringContaining('did you mean "ollama"?') });
    const other = place.write('other.yaml', config().replace(`"${MODEL}"`, '"other"'));
    const without = await place.run(['explain', '--model', MODEL, '--config', other, '--json', ...data]);
    expect(without).toMatchObject({ code: 0, err: expect.stringContaining('runs on other files') });
    expect(JSON.parse(without.out)).toMatchObject({ rule: 'catalog' });
  });

  test('without a gateway probes once, says so, and leaves nothing behind', async () => {
    await using place = new Workplace();
    const file = place.write('a.yaml', config());
    const args = ['explain', '--model', MODEL, '--config', file, '--data', place.data];
    const { code, out, err } = await place.run([...args, '--down', 'box', '--json']);
    expect(code).toBe(0);
    expect(err).toContain('explained without a gateway');
    const decision = JSON.parse(out) as AdminDecision;
    expect(decision).toMatchObject({ rule: `exact:${MODEL}`, chosen: { provider: 'ollama', model: MODEL } });
    expect(() => readdirSync(join(place.folder, 'data'))).toThrow();
    const refused = await place.run(['explain', '--model', 'nobody-has-this', '--config', file, '--data', place.data]);
    expect(refused).toMatchObject({ code: 0, out: expect.stringContaining('└─ no_available_deployment') });
  });

  test('tells what is wrong with the command, the body or the configuration', async () => {
    await using place = new Workplace();
    expect(await place.run(['explain'])).toMatchObject({ code: 2, err: expect.stringContaining('needs a request') });
    const absent = await place.run(['explain', '--body', 'absent.json']);
    expect(absent).toMatchObject({ code: 2, err: expect.stringContaining('absent.json cannot be read') });
    place.write('bad.yaml', 'nonsense: 1\n');
    const bad = await place.run(['explain', '--model', 'm', '--config', 'bad.yaml', '--data', place.data]);
    expect(bad).toMatchObject({ code: 1, err: expect.stringContaining('bad.yaml:1:1 error unknown_key') });
  });
});
