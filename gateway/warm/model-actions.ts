// Loading and unloading models on purpose: one action at a time for each provider, none on a model with requests of ours.

import type { ControlledProvider } from '../catalog/controlled-provider.ts';
import type { Clock } from '../clock.ts';
import type { AdminModelAction, AdminModelActionResult } from '../contract.ts';
import { type ControlClient, type ModelControl, type NoModelControl, ProbeError } from '../providers/provider.ts';
import type { Log } from '../telemetry/log.ts';
import type { ModelFacts } from '../types.ts';

/** A big model from a slow disk takes minutes. */
const loadWithinMs = 15 * 60_000;
const unloadWithinMs = 2 * 60_000;
/** Between two looks whether requests still run there, in ms. */
const lookEveryMs = 250;
/** Actions that wait for their turn at one provider. */
const mostWaiting = 16;

export interface ModelActionsOptions {
  readonly clock: Clock;
  readonly catalog: { controlled(provider: string): ControlledProvider | null };
  readonly log: Log;
  /** Told of each action once, when it has ended, whatever came of it. */
  readonly onEnded: (ended: AdminModelActionResult) => void;
}

export interface RunOptions {
  /** How long to wait for requests that run there to end. */
  readonly waitMs: number;
}

interface Waiting {
  readonly action: AdminModelAction;
  readonly ended: Promise<AdminModelActionResult>;
}

/** What `ControlResult` says, or why the server was told nothing. */
type Result = Pick<AdminModelActionResult, 'result' | 'message'> & {
  /** How long the server took; absent: it was told nothing. */
  readonly durationMs?: number;
};

/** A request began between the decision to unload and the word to the server. */
class BusyAgain extends Error {}

export class ModelActions {
  readonly #options: ModelActionsOptions;
  readonly #closing = new AbortController();
  /** By provider, the one that runs first. Bounded by `mostWaiting` each. */
  readonly #queues = new Map<string, Waiting[]>();

  constructor(options: ModelActionsOptions) {
    this.#options = options;
  }

