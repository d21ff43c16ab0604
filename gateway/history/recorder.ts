// The serving side of the history: takes what happened, sends it to the worker in batches, and says how that goes.
// Whatever is wrong with disk, database or worker, nothing here waits for it.

import { randomUUID } from 'node:crypto';
import type { Worker } from 'node:worker_threads';
import type { HistorySettings } from '../config/settings.ts';
import type { AdminBeat, AdminHardwareSample, HistoryStatus } from '../contract.ts';
import { assertNever } from '../errors.ts';
import type { Outcome } from '../types.ts';
import { AnsweringHistory } from './answering.ts';
import { Backlog } from './backlog.ts';
import { type Fault, whyNoDatabase } from './faults.ts';
import {
  type DecisionBasis,
  databaseFile,
  type History,
  type HistoryEvent,
  type HistoryOptions,
  HistoryUnavailable,
  type Transition,
} from './history.ts';
import { Housekeeping } from './housekeeping.ts';
import type { Answer, FromWorker, Question, SessionStart, ToWorker } from './messages.ts';
import { Questions } from './questions.ts';
import { StatusKeeper } from './status-keeper.ts';
import { startWorker } from './worker-thread.ts';

/** A row waits at most that long for others to share its transaction. */
const batchEveryMs = 250;
const firstRetryMs = 1_000;
const longestRetryMs = 30_000;
/** A batch in the worker's hands that often when the worker died is what kills it. */
const deathsPerBatch = 3;
const closeWithinMs = 5_000;
/** Begins to open the history in `folder` and returns at once; until it is open, what is recorded is held. */
export function openHistory(options: HistoryOptions): History {
  return new Recorder(options);
}

/**
 * `opening`: nothing is known yet, rows are held. `open`: rows are written. `troubled`: rows are held and tried again.
 * `off`: rows are dropped. `closed`: for good.
 */
type State = 'opening' | 'open' | 'troubled' | 'off' | 'closed';

interface Waiting {
  readonly upTo: number;
  readonly resolve: () => void;
}

class Recorder extends AnsweringHistory implements History {
  #options: HistoryOptions;
  #session: SessionStart;
  #settings: HistorySettings;
  #file: string;
  #state: State = 'opening';
  #keeper: StatusKeeper;
  #backlog = new Backlog();
  #worker: Worker | null = null;
  /** Number of the batch in the worker's hands. */
  #outstanding: number | null = null;
  #deaths = 0;
  #isFinal = false;
  #rowsLost = 0;
  #retryMs = firstRetryMs;
  #cancelBatch: (() => void) | null = null;
  #cancelRetry: (() => void) | null = null;
  #housekeeping: Housekeeping | null = null;
  #flushing: Waiting[] = [];
  #questions = new Questions();
  #retaining: (() => void)[] = [];
  #closing: Promise<void> | null = null;

