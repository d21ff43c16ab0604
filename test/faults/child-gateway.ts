// Starts a gateway in a process of its own, so that its memory is nobody else's.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** All in bytes; `heapUsed` after a collection, `peakRss` since the start. */
export interface MemoryReading {
  readonly heapUsed: number;
  readonly rss: number;
  readonly external: number;
  readonly peakRss: number;
}

export type ParentMessage = 'memory' | 'close';
export type ChildMessage =
  | { readonly is: 'listening'; readonly url: string }
  | ({ readonly is: 'memory' } & MemoryReading);

export class ChildGateway implements AsyncDisposable {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(url: string, child: ChildProcess, folder: string) {
    this.url = url;
    this.#child = child;
    this.#folder = folder;
  }

  /** Resolves when it accepts requests; rejects when it ends before that. */
  static async start(yaml: string): Promise<ChildGateway> {
    const folder = mkdtempSync(join(tmpdir(), 'switchyard-memory-'));
    const configFile = join(folder, 'switchyard.yaml');
    writeFileSync(configFile, yaml);
    const child = fork(join(import.meta.dirname, 'gateway-child.ts'), [configFile, join(folder, 'data')], {
      execArgv: ['--expose-gc', '--disable-warning=ExperimentalWarning'],
    });
    const message = await answerOf(child);
    if (message.is !== 'listening') throw new Error(`expected its address, got ${message.is}`);
    return new ChildGateway(message.url, child, folder);
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Collects garbage and measures. Rejects when the process is gone. */
  async memory(): Promise<MemoryReading> {
    const answer = answerOf(this.#child);
    this.#child.send('memory' satisfies ParentMessage);
    const message = await answer;
    if (message.is !== 'memory') throw new Error(`expected its memory, got ${message.is}`);
    return message;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isRunning) {
      const ended = once(this.#child, 'exit');
      this.#child.send('close' satisfies ParentMessage);
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function answerOf(child: ChildProcess): Promise<ChildMessage> {
  const over = new AbortController();
  const { signal } = over;
  const ended = once(child, 'exit', { signal }).then(([code, killedBy]): never => {
    throw new Error(`the gateway's process ended (${code ?? killedBy})`);
  });
  ended.catch(() => undefined);
  try {
    const [message] = (await Promise.race([once(child, 'message', { signal }), ended])) as [ChildMessage];
    return message;
  } finally {
    over.abort();
  }
}