  /**
   * Loads or unloads a model, when the actions before it on that provider have ended. The same action that waits already
   * is joined. Never rejects: what went wrong is in the result.
   */
  run(action: AdminModelAction, options: RunOptions): Promise<AdminModelActionResult> {
    const queue = this.#queues.get(action.provider) ?? [];
    const same = queue.find(({ action: { model, action: what } }) => model === action.model && what === action.action);
    if (same !== undefined) return same.ended;
    if (queue.length >= mostWaiting) {
      const message = `has to wait: ${queue.length} actions are under way at ${action.provider}`;
      return Promise.resolve(this.#ended(action, { result: 'busy', message }));
    }
    const before = queue.at(-1)?.ended;
    const entry: Waiting = { action, ended: this.#runAfter(before, action, options) };
    this.#queues.set(action.provider, [...queue, entry]);
    void entry.ended.then(() => this.#leave(action.provider, entry));
    return entry.ended;
  }

  /** What is under way at a provider, the one that runs first. */
  underWay(provider: string): readonly AdminModelAction[] {
    return (this.#queues.get(provider) ?? []).map(({ action }) => action);
  }

  /** Ends what runs; a server that was told to load may go on doing so. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([...this.#queues.values()].flatMap((queue) => queue.map(({ ended }) => ended)));
  }

  #leave(provider: string, entry: Waiting): void {
    const left = (this.#queues.get(provider) ?? []).filter((other) => other !== entry);
    if (left.length === 0) this.#queues.delete(provider);
    else this.#queues.set(provider, left);
  }

  async #runAfter(
    before: Promise<unknown> | undefined,
    action: AdminModelAction,
    options: RunOptions,
  ): Promise<AdminModelActionResult> {
    await before;
    return this.#ended(action, await this.#attempt(action, options));
  }

  #ended(action: AdminModelAction, { durationMs = 0, ...result }: Result): AdminModelActionResult {
    const { clock, log, onEnded } = this.#options;
    const ended = { ...action, ...result, atMs: clock.now(), durationMs };
    try {
      onEnded(ended);
    } catch (error) {
      log.error('what was loaded or unloaded could not be noted', { error });
    }
    return ended;
  }

  async #attempt(action: AdminModelAction, { waitMs }: RunOptions): Promise<Result> {
    const provider = this.#options.catalog.controlled(action.provider);
    const target = provider === null ? 'is unknown: there is no such provider' : findTarget(provider, action);
    if (provider === null || typeof target === 'string') return { result: 'failed', message: String(target) };
    if ('because' in target) return { result: 'unsupported', message: `stays as it is: ${target.because}` };
    const { facts, control } = target;
    const running = () => requestsInTheWay(provider, facts, control, action);
    if (running() > 0) {
      // It is loaded, or being loaded for them.
      if (action.action === 'load' && action.by === 'user')
        return { result: 'unchanged', message: 'is in use, and so loaded' };
      if (!(await this.#untilNone(running, waitMs))) return this.#stopped ?? busy(running());
    }
    return this.#stopped ?? (await this.#act(provider, facts, control, action, running));
  }

  get #stopped(): Result | null {
    return this.#closing.signal.aborted ? { result: 'failed', message: 'was left alone: the gateway stopped' } : null;
  }

  async #act(
    provider: ControlledProvider,
    facts: ModelFacts,
    control: ModelControl,
    { action, by }: AdminModelAction,
    running: () => number,
  ): Promise<Result> {
    const { clock } = this.#options;
    const startedAt = clock.monotonic();
    const connection = provider.connect();
    const stop = () => void connection.close();
    this.#closing.signal.addEventListener('abort', stop);
    const wholeMs = action === 'load' ? loadWithinMs : unloadWithinMs;
    const client = guarded(connection.client({ lookMs: provider.lookMs, wholeMs }), running);
    try {
      const { is: result, message } =
        action === 'load'
          ? await control.load(client, facts.id, { isKept: by === 'schedule' })
          : await control.unload(client, facts.id);
      const durationMs = clock.monotonic() - startedAt;
      if (result === 'done') await provider.probe();
      return this.#stopped ?? { result, message, durationMs };
    } catch (error) {
      return this.#stopped ?? this.#failed(error);
    } finally {
      this.#closing.signal.removeEventListener('abort', stop);
      await connection.close();
    }
  }

  #failed(error: unknown): Result {
    if (error instanceof BusyAgain) return busy(1);
    if (error instanceof ProbeError) {
      return { result: 'failed', message: `could not be reached: ${error.failure.message}` };
    }
    this.#options.log.error('loading or unloading a model failed', { error });
    return { result: 'failed', message: 'could not be changed: the answers of the server cannot be read' };
  }

  /** False: some are left when the time is over, or the gateway stops. */
  async #untilNone(running: () => number, waitMs: number): Promise<boolean> {
    const { clock } = this.#options;
    const { signal } = this.#closing;
    const endsAt = clock.monotonic() + waitMs;
    while (running() > 0) {
      if (signal.aborted || clock.monotonic() >= endsAt) return false;
      const { promise, resolve } = Promise.withResolvers<void>();
      const wake = () => resolve();
      const cancel = clock.after(Math.min(lookEveryMs, endsAt - clock.monotonic()), wake);
      signal.addEventListener('abort', wake, { once: true });
      await promise;
      cancel();
      signal.removeEventListener('abort', wake);
    }
    return !signal.aborted;
  }
}

interface Target {
  readonly facts: ModelFacts;
  readonly control: ModelControl;
}

/** What is to be acted upon, why it never can be, or (as a text) why it cannot be now. */
function findTarget(provider: ControlledProvider, action: AdminModelAction): Target | NoModelControl | string {
  const { control, notCallableBecause } = provider;
  if ('because' in control) return control;
  if (notCallableBecause !== null) return `cannot be reached: ${notCallableBecause}`;
  // Unloading what is switched off gives its memory back.
  if (!provider.isEnabled && action.action === 'load') return `was left alone: ${provider.name} is switched off`;
  const facts = provider.findModel(action.model);
  if (facts === null) return `is no model of ${provider.name}`;
  if (facts.remoteHost !== null) return { because: `it runs at ${facts.remoteHost}` };
  return { facts, control };
}

/** Requests that wait for a place there may be for this very model. */
function requestsInTheWay(
  provider: ControlledProvider,
  facts: ModelFacts,
  { scope }: ModelControl,
  { action }: AdminModelAction,
): number {
  const running = provider.inFlight(scope === 'server' ? null : facts);
  return action === 'load' ? running : running + provider.queued;
}

function busy(requests: number): Result {
  return {
    result: 'busy',
    message: `is in use: ${requests} ${requests === 1 ? 'request runs' : 'requests run'} there`,
  };
}

/** Looks once more, in the very moment in which the server would be told. */
function guarded(client: ControlClient, running: () => number): ControlClient {
  return {
    ...client,
    post: (path, body) => (running() > 0 ? Promise.reject(new BusyAgain()) : client.post(path, body)),
  };
}

/** A finished action as a sentence. */
export function actionSentence({ provider, model, by, message, result, durationMs }: AdminModelActionResult): string {
  const who = by === 'schedule' ? 'keep_warm' : 'by hand';
  const took = result === 'done' ? ` (${(durationMs / 1_000).toFixed(1)} s)` : '';
  return `${who}: ${model} on ${provider} ${message}${took}`;
}
