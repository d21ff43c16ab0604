// One gateway per data folder: a lock file that names its owner and is touched while the owner lives.
// A process id alone is not proof of life (ids are reused, and every container has its own), nor is a fresh time (a
// gateway may have been killed a second ago), so both are asked.

import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { HistoryFault } from './faults.ts';

interface Owner {
  readonly pid: number;
  readonly instance: string;
  readonly host: string;
}

/** How often the owner must call `touch`, in ms. */
export const touchEveryMs = 5_000;
/** A lock that was not touched for that long belongs to nobody: six missed touches. */
const staleAfterMs = 30_000;

export interface FolderLock {
  /** Says that the owner lives. False: somebody else took the lock (this process was stopped for long); stop writing. */
  touch(): boolean;
  /** Gives the folder back, if it is still ours. */
  release(): void;
}

/** Takes the folder, creating it if need be. Throws `HistoryFault` (lasting) naming the owner, or the file system's error. */
export function lockFolder(folder: string, instance: string): FolderLock {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'history.lock');
  const own = JSON.stringify({ pid: process.pid, instance, host: hostname() } satisfies Owner);
  for (let tries = 0; tries < 5; tries++) {
    if (create(file, own)) return heldLock(file, own);
    const found = readLock(file);
    if (found === null) continue;
    const owner = parseOwner(found.text);
    if (owner && isAlive(owner, found.touchedAtMs)) throw new HistoryFault('lasting', ownedBy(folder, owner));
    // Created this moment and not written yet, or written by a disk that was full.
    if (!owner && Date.now() - found.touchedAtMs < touchEveryMs) break;
    removeStale(file, found.text);
  }
  throw new HistoryFault('lasting', `${folder} is being taken by another gateway at this moment`);
}

function ownedBy(folder: string, owner: Owner): string {
  const where = owner.host === hostname() ? '' : ` on ${owner.host}`;
  return `${folder} belongs to another running gateway (process ${owner.pid}${where}, instance ${owner.instance})`;
}

function heldLock(file: string, own: string): FolderLock {
  const isOurs = (): boolean => readLock(file)?.text === own;
  return {
    touch() {
      try {
        if (!isOurs()) return false;
        const now = new Date();
        utimesSync(file, now, now);
      } catch {
        // A disk that cannot be used: the next write says so in words.
      }
      return true;
    },
    release() {
      if (isOurs()) rmSync(file, { force: true });
    },
  };
}

function create(file: string, text: string): boolean {
  try {
    writeFileSync(file, text, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    if (hasCode(error, 'ENOSPC')) rmSync(file, { force: true });
    throw error;
  }
}

function readLock(file: string): { readonly text: string; readonly touchedAtMs: number } | null {
  try {
    return { text: readFileSync(file, 'utf8'), touchedAtMs: statSync(file).mtimeMs };
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
}

function parseOwner(text: string): Owner | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return null;
    if (!('pid' in value && 'instance' in value && 'host' in value)) return null;
    const { pid, instance, host } = value;
    if (typeof pid !== 'number' || typeof instance !== 'string' || typeof host !== 'string') return null;
    return { pid, instance, host };
  } catch {
    return null;
  }
}

function isAlive(owner: Owner, touchedAtMs: number): boolean {
  if (Date.now() - touchedAtMs > staleAfterMs) return false;
  return owner.host !== hostname() || isProcess(owner.pid);
}

function isProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return hasCode(error, 'EPERM');
  }
}

/**
 * Two gateways may find the same stale lock. Each moves it away under a name of its own and then looks at what it moved:
 * if that was not the stale one but a fresh one of the other's, it is put back.
 */
function removeStale(file: string, staleText: string): void {
  const aside = `${file}.${process.pid}.${Date.now()}`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return;
    throw error;
  }
  if (readLock(aside)?.text !== staleText) {
    try {
      linkSync(aside, file);
    } catch {
      // A third one was quicker: its lock stands, and the one moved away notices at its next touch.
    }
  }
  rmSync(aside, { force: true });
}

function hasCode(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}
