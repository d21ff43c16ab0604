// The note a running gateway leaves in its data folder, so that commands find it on whatever port it got.
// It proves nothing: who reads it asks the listener to prove itself.

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface RunningNote {
  readonly pid: number;
  /** The one to show first. */
  readonly url: string;
}

function noteFile(dataFolder: string): string {
  return join(dataFolder, 'running.json');
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process lives as well.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** The note of a gateway whose process is there, or null. */
export function readRunning(dataFolder: string): RunningNote | null {
  try {
    const value: unknown = JSON.parse(readFileSync(noteFile(dataFolder), 'utf8'));
    if (typeof value !== 'object' || value === null || !('pid' in value) || !('url' in value)) return null;
    const { pid, url } = value;
    if (typeof pid !== 'number' || typeof url !== 'string' || URL.parse(url) === null) return null;
    return isAlive(pid) ? { pid, url } : null;
  } catch {
    return null;
  }
}

/** Leaves the note unless another gateway's is there. Returns what takes it away again; neither ever throws. */
export function noteRunning(dataFolder: string, url: string): () => void {
  const file = noteFile(dataFolder);
  const other = readRunning(dataFolder);
  if (other !== null && other.pid !== process.pid) return () => undefined;
  try {
    mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
    writeFileSync(`${file}.${process.pid}`, `${JSON.stringify({ pid: process.pid, url })}\n`, { mode: 0o600 });
    renameSync(`${file}.${process.pid}`, file);
  } catch {
    // A folder that cannot be written to: `--port` finds the gateway all the same.
    return () => undefined;
  }
  return () => {
    try {
      if (readRunning(dataFolder)?.pid === process.pid) rmSync(file, { force: true });
    } catch {
      // The next start writes over it.
    }
  };
}
