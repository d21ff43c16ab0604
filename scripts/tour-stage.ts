// What a tour is made of: the gateway as users start it, calls to it, and the page that all of it is written on.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { AdminStatus, AdminStoredRequest } from '../gateway/contract.ts';
import { readManagementToken } from '../gateway/http/management-token.ts';
import { endProcess } from './tour-servers.ts';

const root = join(import.meta.dirname, '..');
const run = promisify(execFile);
const NEWS_PATIENCE_MS = 180_000;

/** Prints Markdown as it happens. */
export const page = {
  say(text: string): void {
    console.log(`${text}\n`);
  },
  block(text: string, language = 'text'): void {
    console.log(`\`\`\`${language}\n${text.trimEnd()}\n\`\`\`\n`);
  },
};

export interface Asked {
  readonly question: string;
  /** More fields of the body. */
  readonly more?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly maxTokens?: number;
}

export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly seconds: number;
  /** The record; null when there is none. */
  readonly record: AdminStoredRequest | null;
}

/** `switchyard start` in a process and a data folder of its own. */
export class TourGateway implements AsyncDisposable {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #flags: readonly string[];
  readonly #env: NodeJS.ProcessEnv;
  readonly #lines: string[] = [];

  private constructor(config: string, port: number, env: NodeJS.ProcessEnv) {
    this.url = `http://localhost:${port}`;
    this.#folder = mkdtempSync(join(tmpdir(), 'switchyard-tour-'));
    this.#flags = ['--config', config, '--data', this.#folder, '--port', String(port)];
    this.#env = { ...process.env, ...env };
    this.#child = spawn(process.execPath, ['gateway/cli.ts', 'start', ...this.#flags], {
      cwd: root,
      env: this.#env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    if (this.#child.stderr === null) throw new Error('no standard error');
    createInterface(this.#child.stderr).on('line', (line) => this.#lines.push(readable(line)));
  }

  /** Resolves when every provider that is there has been found ready. */
  static async start(config: string, port: number, env: NodeJS.ProcessEnv = {}): Promise<TourGateway> {
    const gateway = new TourGateway(config, port, env);
    try {
      await gateway.until('every provider to be ready', ({ providers }) =>
        providers.every(({ observed }) => observed === 'ready'),
      );
      return gateway;
    } catch (error) {
      await gateway[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Waits until its status says so. Rejects after three minutes. */
  async until(what: string, isSo: (status: AdminStatus) => boolean | Promise<boolean>): Promise<void> {
    const until = Date.now() + NEWS_PATIENCE_MS;
    for (;;) {
      const status = await this.#admin('/admin/status').catch(() => null);
      if (status?.ok && (await isSo((await status.json()) as AdminStatus))) return;
      if (this.#child.exitCode !== null) throw new Error(`the gateway ended:\n${this.#lines.join('\n')}`);
      if (Date.now() > until) throw new Error(`waited too long for ${what}:\n${this.#lines.join('\n')}`);
      await pause(250);
    }
  }

  async ask(model: string | null, { question, more = {}, headers = {}, maxTokens = 4 }: Asked): Promise<Answered> {
    const named = model === null ? {} : { model };
    const messages = [{ role: 'user', content: question }];
    const startedAt = performance.now();
    const response = await fetch(`${this.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ ...named, max_tokens: maxTokens, messages, ...more }),
    });
    const text = await response.text();
    const seconds = (performance.now() - startedAt) / 1_000;
    const record = await this.#recordOf(response.headers.get('x-request-id') ?? '');
    return { status: response.status, headers: response.headers, text, seconds, record };
  }

  /** What `switchyard explain` prints, from its candidates on. */
  async explain(...words: readonly string[]): Promise<string> {
    const { stdout } = await run(process.execPath, ['gateway/cli.ts', 'explain', ...words, ...this.#flags], {
      cwd: root,
      env: this.#env,
    });
    return stdout.slice(stdout.indexOf('├─ candidates'));
  }

  /** What it has logged so far; for `linesSince`. */
  get mark(): number {
    return this.#lines.length;
  }

  linesSince(mark: number, pattern: RegExp): readonly string[] {
    return this.#lines.slice(mark).filter((line) => pattern.test(line));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endProcess(this.#child, 'SIGTERM');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #admin(target: string): Promise<Response> {
    const token = readManagementToken(this.#folder) ?? '';
    return fetch(this.url + target, { headers: { authorization: `Bearer ${token}` } });
  }

  /** Kept a moment after the client has its last byte. */
  async #recordOf(id: string): Promise<AdminStoredRequest | null> {
    for (let time = 0; time < 40; time += 1) {
      const answer = await this.#admin(`/admin/requests/${id}`);
      if (answer.ok) return (await answer.json()) as AdminStoredRequest;
      await pause(50);
    }
    return null;
  }
}

function readable(line: string): string {
  try {
    const { level, message } = JSON.parse(line) as { level: string; message: string };
    return `${level.toUpperCase().padEnd(5)} ${message}`;
  } catch {
    return line;
  }
}

/** Status and the headers that tell of routing, as `curl -i` would print them. */
export function headOf({ status, headers }: Answered): string {
  const told = [...headers].filter(
    ([name]) => /^(x-switchyard-|retry-after$|x-should-retry$)/.test(name) && name !== 'x-switchyard-decision-ms',
  );
  return [`HTTP/1.1 ${status}`, ...told.map(([name, value]) => `${name}: ${value}`)].join('\n');
}

/** The attempts of the record, a line each. */
export function attemptsOf({ record }: Answered): string {
  const lines = (record?.attempts ?? []).map(({ provider, model, via, because, failure, endedAfterMs }, index) => {
    const end = failure === null ? 'complete' : failure.kind;
    const why = because === null ? '' : `; because: ${because}`;
    return `${index + 1}. ${provider}/${model} by ${via}: ${end} after ${((endedAfterMs ?? 0) / 1_000).toFixed(1)} s${why}`;
  });
  return lines.join('\n');
}
