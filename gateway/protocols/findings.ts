// What has been learned of one stream so far. The readers of the protocols write it, the observer shows it.

import type { Usage } from '../types.ts';
import { textOf } from './json-values.ts';
import type { ProtocolError } from './protocol.ts';

/** Reasons that stand where a finish reason should but say that the engine gave up (vLLM on shutdown or pause). */
const BROKEN_REASONS: ReadonlySet<string> = new Set(['abort', 'error']);

/** Whether a finish reason says that the choice ended as the model or a limit wanted it. */
export function isProperFinish(reason: string): boolean {
  return !BROKEN_REASONS.has(reason);
}

export class Findings {
  /** Events that brought content. */
  contentEvents = 0;
  characters = 0;
  error: ProtocolError | null = null;
  garbage: string | null = null;
  usage: Usage | null = null;
  model: string | null = null;
  /** The protocol's own end came. */
  hasEnded = false;
  readonly #finishByChoice = new Map<number, string | null>();

  /** @param characters null: no content, which is not counted */
  addContent(characters: number | null): void {
    if (characters === null) return;
    this.contentEvents += 1;
    this.characters += characters;
  }

  /** @param reason anything but a non-empty string: this choice goes on */
  noteChoice(index: number, reason: unknown): void {
    const finish = textOf(reason);
    if (finish !== null) this.#finishByChoice.set(index, finish);
    else if (!this.#finishByChoice.has(index)) this.#finishByChoice.set(index, null);
  }

  noteModel(model: unknown): void {
    this.model ??= textOf(model);
  }

  noteError(error: ProtocolError): void {
    this.error ??= error;
  }

  get finishReasons(): readonly string[] {
    return [...this.#finishByChoice.entries()]
      .sort(([a], [b]) => a - b)
      .flatMap(([, reason]) => (reason === null ? [] : [reason]));
  }

  /** Nothing is missing but the protocol's own end. */
  get isFinished(): boolean {
    if (this.error !== null || this.garbage !== null || this.#finishByChoice.size === 0) return false;
    for (const reason of this.#finishByChoice.values()) {
      if (reason === null || !isProperFinish(reason)) return false;
    }
    return true;
  }
}
