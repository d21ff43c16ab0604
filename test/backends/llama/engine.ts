// One loaded model of llama.cpp: its slots, its cache, its counters, and how it generates.

import { chooseToolCall, type Planned, planAnswer } from '../core/answer.ts';
import type { Asked } from '../core/asked.ts';
import type { Behaviour } from '../core/behaviour.ts';
import type { Exchange } from '../core/exchange.ts';
import { Gate } from '../core/gate.ts';
import type { Handled } from '../core/kind.ts';
import type { StandInModel } from '../core/models.ts';
import { Run } from '../core/run.ts';
import { pause } from '../core/wait.ts';
import { type Framing, serverError } from './http.ts';
import type { LlamaWords, LlamaWordsFor, Timing } from './words.ts';

export interface EngineOptions {
  readonly slots: number;
  /** The slots share one cache: each says the full context, and together they can overflow it. */
  readonly isUnified: boolean;
  /** Comment lines into silent streams; 0: none. */
  readonly pingIntervalMs: number;
  /** How long nothing may have happened before a vanished client of a request without stream is noticed. */
  readonly quietBeforeLeaveMs: number;
}

interface Slot {
  isProcessing: boolean;
  task: { readonly id: number; readonly asked: Asked; decoded: number } | null;
}

const OVERFLOW = serverError(500, 'Context size has been exceeded.', 'server_error');

/** What a router writes into the body when the process behind it is gone (measured: `router-child-killed-mid-stream`). */
const PROXY_ERROR = 'proxy error: Failed to read connection';

export class Engine {
  readonly model: StandInModel;
  readonly options: EngineOptions;
  readonly slots: Slot[];
  readonly #behaviour: Behaviour;
  readonly #gate: Gate;
  readonly #runs = new Set<Run>();
  readonly counters = { promptTokens: 0, cachedTokens: 0, predictedTokens: 0, decodes: 0 };
  #used = 0;
  #tasks = 0;
  #lastResultMs = 0;
  #lastPrompt = '';

  constructor(model: StandInModel, behaviour: Behaviour, options: EngineOptions) {
    this.model = model;
    this.options = options;
    this.#behaviour = behaviour;
    this.#gate = new Gate(options.slots);
    this.slots = Array.from({ length: options.slots }, () => ({ isProcessing: false, task: null }));
  }

  get running(): number {
    return this.#gate.running;
  }
  get deferred(): number {
    return this.#gate.waiting;
  }
  get isIdle(): boolean {
    return this.#gate.running === 0 && this.#gate.waiting === 0;
  }
  get hasFreeSlot(): boolean {
    return !this.#gate.isFull;
  }

  /** Asking for the slots counts as a result: it keeps a dead request alive. */
  touch(): void {
    this.#lastResultMs = performance.now();
  }

