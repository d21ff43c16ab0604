// Real servers that a test starts, freezes and kills itself, each by a command line of the environment.
// `PORT` in it is replaced by a free port; it runs in a process group of its own, so that children die with it.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { ProviderKind } from '../../gateway/types.ts';

export interface KillableServer {
  readonly name: string;
  readonly kind: ProviderKind;
  readonly variable: string;
  readonly command: string | null;
}

function killable(name: string, kind: ProviderKind, variable: string): KillableServer {
  return { name, kind, variable, command: process.env[variable] ?? null };
}

export const killableServers: readonly KillableServer[] = [
  killable('ollama', 'ollama', 'SWITCHYARD_TEST_RUN_OLLAMA'),
  killable('llama_cpp', 'llama_cpp', 'SWITCHYARD_TEST_RUN_LLAMA_CPP'),
  killable('llama_router', 'llama_cpp', 'SWITCHYARD_TEST_RUN_LLAMA_ROUTER'),
  killable('llama_cpp_python', 'llama_cpp_python', 'SWITCHYARD_TEST_RUN_LLAMA_CPP_PYTHON'),
  killable('vllm', 'vllm', 'SWITCHYARD_TEST_RUN_VLLM'),
];

export interface RunningServer extends AsyncDisposable {
  readonly url: string;
  /** SIGKILL to the server and all its children. */
  kill(): void;
  /** SIGKILL to its children alone, where the models run (Ollama, vLLM, llama.cpp's router); how many there were. */
  killChildren(): number;
  /** SIGSTOP to the same: it accepts connections and says nothing. */
  freeze(): void;
  /** SIGSTOP to its children alone: it goes on to answer what needs no model, such as its health check. */
  freezeChildren(): number;
  /** SIGCONT to all of it. */
  thaw(): void;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Starts it on that port and waits until it lists its models. */
export async function startServer(command: string, port: number): Promise<RunningServer> {
  const url = `http://127.0.0.1:${port}`;
  const child = spawn('sh', ['-c', `exec ${command.replaceAll('PORT', String(port))}`], {
    detached: true,
    stdio: 'ignore',
  });
  const exited = once(child, 'exit');
  const kill = () => signalGroup(child, 'SIGKILL');
  const close = async () => {
    kill();
    await exited;
  };
  while (!(await isListing(url))) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode} before it served: ${command}`);
    await pause(200);
  }
  return {
    url,
    kill,
    killChildren: () => signalChildren(child, 'SIGKILL'),
    freeze: () => signalGroup(child, 'SIGSTOP'),
    freezeChildren: () => signalChildren(child, 'SIGSTOP'),
    thaw: () => signalGroup(child, 'SIGCONT'),
    [Symbol.asyncDispose]: close,
  };
}

function signalChildren(leader: ChildProcess, signal: NodeJS.Signals): number {
  const processes = execFileSync('ps', ['-eo', 'pid=,pgid='], { encoding: 'utf8' });
  const pids = processes.split('\n').map((line) => line.trim().split(/\s+/).map(Number));
  const children = pids.flatMap(([pid, group]) => (group === leader.pid && pid !== leader.pid && pid ? [pid] : []));
  for (const pid of children) process.kill(pid, signal);
  return children.length;
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The whole group is gone already.
  }
}

async function isListing(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/v1/models`)).ok;
  } catch {
    return false;
  }
}
