// How one answer is put into the words of one of Ollama's routes.

import type { Planned } from '../core/answer.ts';
import type { Asked } from '../core/asked.ts';
import type { ToolCall } from '../core/behaviour.ts';
import type { Exchange, Part } from '../core/exchange.ts';

/** What the answer cost, in Go's nanoseconds. */
export interface Cost {
  readonly totalMs: number;
  readonly loadMs: number;
  readonly prefillMs: number;
}

export interface Words {
  /** `core`: the model server refuses; `parser`: the route's own check of the request does. */
  fail(status: number, message: string, from: 'core' | 'parser'): void;
  open(): void;
  /** Before the first token. */
  opening(planned: Planned): Part[];
  reasoning(text: string): string;
  token(text: string): string;
  toolCall(call: ToolCall): string;
  /** Everything after the last token, one HTTP chunk for each list. */
  last(planned: Planned, cost: Cost): Part[][];
  whole(planned: Planned, cost: Cost): void;
}

export type WordsFor = (exchange: Exchange, asked: Asked) => Words;

/** What the client of each route sees when the runner dies in the middle (measured: `runner-killed-mid-stream*`). */
export function crashText(path: string, model: string): string {
  if (path.startsWith('/api/')) {
    return '{"error":"an error was encountered while running the model: unexpected EOF"}\n';
  }
  if (path !== '/v1/chat/completions') return '';
  const chunk = {
    id: 'chatcmpl-218',
    object: 'chat.completion.chunk',
    created: Math.floor(Date.now() / 1000),
    model,
    system_fingerprint: 'fp_ollama',
    choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }],
  };
  return `data: ${JSON.stringify(chunk)}\n\n`;
}
