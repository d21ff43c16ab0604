import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLog } from '../../gateway/telemetry/log.ts';
import { rotatingFileSink } from '../../gateway/telemetry/log-sink.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'switchyard-log-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function readAll(path: string): string {
  return readdirSync(path)
    .map((name) => readFileSync(join(path, name), 'utf8'))
    .join('');
}

test('a file is added to, not begun anew, and its folder is created', async () => {
  const file = join(folder, 'logs', 'gateway.log');
  for (const message of ['first start', 'second start']) {
    const log = createLog({ level: 'info', isTerminal: false, destination: { file } });
    log.info(message);
    await log.close();
    log.info('after the end');
  }
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  expect(lines.map((line) => JSON.parse(line).message)).toEqual(['first start', 'second start']);
});

test('a full file is set aside, the oldest goes, and no line is lost or torn in between', async () => {
  const file = join(folder, 'gateway.log');
  const sink = rotatingFileSink(file, { maxBytes: 2_000, files: 3 });
  const log = createLog({ level: 'info', isTerminal: false, destination: sink });
  for (let line = 0; line < 100; line++) {
    log.info(`line ${line} ${'x'.repeat(50)}`);
    while (!readAll(folder).includes(`line ${line} `)) await new Promise((resolve) => setImmediate(resolve));
  }
  await log.close();
  expect(readdirSync(folder).sort()).toEqual(['gateway.log', 'gateway.log.1', 'gateway.log.2']);
  const numbers = ['gateway.log.2', 'gateway.log.1', 'gateway.log'].flatMap((name) =>
    readFileSync(join(folder, name), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => Number(JSON.parse(line).message.split(' ')[1])),
  );
  expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => 100 - numbers.length + index));
  expect(statSync(`${file}.1`).size).toBeGreaterThan(1_900);
  expect(statSync(`${file}.1`).size).toBeLessThan(3_000);
});

test('a destination that cannot be written costs lines and nothing else', async () => {
  writeFileSync(join(folder, 'not-a-folder'), '');
  const log = createLog({
    level: 'info',
    isTerminal: false,
    destination: { file: join(folder, 'not-a-folder', 'gateway.log') },
  });
  log.error('nobody reads this');
  log.flush();
  await log.close();
});

test('what was said before a fatal error is on standard error when the process is gone', async () => {
  const script = join(folder, 'fatal.ts');
  const log = new URL('../../gateway/telemetry/log.ts', import.meta.url).href;
  writeFileSync(
    script,
    `import { createLog } from ${JSON.stringify(log)};
     const log = createLog({ level: 'info', isTerminal: false });
     process.on('uncaughtException', () => { log.error('fatal'); log.flush(); process.exit(70); });
     for (let line = 0; line < 200; line++) log.info('line ' + line);
     throw new Error('now');`,
  );
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'ignore', 'pipe'] });
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  await once(child, 'close');
  expect(child.exitCode).toBe(70);
  expect(text.trim().split('\n')).toHaveLength(201);
  expect(text).toContain('"message":"fatal"');
});