  stopAll(reason: 'crashed' | 'unloaded' | 'overflow'): void {
    for (const run of this.#runs) run.stop(reason);
  }

  /** Waits for a slot, then answers. Before the slot not a byte is sent; with it the head, prefill follows in silence. */
  async generate(exchange: Exchange, asked: Asked, wordsFor: LlamaWordsFor, framing: Framing): Promise<void> {
    const context = this.model.contextLoaded;
    if (asked.promptTokens > context) {
      const message = `request (${asked.promptTokens} tokens) exceeds the available context size (${context} tokens), try increasing it`;
      const counts = { n_prompt_tokens: asked.promptTokens, n_ctx: context };
      return framing.error(exchange, serverError(400, message, 'exceed_context_size_error', counts), 400);
    }
    const run = new Run(exchange, asked.isStream);
    if (asked.isStream) run.stopWhenLeft();
    else this.#stopWhenQuietAndLeft(run);
    this.#runs.add(run);
    try {
      if (await this.#gate.enter(run.signal)) await this.#inSlot(run, asked, wordsFor(asked, this.model.name), framing);
    } finally {
      this.#runs.delete(run);
      // Nobody may wait for a run that is over.
      run.stop('left');
    }
  }

  async #inSlot(run: Run, asked: Asked, words: LlamaWords, framing: Framing): Promise<void> {
    const slot = this.slots.find((one) => !one.isProcessing) ?? { isProcessing: false, task: null };
    slot.isProcessing = true;
    slot.task = { id: this.#tasks++, asked, decoded: 0 };
    this.#take(asked.promptTokens);
    try {
      await this.#speak(run, asked, words, framing, slot);
    } finally {
      slot.isProcessing = false;
      this.#used -= asked.promptTokens + slot.task.decoded;
      this.#gate.leave();
    }
  }

  /** Tokens of one shared cache: when they do not fit any more, everybody fails. */
  #take(tokens: number): void {
    this.#used += tokens;
    this.#lastResultMs = performance.now();
    if (this.options.isUnified && this.#used > this.model.contextLoaded) this.stopAll('overflow');
  }

  #plan(asked: Asked): Planned {
    const canCall = this.model.capabilities.includes('tools');
    const call = chooseToolCall(asked, this.#behaviour, { named: false, required: canCall, auto: canCall });
    // 0 makes one token, -1 means until the end.
    const maxTokens = asked.maxTokens === null || asked.maxTokens < 0 ? null : asked.maxTokens;
    return planAnswer(
      asked,
      this.#behaviour,
      { maxTokens, contextLeft: this.model.contextLoaded - asked.promptTokens },
      call,
    );
  }

  async #speak(run: Run, asked: Asked, words: LlamaWords, framing: Framing, slot: Slot): Promise<void> {
    const { exchange } = run;
    const { tokenDelayMs, prefillDelayMs } = this.#behaviour;
    const planned = Array.from({ length: asked.choices }, () => this.#plan(asked));
    const timing: Timing = { cachedTokens: this.#cachedTokens(asked), prefillMs: prefillDelayMs, generateMs: 0.7 };
    if (asked.isStream) {
      framing.openEvents(exchange);
      exchange.startPings(this.options.pingIntervalMs, () => ':\n\n');
    }
    await run.pause(prefillDelayMs);
    const emitted = interleave(planned);
    await run.tokens(emitted, tokenDelayMs, (piece) => {
      this.#take(1);
      if (slot.task) slot.task.decoded += 1;
      if (asked.isStream) emitPiece(exchange, words, piece, planned, timing);
    });
    this.#count(planned, timing);
    if (run.stopped !== null) return this.#broken(run, framing);
    if (!asked.isStream) return framing.json(exchange, 200, words.whole(planned, timing));
    if (words.end !== null) exchange.write('end', words.end);
    exchange.end();
  }

  #cachedTokens(asked: Asked): number {
    const isSame = asked.promptText === this.#lastPrompt;
    this.#lastPrompt = asked.promptText;
    return isSame ? asked.promptTokens - 1 : 0;
  }

  #count(planned: readonly Planned[], timing: Timing): void {
    this.counters.promptTokens += (planned[0]?.promptTokens ?? 0) - timing.cachedTokens;
    this.counters.cachedTokens += timing.cachedTokens;
    for (const one of planned) this.counters.predictedTokens += one.completionTokens;
    this.counters.decodes += planned[0]?.completionTokens ?? 0;
  }

  /** The ends of an answer that was stopped: as the recordings show, none of them looks like an error to HTTP. */
  #broken(run: Run, framing: Framing): Handled {
    const { exchange } = run;
    if (run.stopped === 'overflow') {
      if (!run.isStream) return framing.error(exchange, OVERFLOW, 500);
      exchange.write('comment', `data: ${JSON.stringify(OVERFLOW)}\n\n`);
      return exchange.end();
    }
    if (run.stopped === 'crashed' || run.stopped === 'unloaded') {
      if (!run.isStream) return framing.error(exchange, PROXY_ERROR, 500);
      exchange.write('comment', PROXY_ERROR);
      exchange.end();
    }
  }

  /** Somebody who left a request without stream is missed only after a while in which nothing at all happened. */
  #stopWhenQuietAndLeft(run: Run): void {
    run.exchange.onGone(() => void this.#waitForQuiet(run));
  }

  async #waitForQuiet(run: Run): Promise<void> {
    for (;;) {
      const leftMs = this.options.quietBeforeLeaveMs - (performance.now() - this.#lastResultMs);
      if (leftMs <= 0) break;
      if (!(await pause(leftMs, run.signal))) return;
    }
    run.stop('left');
  }
}

interface Piece {
  readonly choice: number;
  readonly index: number;
  readonly kind: 'token' | 'reasoning' | 'call' | 'finish';
  readonly text: string;
}

/** The pieces of all choices in the order they come out: turn by turn. */
function interleave(planned: readonly Planned[]): Piece[] {
  const lanes = planned.map((one, choice) => {
    const texts = [
      ...one.reasoning.map((text) => ({ kind: 'reasoning' as const, text })),
      ...one.tokens.map((text) => ({ kind: 'token' as const, text })),
      ...(one.toolCall ? [{ kind: 'call' as const, text: '' }] : []),
      { kind: 'finish' as const, text: '' },
    ];
    return texts.map(({ kind, text }, index): Piece => ({ choice, index, kind, text }));
  });
  const longest = Math.max(0, ...lanes.map((lane) => lane.length));
  return Array.from({ length: longest }, (_none, index) => lanes.flatMap((lane) => lane[index] ?? [])).flat();
}

function emitPiece(
  exchange: Exchange,
  words: LlamaWords,
  piece: Piece,
  planned: readonly Planned[],
  timing: Timing,
): void {
  const own = planned[piece.choice];
  if (!own) return;
  const opening = piece.index === 0 ? words.opening(piece.choice, own, timing) : [];
  switch (piece.kind) {
    case 'finish':
      exchange.emit([...opening, ...words.finish(piece.choice, own, timing)]);
      break;
    case 'call':
      if (own.toolCall) {
        for (const [index, text] of words.toolCall(piece.choice, own.toolCall).entries()) {
          exchange.emit([...(index === 0 ? opening : []), ['content', text]]);
        }
      }
      break;
    default: {
      const text =
        piece.kind === 'token' ? words.token(piece.choice, piece.text) : words.reasoning(piece.choice, piece.text);
      exchange.emit([...opening, ['content', text]]);
    }
  }
}
