// The engine behind vLLM's API: a batch, a queue without end, and the ways it stands still or dies.

import { chooseToolCall, type Planned, planAnswer } from '../core/answer.ts';
import type { Asked } from '../core/asked.ts';
import type { Behaviour } from '../core/behaviour.ts';
import type { Exchange } from '../core/exchange.ts';
import { Gate } from '../core/gate.ts';
import type { Handled } from '../core/kind.ts';
import { Run } from '../core/run.ts';
import { untilAborted } from '../core/wait.ts';
import type { Finish, Piece, VllmWords } from './words.ts';

/** How the API around the engine frames what comes out of it. */
export interface Outlets {
  open(exchange: Exchange): void;
  whole(exchange: Exchange, value: unknown): void;
  dead(exchange: Exchange): void;
}

export interface EngineOptions {
  /** `--max-num-seqs` */
  readonly maxRunning: number;
  /** `--max-num-queued-reqs`, running ones counted; null: no limit. */
  readonly maxQueued: number | null;
  readonly hasToolParser: boolean;
}

export const DEAD = {
  message: 'EngineCore encountered an issue. See stack trace (above) for the root cause.',
  type: 'InternalServerError',
  param: null,
  code: 500,
};

export class VllmEngine {
  readonly #behaviour: Behaviour;
  readonly #options: EngineOptions;
  readonly #gate: Gate;
  readonly #runs = new Set<Run>();
  readonly finished = { stop: 0, length: 0, promptTokens: 0, generatedTokens: 0 };
  #usedTokens = 0;
  #thaw: PromiseWithResolvers<void> | null = null;

  constructor(behaviour: Behaviour, options: EngineOptions) {
    this.#behaviour = behaviour;
    this.#options = options;
    this.#gate = new Gate(options.maxRunning);
  }

  get running(): number {
    return this.#gate.running;
  }
  get waiting(): number {
    return this.#gate.waiting;
  }
  /** 0 to 1: tokens held by running requests in a cache of a million. */
  get cacheUsage(): number {
    return this.#usedTokens / 1_048_576;
  }
  get isFull(): boolean {
    const { maxQueued } = this.#options;
    return maxQueued !== null && this.running + this.waiting >= maxQueued;
  }
  get isHeld(): boolean {
    return this.#thaw !== null;
  }

