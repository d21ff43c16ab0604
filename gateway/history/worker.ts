// The history worker: the only thread that touches SQLite. It does what it is told and says how it went;
// when to try again is the recorder's business.

import { parentPort, workerData } from 'node:worker_threads';
import type Database from 'better-sqlite3';
import { fileIdentity, openOrReplace, setAside } from './database.ts';
import { type Fault, faultOf } from './faults.ts';
import { type FolderLock, lockFolder, touchEveryMs } from './folder-lock.ts';
import { databaseFile } from './history.ts';
import type { Batch, FromWorker, Question, ToWorker, WorkerSetup } from './messages.ts';
import { readMigrations } from './migrate.ts';
import { retain } from './retention.ts';
import { Store } from './store.ts';

interface Opened {
  readonly lock: FolderLock;
  readonly database: Database.Database;
  readonly store: Store;
  readonly identity: string | null;
}

const setup = workerData as WorkerSetup;
const file = databaseFile(setup.folder);
let opened: Opened | null = null;
let isRetaining = false;
/** Sums follow what is written at that distance, so that a burst is summed up in few steps. */
const sumUpAfterMs = 1_000;
let sumUpTimer: NodeJS.Timeout | null = null;

function say(message: FromWorker): void {
  parentPort?.postMessage(message);
}

function open(noticeSoFar: string | null = null): Fault | null {
  let lock: FolderLock | null = null;
  try {
    lock = lockFolder(setup.folder, setup.instance);
    const { database, notice } = openOrReplace(file, readMigrations());
    opened = { lock, database, store: new Store(database, setup.session), identity: fileIdentity(file) };
    say({ is: 'open', notice: notice ?? noticeSoFar });
    sumUpSoon();
    return null;
  } catch (error) {
    lock?.release();
    const fault = faultOf(error, file);
    say({ is: 'refused', fault });
    return fault;
  }
}

function shut(): void {
  const { store, lock } = opened ?? {};
  opened = null;
  try {
    store?.close();
  } finally {
    lock?.release();
  }
}

function write(batch: Batch): void {
  if (!opened) {
    say({ is: 'failed', batch: batch.number, fault: { class: 'passing', because: `${file} is not open` } });
    return;
  }
  try {
    opened.store.write(batch);
    say({ is: 'written', batch: batch.number });
    sumUpSoon();
  } catch (error) {
    const fault = faultOf(error, file);
    if (fault.class === 'corrupt') replaceDamaged(fault, batch);
    else say({ is: 'failed', batch: batch.number, fault });
  }
}

function sumUpSoon(delayMs = sumUpAfterMs): void {
  sumUpTimer ??= setTimeout(() => {
    sumUpTimer = null;
    try {
      // One short transaction per turn: batches and questions come in between.
      if (opened?.store.sumUp()) sumUpSoon(0);
    } catch {
      // Locked, full or damaged: the next batch meets the same and says so; the sums go on where they are.
    }
  }, delayMs);
}

/** The damage showed while writing: the file is set aside and the batch goes into the new one. */
function replaceDamaged(fault: Fault, batch: Batch): void {
  try {
    opened?.store.close();
  } catch {
    // A damaged database may fail to close in order; its file is set aside all the same.
  }
  opened?.lock.release();
  opened = null;
  const refused = open(`${fault.because}: kept as ${setAside(file)}, a new history was begun`);
  if (refused) say({ is: 'failed', batch: batch.number, fault: refused });
  else write(batch);
}

function ask(number: number, question: Question): void {
  try {
    if (!opened) throw new Error(`${file} is not open`);
    say({ is: 'answered', number, answer: opened.store.ask(question) });
  } catch (error) {
    say({ is: 'unanswered', number, because: faultOf(error, file).because });
  }
}

/** One short transaction per turn of the event loop: batches and questions come in between. */
function clean(message: Extract<ToWorker, { do: 'retain' }>): void {
  // One that is under way answers for both.
  if (isRetaining) return;
  if (!opened) {
    say({ is: 'retained', removed: 0 });
    return;
  }
  isRetaining = true;
  const { database } = opened;
  const steps = retain(database, message.settings, message.nowMs);
  let removed = 0;
  const step = (): void => {
    try {
      const result = database.open ? steps.next() : { done: true as const };
      if (!result.done) {
        removed += result.value;
        setImmediate(step);
        return;
      }
    } catch {
      // Locked, full or damaged: the next batch meets the same and says so; the next clean-up goes on here.
    }
    isRetaining = false;
    say({ is: 'retained', removed });
  };
  step();
}

/**
 * Shows other gateways that this one lives. A lock that is gone or somebody else's (this process stood still for long),
 * or a database file that was deleted or exchanged under us, means opening anew, with whatever that meets.
 */
function beat(): void {
  if (!opened) return;
  if (opened.lock.touch() && fileIdentity(file) === opened.identity) return;
  try {
    shut();
  } catch {
    // What was deleted cannot be closed in order.
  }
  open();
}

const heartbeat = setInterval(beat, touchEveryMs);

function close(atMs: number): void {
  clearInterval(heartbeat);
  if (sumUpTimer) clearTimeout(sumUpTimer);
  try {
    opened?.store.endSession(atMs);
  } catch {
    // Then the session ends with the last that was heard of it.
  }
  try {
    shut();
  } catch {
    // A disk that is full or gone: there is nothing left to be saved.
  }
  say({ is: 'closed' });
  parentPort?.close();
}

parentPort?.on('message', (message: ToWorker) => {
  switch (message.do) {
    case 'open':
      if (opened) say({ is: 'open', notice: null });
      else open();
      return;
    case 'write':
      write(message.batch);
      return;
    case 'ask':
      ask(message.number, message.question);
      return;
    case 'retain':
      clean(message);
      return;
    case 'close':
      close(message.atMs);
      return;
  }
});

open();
