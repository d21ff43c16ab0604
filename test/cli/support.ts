// Runs the command as scripts do: as a process of its own, in a folder of its own, away from this machine's settings.

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';

const SCRIPT = new URL('../../gateway/cli.ts', import.meta.url).pathname;

type Child = ChildProcessByStdio<null, Readable, Readable>;

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Started {
  readonly child: Child;
  /** What it printed behind `listening on `. */
  readonly url: string;
  readonly ended: Promise<Ended>;
}

/** A folder for one test with a data folder in it; `await using` ends what was started and removes it. */
export class Workplace {
  readonly folder = mkdtempSync(join(tmpdir(), 'switchyard-cli-'));
  readonly data = join(this.folder, 'data');
  readonly #children: { readonly child: Child; readonly ended: Promise<Ended> }[] = [];

  /** Writes a file into it and returns its path. */
  write(name: string, text: string): string {
    const file = join(this.folder, name);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  begin(args: readonly string[], env: Readonly<Record<string, string>> = {}): { child: Child; ended: Promise<Ended> } {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', SCRIPT, ...args], {
      cwd: this.folder,
      env: {
        PATH: process.env.PATH ?? '',
        HOME: this.folder,
        XDG_CONFIG_HOME: join(this.folder, 'config'),
        XDG_DATA_HOME: join(this.folder, 'share'),
        NO_COLOR: '1',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const texts = { out: '', err: '' };
    child.stdout.on('data', (chunk) => {
      texts.out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      texts.err += chunk;
    });
    const ended = once(child, 'close').then(([code]): Ended => ({ code, ...texts }));
    this.#children.push({ child, ended });
    return { child, ended };
  }

  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ended> {
    return this.begin(args, env).ended;
  }

  /** Starts a gateway on a free port with this folder's data; rejects with all it said when it ends instead. */
  async start(args: readonly string[] = [], env?: Readonly<Record<string, string>>): Promise<Started> {
    const { child, ended } = this.begin(['start', '--port', '0', '--data', this.data, ...args], env);
    let out = '';
    const listening = new Promise<string>((resolve) => {
      child.stdout.on('data', (chunk) => {
        out += chunk;
        const url = /^listening on (\S+)$/m.exec(out)?.[1];
        if (url !== undefined) resolve(url);
      });
    });
    const failed = ended.then((end): never => {
      throw new Error(`it ended with ${end.code}: ${end.err}`);
    });
    failed.catch(() => undefined);
    return { child, url: await Promise.race([listening, failed]), ended };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of this.#children) child.kill('SIGKILL');
    await Promise.all(this.#children.map(({ ended }) => ended));
    rmSync(this.folder, { recursive: true, force: true });
  }
}
