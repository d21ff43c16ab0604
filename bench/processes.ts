// Starts what is measured and what measures, each on a processor of its own where the machine has two, and reads what
// the system counted for them.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';

const ROOT = path.join(import.meta.dirname, '..');
/** Proxies share the first processor and run one at a time; load and backend have the other. */
const PROXY_CPU = '0';
export const LOAD_CPU = '1';

export interface Server {
  readonly name: string;
  readonly port: number;
  readonly readyAfterMs: number;
  /** CPU seconds of it and its children so far. */
  cpuSeconds(): number;
  /** Resident memory of it and its children, in MB. */
  residentMb(): number;
  /** Resolves when it has ended. */
  stop(): Promise<void>;
}

export function hasCommand(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;
}

function pinned(cpu: string, command: readonly string[]): string[] {
  return availableParallelism() > 1 && hasCommand('taskset') ? ['taskset', '-c', cpu, ...command] : [...command];
}

function processTree(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const parent = Number(readFileSync(`/proc/${entry}/stat`, 'utf8').split(') ')[1]?.split(' ')[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
    } catch {
      // It ended while the list was read.
    }
  }
  const all = [pid];
  for (let index = 0; index < all.length; index += 1) all.push(...(children.get(all[index] ?? 0) ?? []));
  return all;
}

const TICKS_PER_SECOND = 100;

function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function residentMbOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024;
}

function sumOver(pid: number, measure: (pid: number) => number): number {
  let sum = 0;
  for (const one of processTree(pid)) {
    try {
      sum += measure(one);
    } catch {
      // It ended meanwhile: what it used is lost with it.
    }
  }
  return sum;
}

function running(name: string, child: ChildProcess, port: number, readyAfterMs: number, cleanUp: () => void): Server {
  const pid = child.pid ?? 0;
  return {
    name,
    port,
    readyAfterMs,
    cpuSeconds: () => sumOver(pid, cpuSecondsOf),
    residentMb: () => sumOver(pid, residentMbOf),
    stop: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
      cleanUp();
    },
  };
}

async function waitUntilServing(port: number): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (performance.now() < deadline) {
    try {
      await fetch(`http://127.0.0.1:${port}/health/readiness`, { signal: AbortSignal.timeout(1_000) });
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  throw new Error(`nothing answers on port ${port}`);
}

/** Starts a command that prints `listening on …PORT` when it is ready. */
async function startPrinting(
  name: string,
  command: string[],
  environment: NodeJS.ProcessEnv,
  cleanUp: () => void,
): Promise<Server> {
  const startedAt = performance.now();
  const [program = '', ...args] = command;
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'], env: environment, cwd: ROOT });
  const port = await new Promise<number>((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const found = /listening on \S*?(\d+)\s/.exec(text);
      if (found) resolve(Number(found[1]));
    });
    child.on('exit', (code) => reject(new Error(`${name} ended with ${code}: ${text}`)));
  });
  child.stdout.resume();
  return running(name, child, port, performance.now() - startedAt, cleanUp);
}

export function startBackend(): Promise<Server> {
  const command = pinned(LOAD_CPU, [process.execPath, path.join(ROOT, 'bench', 'backend.ts'), '0']);
  return startPrinting('direct', command, process.env, () => undefined);
}

/**
 * Starts it as `npm start` does, bundle, flags and compile cache included.
 * @param configuration YAML; the gateway runs with history and metrics on, its log going nowhere
 */
export function startGateway(configuration: string): Promise<Server> {
  const folder = mkdtempSync(path.join(tmpdir(), 'switchyard-bench-'));
  const file = path.join(folder, 'switchyard.yaml');
  writeFileSync(file, configuration);
  const command = pinned(PROXY_CPU, [
    process.execPath,
    path.join(ROOT, 'scripts', 'run.cjs'),
    '--built',
    'gateway/cli.ts',
    'start',
    '--config',
    file,
    '--data',
    path.join(folder, 'data'),
    '--port',
    '0',
  ]);
  const cleanUp = () => rmSync(folder, { recursive: true, force: true });
  return startPrinting('switchyard', command, process.env, cleanUp);
}

/** nginx with one worker, keep-alive to the backend and no buffering: the limit of what a proxy can do here. */
export async function startNginx(backendPort: number, port: number): Promise<Server> {
  const folder = mkdtempSync(path.join(tmpdir(), 'switchyard-nginx-'));
  const file = path.join(folder, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${folder}/pid; error_log /dev/null;
events { worker_connections 2048; }
http {
  access_log off; client_max_body_size 64m; client_body_buffer_size 16m; keepalive_requests 1000000;
  client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder}; uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  upstream backend { server 127.0.0.1:${backendPort}; keepalive 512; keepalive_requests 1000000; }
  server { listen 127.0.0.1:${port} backlog=1024; location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; } }
}`,
  );
  const startedAt = performance.now();
  const [program = '', ...args] = pinned(PROXY_CPU, ['nginx', '-c', file, '-p', folder]);
  const child = spawn(program, args, { stdio: 'ignore' });
  await waitUntilServing(port);
  return running('nginx', child, port, performance.now() - startedAt, () =>
    rmSync(folder, { recursive: true, force: true }),
  );
}
