// Model servers and a Redis that a tour starts and kills.

import { type ChildProcess, spawn } from 'node:child_process';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { type RunningServer, startServer } from '../test/real/killable.ts';

const REDIS_SERVER = 'redis-server';

/** A process of the tour's own, at a fixed port. */
interface Performer {
  readonly variable: string;
  readonly port: number;
}

/** Starts each server by the command line in its variable, with `PORT` replaced; one that runs already is used, not killed. */
export class Servers implements AsyncDisposable {
  readonly #performers: Readonly<Record<string, Performer>>;
  readonly #running = new Map<string, RunningServer>();

  constructor(performers: Readonly<Record<string, Performer>>) {
    this.#performers = performers;
  }

  async start(...names: readonly string[]): Promise<void> {
    for (const name of names) {
      const performer = this.#performers[name];
      if (performer === undefined) throw new Error(`no server ${name}`);
      if (await isTaken(performer.port)) {
        console.error(`${name}: the server that runs at port ${performer.port} is used`);
        continue;
      }
      const command = process.env[performer.variable];
      if (command === undefined)
        throw new Error(`nothing is at port ${performer.port}, and ${performer.variable} is not set`);
      this.#running.set(name, await startServer(command, performer.port));
    }
  }

  /** SIGKILL; returns when its port is closed. */
  async kill(...names: readonly string[]): Promise<void> {
    for (const name of names) {
      const server = this.#running.get(name);
      if (server === undefined) throw new Error(`${name} was not started by this tour`);
      await server[Symbol.asyncDispose]();
      this.#running.delete(name);
    }
  }

  /** SIGSTOP: it takes requests and says nothing. */
  freeze(name: string): void {
    this.#running.get(name)?.freeze();
  }

  /** SIGCONT. */
  thaw(name: string): void {
    this.#running.get(name)?.thaw();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill(...this.#running.keys());
  }
}

/** A Redis of its own that keeps nothing on disk. */
export class TourRedis implements AsyncDisposable {
  readonly #port: number;
  readonly #words: readonly string[];
  #child: ChildProcess | null = null;

  constructor(port: number, password: string | null) {
    this.#port = port;
    this.#words = ['--port', String(port), '--save', '', ...(password === null ? [] : ['--requirepass', password])];
  }

  /** False where none is installed. */
  async start(): Promise<boolean> {
    if (await isTaken(this.#port)) throw new Error(`port ${this.#port} is taken`);
    const child = spawn(REDIS_SERVER, this.#words, { stdio: 'ignore' });
    const isHere = await new Promise<boolean>((resolve) => {
      child.once('spawn', () => resolve(true)).once('error', () => resolve(false));
    });
    if (!isHere) return false;
    this.#child = child;
    while (!(await isTaken(this.#port))) await pause(50);
    return true;
  }

  kill(): Promise<void> {
    return endProcess(this.#child, 'SIGKILL');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

/** Ends it and waits for its end; null or ended already: nothing. */
export async function endProcess(child: ChildProcess | null, signal: NodeJS.Signals): Promise<void> {
  if (child === null || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await ended;
}

function isTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
