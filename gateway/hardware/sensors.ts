// The sensors' process: started when something is read, asked one thing at a time, killed when it is late or not needed.

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../clock.ts';
import { type Answer, type Part, type Question, type Readings, unreadable } from './readings.ts';

/** For one part; on Windows asking for the GPUs starts PowerShell, which takes seconds. */
const answerWithinMs = 15_000;
/** A process that does not even end when it is killed is waited for no longer than that before the next one starts. */
const endsWithinMs = 60_000;

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const childFile = fileURLToPath(new URL(`./sensors-child.${extension}`, import.meta.url));

export interface SensorsOptions {
  readonly clock: Clock;
  /** The script of the process; the real one if undefined. */
  readonly file?: string;
}

interface Waiting {
  readonly number: number;
  readonly settle: (answer: Answer | string) => void;
}

/** Reads never overlap and never reject: what could not be read says why. */
export class Sensors {
  readonly #options: SensorsOptions;
  #child: ChildProcess | null = null;
  /** Of one that was killed, until it has ended. */
  #ending: Promise<void> | null = null;
  #last: Promise<unknown> = Promise.resolve();
  #waiting: Waiting | null = null;
  #number = 0;
  #isClosed = false;

  constructor(options: SensorsOptions) {
    this.#options = options;
  }

  /** Whether the process runs. */
  get isRunning(): boolean {
    return this.#child !== null;
  }

  /** One part of the machine, after what was asked for before. */
  read<P extends Part>(part: P): Promise<Readings[P]> {
    const reading = this.#last.then(() => this.#ask(part));
    this.#last = reading;
    return reading;
  }

  /** Ends the process until something is read again. */
  rest(): void {
    const child = this.#child;
    if (child === null) return;
    this.#child = null;
    this.#ending = this.#untilEnded(child);
    child.kill('SIGKILL');
    this.#waiting?.settle('the reading was broken off');
  }

  /** Ends the process for good. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.rest();
    await this.#ending;
  }

  async #ask<P extends Part>(part: P): Promise<Readings[P]> {
    await this.#ending;
    if (this.#isClosed) return unreadable('the gateway is stopping')[part];
    const { promise, resolve } = Promise.withResolvers<Answer | string>();
    const number = ++this.#number;
    this.#waiting = { number, settle: resolve };
    const cancel = this.#options.clock.after(answerWithinMs, () => {
      resolve(`it was not told within ${answerWithinMs / 1_000} s`);
      this.rest();
    });
    this.#child ??= this.#start();
    this.#child.send({ number, part } satisfies Question, (error) => {
      if (error !== null) resolve(`the sensors cannot be asked: ${error.message}`);
    });
    const answer = await promise;
    cancel();
    this.#waiting = null;
    if (typeof answer === 'string') return unreadable(answer)[part];
    if ('failed' in answer) return unreadable(`reading it failed: ${answer.failed}`)[part];
    // The number says that it is the answer to this question.
    return answer.reading as Readings[P];
  }

  #start(): ChildProcess {
    const child = spawn(process.execPath, [this.#options.file ?? childFile], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      windowsHide: true,
      // Inside Electron its own binary is Node only when told so.
      env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
    });
    child.on('message', (answer: Answer) => {
      if (answer.number === this.#waiting?.number) this.#waiting.settle(answer);
    });
    const ended = (because: string) => {
      if (this.#child !== child) return;
      this.#child = null;
      this.#waiting?.settle(because);
    };
    child.on('error', (error) => ended(`the sensors did not start: ${error.message}`));
    child.on('exit', (code, signal) => ended(`the sensors ended by themselves (${signal ?? `exit code ${code}`})`));
    // Looking at the machine is no reason for the gateway to live on.
    child.unref();
    child.channel?.unref();
    return child;
  }

  #untilEnded(child: ChildProcess): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.clock.after(endsWithinMs, resolve);
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) resolve();
    child.once('exit', () => resolve());
    return promise.finally(() => {
      cancel();
      this.#ending = null;
    });
  }
}
