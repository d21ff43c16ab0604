// Where finished log lines go: a file descriptor, or a file that is changed for a new one when it is full.
// Writing is asynchronous and bounded: a terminal that stands still or a full disk costs lines, never time.

import { once } from 'node:events';
import { renameSync, rmSync, statSync } from 'node:fs';
import pino from 'pino';

export interface LogSink {
  write(text: string): void;
  /** Writes all there is before it returns. */
  flushNow(): void;
  /** Writes all there is and closes the file; gives up after two seconds. */
  close(): Promise<void>;
}

/** Held while the destination does not take anything; what is beyond is dropped. */
const heldBytes = 4_194_304;
const closeWithinMs = 2_000;

type Destination = ReturnType<typeof pino.destination>;

/** For standard output (1) and standard error (2), which are left open. */
export function descriptorSink(descriptor: number): LogSink {
  return sinkOn(pino.destination({ dest: descriptor, sync: false, maxLength: heldBytes }));
}

interface RotationLimits {
  readonly maxBytes: number;
  /** With the one that is written. */
  readonly files: number;
}

const usualRotation: RotationLimits = { maxBytes: 10 * 1_048_576, files: 5 };

/** `gateway.log` is written; when it is full it becomes `gateway.log.1`, that one `.2`, and so on. The folder is created. */
export function rotatingFileSink(file: string, limits: RotationLimits = usualRotation): LogSink {
  const destination = pino.destination({ dest: file, sync: false, mkdir: true, maxLength: heldBytes });
  let bytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  destination.on('write', (written) => {
    bytes += written;
    if (bytes < limits.maxBytes) return;
    bytes = 0;
    if (rotate(file, limits.files)) destination.reopen(file);
  });
  return sinkOn(destination);
}

/** False: the files could not be renamed, so the one that is full is written on. */
function rotate(file: string, files: number): boolean {
  try {
    rmSync(`${file}.${files - 1}`, { force: true });
    for (let number = files - 2; number >= 0; number--) {
      const from = number === 0 ? file : `${file}.${number}`;
      if (statSync(from, { throwIfNoEntry: false })) renameSync(from, `${file}.${number + 1}`);
    }
    return true;
  } catch {
    return false;
  }
}

function sinkOn(destination: Destination): LogSink {
  let isClosed = false;
  // A closed pipe, a full disk: there is nowhere left to say so.
  destination.on('error', () => {});
  return {
    write(text) {
      if (!isClosed) destination.write(text);
    },
    flushNow() {
      try {
        if (!isClosed) destination.flushSync();
      } catch {
        // As above, or the file is not open yet.
      }
    },
    async close() {
      if (isClosed) return;
      isClosed = true;
      const late = new AbortController();
      const timer = setTimeout(() => late.abort(), closeWithinMs);
      try {
        const closed = once(destination, 'close', { signal: late.signal });
        destination.end();
        await closed;
      } catch {
        destination.destroy();
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