  constructor(options: HistoryOptions) {
    super();
    this.#options = options;
    this.#session = { id: randomUUID(), startedAtMs: options.clock.now() };
    this.#settings = options.settings;
    this.#file = databaseFile(options.folder);
    this.#keeper = new StatusKeeper(options.log, { is: 'on', file: this.#file });
    const because = whyNoDatabase(options.nodeApi ?? process.versions.napi);
    if (because !== null) {
      this.#off({ class: 'final', because });
      return;
    }
    this.#startWorker();
    this.#housekeeping = new Housekeeping(options.clock, {
      retain: () => void this.retain(),
      showLife: () => this.#showLife(),
      stoodStill: (fromMs, toMs) => this.noteSleep(fromMs, toMs),
    });
  }

  record(outcome: Outcome, basis: DecisionBasis | null = null): void {
    if (this.#state === 'off' || this.#state === 'closed') return;
    if (this.#backlog.add(outcome, basis)) this.#seal();
    else this.#sealSoon();
  }

  recordTransition(transition: Transition): void {
    this.#note('transitions', transition);
  }

  recordBeat(beat: AdminBeat): void {
    this.#note('beats', beat);
  }

  recordEvent(event: HistoryEvent): void {
    this.#note('events', event);
  }

  recordHardware(sample: AdminHardwareSample): void {
    this.#note('hardware', sample);
  }

  noteSleep(fromMs: number, toMs: number): void {
    if (toMs > fromMs) this.#note('sleeps', { fromMs, toMs });
  }

  status(): HistoryStatus {
    return this.#keeper.status;
  }

  onStatusChange(listener: (status: HistoryStatus) => void): () => void {
    return this.#keeper.onChange(listener);
  }

  applySettings(settings: HistorySettings): void {
    this.#settings = settings;
  }

  retain(): Promise<void> {
    if (this.#state !== 'open') return Promise.resolve();
    return new Promise((resolve) => {
      this.#retaining.push(resolve);
      this.#tell({ do: 'retain', nowMs: this.#options.clock.now(), settings: this.#settings });
    });
  }

  flush(): Promise<void> {
    this.#seal();
    const isUnderWay = this.#state === 'opening' || (this.#state === 'open' && !this.#backlog.isEmpty);
    if (!isUnderWay) return Promise.resolve();
    return new Promise((resolve) => this.#flushing.push({ upTo: this.#backlog.lastSealed, resolve }));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#worker?.ref();
    let cancel = (): void => {};
    const isLate = new Promise<void>((resolve) => {
      cancel = this.#options.clock.after(closeWithinMs, resolve);
    });
    await Promise.race([this.flush(), isLate]);
    this.#state = 'closed';
    this.#cancelBatch?.();
    this.#cancelRetry?.();
    this.#housekeeping?.stop();
    const worker = this.#worker;
    if (worker) {
      const hasEnded = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
      this.#tell({ do: 'close', atMs: this.#options.clock.now() });
      await Promise.race([hasEnded, isLate]);
      // A thread that waits for a stalled disk does not end: it is not waited for.
      await Promise.race([worker.terminate(), isLate]);
    }
    cancel();
    const lost = this.#backlog.clear() + this.#rowsLost;
    if (lost > 0) this.#options.log.warn('history ends with outcomes that were not written', { rowsLost: lost });
    this.#settleAll('the history is closed');
    this.#keeper.forgetListeners();
  }

  #note(...note: Parameters<Backlog['addNote']>): void {
    if (this.#state === 'off' || this.#state === 'closed') return;
    if (this.#backlog.addNote(...note)) this.#seal();
    else this.#sealSoon();
  }

  #showLife(): void {
    // What waits to be written says it already.
    if (this.#state === 'off' || !this.#backlog.isEmpty) return;
    this.#backlog.showLife();
    this.#sealSoon();
  }

  #sealSoon(): void {
    this.#cancelBatch ??= this.#options.clock.after(batchEveryMs, () => this.#seal());
  }

  #seal(): void {
    this.#cancelBatch?.();
    this.#cancelBatch = null;
    this.#lose(this.#backlog.seal(this.#options.clock.now()));
    this.#send();
  }

  /** One batch at a time: a worker that is slow is not buried, and what it has is known when it dies. */
  #send(): void {
    if (this.#state !== 'open' || this.#outstanding !== null) return;
    const batch = this.#backlog.first();
    if (!batch) return;
    this.#outstanding = batch.number;
    this.#tell({ do: 'write', batch });
  }

  #tell(message: ToWorker): void {
    this.#worker?.postMessage(message);
  }

  protected override liveNowMs(): number {
    if (this.#state !== 'off' && this.#state !== 'closed') this.#backlog.showLife();
    return this.#options.clock.now();
  }

  protected override async ask(question: Question): Promise<Answer> {
    await this.flush();
    if (this.#state !== 'open') throw new HistoryUnavailable(this.#whyNot());
    return this.#questions.ask((number) => this.#tell({ do: 'ask', number, question }));
  }

  #whyNot(): string {
    const { status } = this.#keeper;
    return this.#state === 'closed' || status.is === 'on' ? 'the history is closed' : status.because;
  }

  #startWorker(): void {
    const { folder, instance, workerUrl } = this.#options;
    const worker = startWorker({ folder, instance, session: this.#session }, workerUrl, {
      heard: (message) => this.#hear(message),
      ended: (because) => this.#workerEnded(worker, because),
    });
    this.#worker = worker;
  }

  #hear(message: FromWorker): void {
    switch (message.is) {
      case 'open':
        this.#opened(message.notice);
        return;
      case 'refused':
        this.#refused(message.fault);
        return;
      case 'written':
        this.#written(message.batch);
        return;
      case 'failed':
        this.#failed(message.batch, message.fault);
        return;
      case 'answered':
        this.#questions.answer(message.number, message.answer);
        return;
      case 'unanswered':
        this.#questions.refuse(message.number, message.because);
        return;
      case 'retained':
        this.#retained(message.removed);
        return;
      case 'closed':
        return;
      default:
        assertNever(message);
    }
  }

  #opened(notice: string | null): void {
    if (notice) this.#options.log.warn(`history: ${notice}`);
    if (this.#state === 'closed') return;
    // At the first opening nothing was sent yet; afterwards it may be another database.
    if (this.#state !== 'opening') this.#backlog.forgetSent();
    // With rows waiting, only their being written proves that the trouble is over.
    const isProven = this.#state !== 'troubled' || this.#backlog.isEmpty;
    this.#state = 'open';
    if (isProven) this.#recovered();
    this.#settleFlushed();
    this.#send();
  }

  #refused(fault: Fault): void {
    if (this.#state === 'closed') return;
    this.#outstanding = null;
    if (fault.class === 'passing' || fault.class === 'corrupt' || fault.class === 'rows') {
      this.#trouble(fault.because);
      return;
    }
    this.#off(fault);
  }

  #off(fault: Fault): void {
    this.#state = 'off';
    this.#isFinal = fault.class === 'final';
    this.#rowsLost += this.#backlog.clear();
    this.#settleAll(fault.because);
    this.#keeper.set({ is: 'off', because: fault.because }, this.#rowsLost);
    if (this.#isFinal) this.#tell({ do: 'close', atMs: this.#options.clock.now() });
    else this.#retryAfter(longestRetryMs);
  }

  #written(batch: number): void {
    this.#backlog.drop(batch);
    this.#outstanding = null;
    this.#deaths = 0;
    if (this.#state === 'open') this.#recovered();
    this.#settleFlushed();
    this.#send();
  }

  /** Resolves those who wait for batches that are no longer held. */
  #settleFlushed(): void {
    const next = this.#backlog.first()?.number ?? Number.POSITIVE_INFINITY;
    this.#flushing = this.#flushing.filter(({ upTo, resolve }) => {
      if (upTo < next) resolve();
      return upTo >= next;
    });
  }

  #failed(batch: number, fault: Fault): void {
    this.#outstanding = null;
    if (this.#state === 'closed') return;
    if (fault.class === 'rows') {
      this.#rowsLost += this.#backlog.drop(batch);
      this.#backlog.forgetSent();
      this.#options.log.warn(`history: ${fault.because}`);
      this.#state = 'open';
      this.#written(batch);
      return;
    }
    this.#trouble(fault.because);
  }

  /** Rows are held, and the same is tried again after a while. */
  #trouble(because: string): void {
    this.#state = 'troubled';
    this.#settleAll(because);
    this.#keeper.set({ is: 'degraded', because, rowsLost: this.#rowsLost }, this.#rowsLost);
    this.#retryAfter(this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, longestRetryMs);
  }

  #retryAfter(delayMs: number): void {
    this.#cancelRetry?.();
    this.#cancelRetry = this.#options.clock.after(delayMs, () => {
      this.#cancelRetry = null;
      if (this.#worker) this.#tell({ do: 'open' });
      else this.#startWorker();
    });
  }

  #recovered(): void {
    this.#retryMs = firstRetryMs;
    const lost = this.#rowsLost;
    this.#rowsLost = 0;
    this.#keeper.set({ is: 'on', file: this.#file }, lost);
  }

  #workerEnded(worker: Worker, because: string): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    if (this.#state === 'closed' || this.#isFinal) return;
    if (this.#state === 'off') {
      this.#retryAfter(longestRetryMs);
      return;
    }
    if (this.#outstanding !== null && ++this.#deaths >= deathsPerBatch) {
      this.#rowsLost += this.#backlog.drop(this.#outstanding);
      this.#deaths = 0;
    }
    this.#outstanding = null;
    this.#trouble(`the history worker stopped (${because}) and is started again`);
  }

  #lose(rows: number): void {
    if (rows === 0) return;
    this.#rowsLost += rows;
    const { status } = this.#keeper;
    const because = status.is === 'on' ? 'the disk is too slow for the history' : status.because;
    this.#keeper.set({ is: 'degraded', because, rowsLost: this.#rowsLost }, this.#rowsLost);
  }

  /** Nobody is left waiting for what will not come for now. */
  #settleAll(because: string): void {
    for (const { resolve } of this.#flushing) resolve();
    this.#questions.refuseAll(because);
    for (const resolve of this.#retaining) resolve();
    this.#flushing = [];
    this.#retaining = [];
  }

  #retained(removed: number): void {
    // A snapshot that nobody named for 48 hours went, though it may be in force still.
    this.#backlog.forgetSent();
    if (removed > 0) this.#options.log.debug('history cleaned up', { removed });
    for (const resolve of this.#retaining) resolve();
    this.#retaining = [];
  }
}
