// The command as scripts use it: processes, exit codes, standard output.

import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { startOllama } from '../backends/ollama.ts';
import { send } from '../support/http.ts';
import { Workplace } from './support.ts';

const NO_OLLAMA = { OLLAMA_HOST: '127.0.0.1:9' };

function configFor(url: string): string {
  return `providers:\n  ollama: { kind: ollama, base_url: ${url} }\ndefault_provider: ollama\n`;
}

async function impostor(answer: (request: IncomingMessage) => string) {
  const seen: IncomingMessage[] = [];
  const server = createHttpServer((request, response) => {
    seen.push(request);
    response.end(answer(request));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    seen,
    port: typeof address === 'object' && address ? address.port : 0,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

describe('switchyard', () => {
  test('--version, --help and wrong usage end with their codes, help on the right stream', async () => {
    await using place = new Workplace();
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(await place.run(['--version'])).toMatchObject({ code: 0, out: `${version}\n` });
    expect(await place.run(['--help'])).toMatchObject({ code: 0, out: expect.stringContaining('Usage:'), err: '' });
    expect(await place.run(['nonsense'])).toMatchObject({ code: 2, out: '', err: expect.stringContaining('Usage:') });
  });

  test('schema prints the JSON Schema', async () => {
    await using place = new Workplace();
    const { code, out } = await place.run(['schema']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ type: 'object', properties: { providers: expect.anything() } });
  });

  test('token prints the one in the data folder, made if there is none', async () => {
    await using place = new Workplace();
    const first = await place.run(['token', '--data', place.data]);
    const file = join(place.data, 'management-token');
    expect([first.code, first.out]).toEqual([0, readFileSync(file, 'utf8')]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect((await place.run(['token', '--data', 'data'])).out).toBe(first.out);
  });
});

describe('switchyard check', () => {
  test('prints file:line:col severity code message and fails on errors', async () => {
    await using place = new Workplace();
    place.write('bad.yaml', 'providers:\n  a: { kind: olama, base_url: http://x:1 }\n  b: { kind: vllm }\n');
    const { code, out } = await place.run(['check', 'bad.yaml']);
    expect(code).toBe(1);
    const lines = out.trim().split('\n');
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) expect(line).toMatch(/^bad\.yaml:\d+:\d+ (error|warning|lint) [a-z_]+ \S/);
    expect(out).toContain('bad.yaml:2:14 error');
  });

  test('is content with a good file, and strict about warnings', async () => {
    await using place = new Workplace();
    const good = place.write('good.yaml', configFor('http://127.0.0.1:11434'));
    expect(await place.run(['check', good])).toMatchObject({ code: 0, out: '' });
    const odd = place.write(
      'odd.yaml',
      `${configFor('http://127.0.0.1:11434')}litellm_settings: { nonsense_key: 1 }\n`,
    );
    expect(await place.run(['check', odd])).toMatchObject({ code: 0, out: expect.stringMatching(/ (warning|lint) /) });
    expect(await place.run(['check', '--strict', odd])).toMatchObject({ code: 1 });
  });

  test('as JSON has every field of every problem', async () => {
    await using place = new Workplace();
    const file = place.write('bad.yaml', 'nonsense: 1\n');
    const { code, out } = await place.run(['check', '--json', file]);
    expect(code).toBe(1);
    expect(JSON.parse(out)).toEqual([
      expect.objectContaining({ file, line: 1, column: 1, severity: 'error', code: 'unknown_key', path: 'nonsense' }),
    ]);
  });

  test('lints rules that cannot do what they were written for, strictly if asked to', async () => {
    await using place = new Workplace();
    const rules = 'patterns:\n  - { pattern: "^a", provider: ollama }\n  - { pattern: "^ab", provider: ollama }\n';
    const file = place.write('shadow.yaml', configFor('http://127.0.0.1:11434') + rules);
    const lenient = await place.run(['check', file, '--data', place.data]);
    expect(lenient.out).toMatch(/^shadow\.yaml:6:5 lint unreachable_rule pattern 1 /);
    expect(lenient).toMatchObject({ code: 0, err: expect.stringContaining('the models of ollama are not known') });
    expect(await place.run(['check', '--strict', file, '--data', place.data])).toMatchObject({ code: 1 });
  });

  test('holds patterns and sizes against the models that a gateway has listed', async () => {
    await using place = new Workplace();
    const ollama = await startOllama();
    try {
      const rules = `patterns:
  - { pattern: "^nobody", provider: ollama }
  - { pattern: "^qwen3", provider: ollama }
model_size_routing:
  - { size: "> 100B", provider: ollama }
`;
      const file = place.write('a.yaml', configFor(ollama.url) + rules);
      const started = await place.start(['--config', file]);
      await send(`${started.url}/v1/models`);
      started.child.kill('SIGTERM');
      await started.ended;
      const { out, err } = await place.run(['check', file, '--data', place.data]);
      const lints = out
        .trim()
        .split('\n')
        .map((line) => line.split(' ').slice(0, 3).join(' '));
      expect(lints).toEqual([
        expect.stringMatching(/^a\.yaml:5:\d+ lint matches_no_model$/),
        expect.stringMatching(/^a\.yaml:8:\d+ lint matches_no_model$/),
      ]);
      expect(err).not.toContain('not known');
    } finally {
      await ollama.close();
    }
  });

  test('finds what start would find, and says when there is nothing', async () => {
    await using place = new Workplace();
    expect(await place.run(['check'])).toMatchObject({ code: 1, err: expect.stringContaining('no configuration') });
    place.write('switchyard.yaml', 'nonsense: 1\n');
    expect(await place.run(['check'])).toMatchObject({
      code: 1,
      out: expect.stringContaining('switchyard.yaml:1:1 error'),
    });
    expect(await place.run(['check', 'absent.yaml'])).toMatchObject({
      code: 1,
      out: expect.stringContaining('absent.yaml'),
    });
  });
});

describe('switchyard discover', () => {
  test('prints what it finds as a configuration to keep, and as JSON', async () => {
    await using place = new Workplace();
    const ollama = await startOllama();
    const env = { OLLAMA_HOST: new URL(ollama.url).host };
    try {
      const yaml = await place.run(['discover', '--port', '1'], env);
      expect(yaml.code).toBe(0);
      const providers = (parse(yaml.out) as { providers: Record<string, { kind: string; base_url: string }> })
        .providers;
      expect(Object.values(providers)).toContainEqual({ kind: 'ollama', base_url: ollama.url });
      const kept = place.write('kept.yaml', yaml.out);
      expect(await place.run(['check', kept])).toMatchObject({ code: 0, out: '' });
      const json = await place.run(['discover', '--json'], env);
      expect(JSON.parse(json.out)).toContainEqual(
        expect.objectContaining({ kind: 'ollama', base_url: ollama.url, models: 3 }),
      );
    } finally {
      await ollama.close();
    }
  });
});

describe('switchyard start', () => {
  test('says where it listens when it does, serves, and ends cleanly on SIGTERM', async () => {
    await using place = new Workplace();
    const ollama = await startOllama();
    try {
      const config = place.write('a.yaml', configFor(ollama.url));
      const started = await place.start(['--config', config]);
      expect(started.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
      const models = await send(`${started.url}/v1/models`);
      expect(models.text).toContain('qwen3:0.6b');
      started.child.kill('SIGTERM');
      const { code, out } = await started.ended;
      expect([code, out]).toEqual([0, `listening on ${started.url}\n`]);
      await expect(send(`${started.url}/v1/models`)).rejects.toThrow();
      expect(existsSync(join(place.data, 'running.json'))).toBe(false);
    } finally {
      await ollama.close();
    }
  });

  test('SIGINT lets a running answer end, a second one does not wait for it', async () => {
    await using place = new Workplace();
    const started = await place.start([], NO_OLLAMA);
    // A request whose body never comes keeps the gateway from ending by itself.
    const socket = connect(Number(new URL(started.url).port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(
      'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 50\r\n\r\n',
    );
    // `100 Continue` tells that the request is being served.
    await once(socket, 'data');
    started.child.kill('SIGINT');
    await once(started.child.stderr, 'data');
    expect(started.child.exitCode).toBeNull();
    started.child.kill('SIGINT');
    const { code } = await started.ended;
    expect(code).toBe(4);
  });

  test('with errors in the configuration prints them all and starts nothing', async () => {
    await using place = new Workplace();
    const config = place.write('bad.yaml', 'providers:\n  a: { kind: olama, base_url: http://x:1 }\nnonsense: 1\n');
    const { code, out, err } = await place.run(['start', '--port', '0', '--data', place.data, '--config', config]);
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(/^bad\.yaml:2:14 error /m);
    expect(err).toMatch(/^bad\.yaml:3:1 error /m);
  });

  test('on a taken port names the holder', async () => {
    await using place = new Workplace();
    await using other = await impostor(() => 'x');
    const { code, err } = await place.run(['start', '--port', String(other.port), '--data', place.data], NO_OLLAMA);
    expect(code).toBe(1);
    expect(err).toContain(`process ${process.pid}`);
  });

  test('on other addresses without keys is refused in words', async () => {
    await using place = new Workplace();
    const { code, err } = await place.run(
      ['start', '--port', '0', '--host', '0.0.0.0', '--data', place.data],
      NO_OLLAMA,
    );
    expect([code, err]).toEqual([1, expect.stringContaining('server.api_keys')]);
  });
});

describe('switchyard status', () => {
  test('finds the gateway of a data folder on whatever port it got', async () => {
    await using place = new Workplace();
    const started = await place.start([], NO_OLLAMA);
    const text = await place.run(['status', '--data', place.data]);
    expect(text).toMatchObject({ code: 0, out: expect.stringContaining(`at ${started.url}, up `) });
    const json = await place.run(['status', '--json', '--data', place.data, '--port', new URL(started.url).port]);
    expect(JSON.parse(json.out)).toMatchObject({ product: 'switchyard', url: started.url, dataFolder: place.data });
  });

  test('of a gateway that is not there ends with its own code', async () => {
    await using place = new Workplace();
    const never = await place.run(['status', '--data', place.data, '--port', '1']);
    expect(never).toMatchObject({ code: 3, out: '', err: expect.stringContaining('no gateway has run') });
    await place.run(['token', '--data', place.data]);
    const gone = await place.run(['status', '--data', place.data, '--port', '1']);
    expect(gone).toMatchObject({ code: 3, err: expect.stringContaining('http://127.0.0.1:1') });
  });

  test('never shows the token to a listener that does not know it', async () => {
    await using place = new Workplace();
    await place.run(['token', '--data', place.data]);
    await using other = await impostor(() => '{"product":"switchyard","proof":"00"}');
    const { code, err } = await place.run(['status', '--data', place.data, '--port', String(other.port)]);
    expect([code, err]).toEqual([3, expect.stringContaining('the token was not sent')]);
    expect(other.seen.map(({ url }) => url?.split('?')[0])).toEqual(['/admin/challenge']);
    expect(other.seen[0]?.headers.authorization).toBeUndefined();
  });

  test('is not taken in by a listener that has the real gateway answer for it', async () => {
    await using place = new Workplace();
    const started = await place.start([], NO_OLLAMA);
    const tokens: (string | undefined)[] = [];
    const server = createHttpServer((request, response) => {
      tokens.push(request.headers.authorization);
      void send(started.url + request.url).then((answer) => response.end(answer.body));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const { code } = await place.run(['status', '--data', place.data, '--port', String(port)]);
    server.close();
    expect([code, tokens]).toEqual([3, [undefined]]);
  });

  test('takes the note of a gateway that was killed for what it is', async () => {
    await using place = new Workplace();
    const started = await place.start([], NO_OLLAMA);
    started.child.kill('SIGKILL');
    await started.ended;
    expect(existsSync(join(place.data, 'running.json'))).toBe(true);
    const config = place.write('a.yaml', 'server: { port: 1 }\n');
    const { code, err } = await place.run(['status', '--data', place.data, '--config', config]);
    expect([code, err]).toEqual([3, expect.stringContaining('http://127.0.0.1:1:')]);
    writeFileSync(join(place.data, 'running.json'), 'not json');
    expect(await place.run(['status', '--data', place.data, '--config', config])).toMatchObject({ code: 3 });
  });
});

describe('switchyard ui', () => {
  test('prints a link that signs a browser in once, and opens it where there is a desktop', async () => {
    await using place = new Workplace();
    const { url } = await place.start([], NO_OLLAMA);
    const { code, out } = await place.run(['ui', '--data', place.data]);
    expect(code).toBe(0);
    const link = out.trim();
    expect(link).toMatch(new RegExp(`^${url}/ui/enter/[\\w-]{32}$`));
    expect((await send(link)).headers['set-cookie']?.toString()).toContain('HttpOnly');
    expect((await send(link)).headers['set-cookie']).toBeUndefined();

    const asked = join(place.folder, 'asked');
    const opener = place.write('bin/xdg-open', `#!/bin/sh\necho "$1" > ${asked}\n`);
    chmodSync(opener, 0o755);
    const opened = await place.run(['ui', '--open', '--data', place.data], { PATH: join(place.folder, 'bin') });
    expect(opened).toMatchObject({ code: 0, err: '' });
    expect(readFileSync(asked, 'utf8').trim()).toBe(opened.out.trim());
    const none = await place.run(['ui', '--open', '--data', place.data], { PATH: place.folder });
    expect(none).toMatchObject({ code: 0, err: expect.stringContaining('no browser') });
  });

  test('without a gateway ends with 3', async () => {
    await using place = new Workplace();
    expect(await place.run(['ui', '--data', place.data])).toMatchObject({ code: 3, out: '' });
  });
});
