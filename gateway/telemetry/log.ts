// Where everything the gateway says to its operator goes.

import pino from 'pino';
import { printLine } from './log-printer.ts';
import { descriptorSink, type LogSink, rotatingFileSink } from './log-sink.ts';
import { maskSecrets } from './mask.ts';

export { maskSecrets } from './mask.ts';

/** Fields beside a message; secrets never get this far. */
export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** `trace` shows what `debug` shows. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

export interface LogOptions {
  readonly level: LogLevel;
  /** A file descriptor, a file (changed for a new one at 10 MB, five are kept), or a sink; standard error unless told otherwise. */
  readonly destination?: number | { readonly file: string } | LogSink | undefined;
  /** Lines for people; else one JSON object per line. */
  readonly isTerminal: boolean;
  /** Secrets that must not show even if they slip into a message: the last of several guards. */
  readonly redact?: readonly string[] | undefined;
}

/** The log with what only its owner may do. */
export interface LogControl extends Log {
  setLevel(level: LogLevel): void;
  setSecrets(secrets: readonly string[]): void;
  /** Writes all there is before it returns: for the way out after a fatal error. */
  flush(): void;
  /** Writes all there is; what is said afterwards is dropped. */
  close(): Promise<void>;
}

/**
 * After a write the next one waits that long, so that lines in quick succession are written together; a line after silence
 * goes out in its own turn of the event loop. Under load, a write in each turn cost 5 to 15 % of a request.
 */
const togetherMs = 50;
/** With so many characters they are written at once. */
const charactersTogether = 16_384;

/** Fields that are never shown whatever is in them, at the top and one level below. */
const secretFields = ['apiKey', 'api_key', 'authorization', 'cookie', 'password', 'secret', 'token'];

/** Opens the log. Says nothing by itself and never throws, also when its destination fails. */
export function createLog(options: LogOptions): LogControl {
  const lines = new Lines(sinkFor(options.destination ?? 2), options.isTerminal);
  lines.secrets = options.redact ?? [];
  const logger = pino(
    {
      level: options.level,
      base: null,
      messageKey: 'message',
      timestamp: () => `,"time":"${timeNow()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err },
      redact: { paths: secretFields.flatMap((name) => [name, `*.${name}`]), censor: '***' },
    },
    lines,
  );
  // There is a line without fields for every decision: written by hand it costs a fifth, and looks the same.
  const say = (level: LogLevel) => (message: string, fields?: LogFields) => {
    if (fields !== undefined) logger[level](fields, message);
    else if (logger.isLevelEnabled(level)) lines.write(bareLine(level, message));
  };
  return {
    debug: say('debug'),
    info: say('info'),
    warn: say('warn'),
    error: say('error'),
    setLevel(level) {
      logger.level = level;
    },
    setSecrets(secrets) {
      lines.secrets = secrets;
    },
    flush: () => lines.flushNow(),
    close: () => lines.close(),
  };
}

function bareLine(level: LogLevel, message: string): string {
  return `{"level":"${level}","time":"${timeNow()}","message":${JSON.stringify(message)}}\n`;
}

let lastMs = 0;
let lastTime = '';

function timeNow(): string {
  const now = Date.now();
  if (now === lastMs) return lastTime;
  lastMs = now;
  lastTime = new Date(now).toISOString();
  return lastTime;
}

function sinkFor(destination: number | { readonly file: string } | LogSink): LogSink {
  if (typeof destination === 'number') return descriptorSink(destination);
  return 'file' in destination ? rotatingFileSink(destination.file) : destination;
}

/** Finished lines on their way to the sink. */
class Lines {
  secrets: readonly string[] = [];
  #sink: LogSink;
  #isTerminal: boolean;
  #hasColours = !process.env.NO_COLOR;
  #pending = '';
  #immediate: NodeJS.Immediate | null = null;
  /** Runs for a while after each write. */
  #pause: NodeJS.Timeout | null = null;

  constructor(sink: LogSink, isTerminal: boolean) {
    this.#sink = sink;
    this.#isTerminal = isTerminal;
  }

  write(line: string): void {
    const masked = maskSecrets(line, this.secrets);
    this.#pending += this.#isTerminal ? printLine(masked, this.#hasColours) : masked;
    if (this.#pending.length >= charactersTogether) this.#send();
    else if (!this.#pause) this.#immediate ??= setImmediate(() => this.#sendAndPause());
  }

  flushNow(): void {
    this.#send();
    this.#sink.flushNow();
  }

  close(): Promise<void> {
    this.#send();
    if (this.#pause) clearTimeout(this.#pause);
    return this.#sink.close();
  }

  #sendAndPause(): void {
    this.#send();
    this.#pause = setTimeout(() => {
      this.#pause = null;
      if (this.#pending !== '') this.#sendAndPause();
    }, togetherMs);
  }

  #send(): void {
    if (this.#immediate) clearImmediate(this.#immediate);
    this.#immediate = null;
    if (this.#pending === '') return;
    const text = this.#pending;
    this.#pending = '';
    this.#sink.write(text);
  }
}