  /** Nothing is computed until `release`: paused, asleep or frozen, seen from outside it is all the same. */
  hold(): void {
    this.#thaw ??= Promise.withResolvers<void>();
  }
  release(): void {
    this.#thaw?.resolve();
    this.#thaw = null;
  }
  stopAll(reason: 'crashed' | 'aborted'): void {
    for (const run of this.#runs) run.stop(reason);
  }

  #plan(asked: Asked, contextLoaded: number): Planned {
    const { hasToolParser } = this.#options;
    const obeys = { named: hasToolParser, required: hasToolParser, auto: hasToolParser };
    const call = chooseToolCall(asked, this.#behaviour, obeys);
    return planAnswer(
      asked,
      this.#behaviour,
      { maxTokens: asked.maxTokens, contextLeft: contextLoaded - asked.promptTokens },
      call,
    );
  }

  /** Head at once (before scheduling), then a place in the batch, prefill and tokens. */
  async generate(
    exchange: Exchange,
    asked: Asked,
    contextLoaded: number,
    words: VllmWords,
    outlets: Outlets,
  ): Promise<void> {
    const run = new Run(exchange, asked.isStream).stopWhenLeft();
    run.hold = () => this.#thaw?.promise ?? null;
    this.#runs.add(run);
    if (asked.isStream) outlets.open(exchange);
    try {
      if (await this.#gate.enter(run.signal)) {
        try {
          await this.#inBatch(run, asked, this.#plan(asked, contextLoaded), words, outlets);
        } finally {
          this.#gate.leave();
        }
      } else await this.#broken(run, [], words, outlets);
    } finally {
      this.#runs.delete(run);
    }
  }

  async #inBatch(run: Run, asked: Asked, first: Planned, words: VllmWords, outlets: Outlets): Promise<void> {
    const { tokenDelayMs, prefillDelayMs } = this.#behaviour;
    const { exchange } = run;
    const planned = Array.from({ length: asked.choices }, () => first);
    const size = asked.promptTokens + first.completionTokens;
    this.#usedTokens += size;
    if (this.#thaw) await Promise.race([this.#thaw.promise, untilAborted(run.signal)]);
    await run.pause(prefillDelayMs);
    if (asked.isStream && run.stopped === null) for (const part of words.opening(planned)) exchange.emit([part]);
    let made = 0;
    await run.tokens(piecesOf(planned), tokenDelayMs, ({ call, ...piece }) => {
      made += 1;
      if (!asked.isStream) return;
      if (call) for (const part of words.toolCall(piece.choice, first)) exchange.emit([part]);
      else
        exchange.emit([
          words.piece({ ...piece, made: Math.min(made, first.completionTokens * planned.length) }, first),
        ]);
    });
    this.#usedTokens -= size;
    if (run.stopped !== null) return this.#broken(run, planned, words, outlets);
    this.#count(planned);
    if (!asked.isStream) return outlets.whole(exchange, words.whole(planned, null));
    for (const part of words.end(planned)) exchange.emit([part]);
    exchange.end();
  }

  #count(planned: readonly Planned[]): void {
    for (const one of planned) {
      this.finished[one.finish === 'length' ? 'length' : 'stop'] += 1;
      this.finished.generatedTokens += one.completionTokens;
    }
    this.finished.promptTokens += planned[0]?.promptTokens ?? 0;
  }

  /** Killed: the error as an event, then `[DONE]`. Aborted: a finish reason of that name, then `[DONE]`. All with 200. */
  #broken(run: Run, planned: readonly Planned[], words: VllmWords, outlets: Outlets): Handled {
    const { exchange } = run;
    const finish: Finish = 'abort';
    const [first] = planned;
    if (run.stopped === 'crashed') {
      if (run.isStream) endWithError(exchange);
      else outlets.dead(exchange);
    } else if (run.stopped === 'aborted' && first) {
      if (run.isStream) {
        for (const choice of planned.keys()) exchange.emit([words.piece({ choice, text: '', finish, made: 1 }, first)]);
        for (const part of words.end(planned)) exchange.emit([part]);
        exchange.end();
      } else outlets.whole(exchange, words.whole(planned, finish));
    }
  }
}

/** What a dead engine leaves in a stream (measured: `killed_engine_kill_stream`). */
export const STREAM_ERROR = `data: {"error": {"message": "${DEAD.message}", "type": "${DEAD.type}", "param": null, "code": 500}}\n\n`;

function endWithError(exchange: Exchange): void {
  exchange.write('comment', STREAM_ERROR);
  exchange.write('end', 'data: [DONE]\n\n');
  exchange.end();
}

type Step = Omit<Piece, 'made'> & { readonly call: boolean };

/** The pieces of all choices, turn by turn. An answer at its limit ends with its last token, another with an empty one. */
function piecesOf(planned: readonly Planned[]): Step[] {
  const lanes = planned.map((one, choice): Step[] => {
    const texts = one.tokens.map((text): Step => ({ choice, text, finish: null, call: false }));
    const calls: Step[] = one.toolCall ? [{ choice, text: '', finish: null, call: true }] : [];
    const last = one.finish === 'length' ? texts.pop() : undefined;
    return [...texts, ...calls, { choice, text: last?.text ?? '', finish: one.finish, call: false }];
  });
  const longest = Math.max(0, ...lanes.map((lane) => lane.length));
  return Array.from({ length: longest }, (_none, index) => lanes.flatMap((lane) => lane[index] ?? [])).flat();
}
