// Load on one address: `wrk` for as many requests as it takes, raw sockets for a fixed rate and for streams.

import { spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { CHUNKS_PER_STREAM } from './backend.ts';
import { hasCommand, LOAD_CPU } from './processes.ts';

/** A chat request of about that many bytes, its marker in front. */
export function chatBody(bytes: number, marker: object = {}): string {
  const build = (padding: string) =>
    JSON.stringify({
      ...marker,
      model: 'bench',
      max_tokens: 64,
      messages: [{ role: 'user', content: `Hello ${padding}` }],
    });
  return build('x'.repeat(Math.max(bytes - build('').length, 0)));
}

const PATH = '/v1/chat/completions';

export interface Burst {
  readonly requestsPerSecond: number;
  readonly requests: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly errors: number;
}

function milliseconds(text: string | undefined): number {
  const found = /^([\d.]+)(us|ms|s)$/.exec(text ?? '');
  const factor = { us: 0.001, ms: 1, s: 1_000 }[found?.[2] ?? 'ms'] ?? 1;
  return Number(found?.[1] ?? Number.NaN) * factor;
}

const scripts = mkdtempSync(path.join(tmpdir(), 'switchyard-wrk-'));

/** One burst of `wrk` with one thread. */
export async function wrkBurst(port: number, connections: number, seconds: number, body: string): Promise<Burst> {
  const script = path.join(scripts, `post-${body.length}.lua`);
  writeFileSync(
    script,
    `wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nwrk.body = ${JSON.stringify(body)}\n`,
  );
  const command = [
    'wrk',
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--timeout',
    '10s',
    '--latency',
    '-s',
    script,
    `http://127.0.0.1:${port}${PATH}`,
  ];
  const [program = '', ...args] =
    availableParallelism() > 1 && hasCommand('taskset') ? ['taskset', '-c', LOAD_CPU, ...command] : command;
  const output = await new Promise<string>((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.on('exit', () => resolve(text));
    child.on('error', reject);
  });
  const number = (pattern: RegExp) => Number(pattern.exec(output)?.[1] ?? 0);
  return {
    requestsPerSecond: number(/Requests\/sec:\s+([\d.]+)/),
    requests: number(/(\d+) requests in/),
    p50Ms: milliseconds(/50%\s+(\S+)/.exec(output)?.[1]),
    p99Ms: milliseconds(/99%\s+(\S+)/.exec(output)?.[1]),
    errors: number(/Non-2xx or 3xx responses: (\d+)/) + number(/timeout (\d+)/),
  };
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

function request(port: number, body: string): Buffer {
  return Buffer.from(
    `POST ${PATH} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

async function connected(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return socket;
}

/** Sends that many requests a second over a few kept connections, however slow the answers; returns every latency in ms. */
export async function fixedRate(port: number, perSecond: number, seconds: number, body: string): Promise<number[]> {
  const bytes = request(port, body);
  const sockets = await Promise.all(Array.from({ length: 8 }, () => connected(port)));
  const latencies: number[] = [];
  const idle: Socket[] = [...sockets];
  const total = perSecond * seconds;
  let sent = 0;
  const startedAt = performance.now();
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      while (sent < total && sent < ((performance.now() - startedAt) / 1_000) * perSecond) {
        const socket = idle.shift();
        if (!socket) return;
        sent += 1;
        const sentAt = performance.now();
        let missing = -1;
        const onData = (chunk: Buffer): void => {
          if (missing < 0) {
            const head = chunk.indexOf('\r\n\r\n');
            missing =
              Number(/content-length: *(\d+)/i.exec(chunk.toString('latin1', 0, head))?.[1]) -
              (chunk.length - head - 4);
          } else missing -= chunk.length;
          if (missing > 0) return;
          socket.off('data', onData);
          latencies.push(performance.now() - sentAt);
          idle.push(socket);
          if (latencies.length === total) {
            clearInterval(timer);
            resolve();
          }
        };
        socket.on('data', onData);
        socket.write(bytes);
      }
    }, 1);
  });
  for (const socket of sockets) socket.destroy();
  return latencies;
}

export interface StreamBurst {
  readonly chunks: number;
  readonly seconds: number;
  /** From the backend's write to our read, in ms; empty for unpaced streams. */
  readonly latenciesMs: readonly number[];
}

/** Runs that many streams at once, each to its end. */
export async function streams(port: number, count: number, isPaced: boolean): Promise<StreamBurst> {
  const body = chatBody(1_024, isPaced ? { kind: 'paced', stream: true } : { stream: true });
  const bytes = request(port, body);
  const latenciesMs: number[] = [];
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = await connected(port);
      await new Promise<void>((resolve, reject) => {
        socket.on('error', reject);
        socket.on('close', () => reject(new Error('a stream was cut')));
        socket.on('data', (chunk) => {
          const text = chunk.toString('latin1');
          if (isPaced) {
            const now = performance.timeOrigin + performance.now();
            for (const [, sentAt] of text.matchAll(/"t":"(\d[\d.]+)"/g))
              if (sentAt !== '0') latenciesMs.push(now - Number(sentAt));
          }
          if (text.includes('[DONE]')) resolve();
        });
        socket.write(bytes);
      });
      socket.removeAllListeners();
      socket.destroy();
    }),
  );
  return { chunks: count * CHUNKS_PER_STREAM, seconds: (performance.now() - startedAt) / 1_000, latenciesMs };
}
