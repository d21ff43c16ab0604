// How llama.cpp words its answers, route by route.

import type { Planned } from '../core/answer.ts';
import type { Asked } from '../core/asked.ts';
import type { ToolCall } from '../core/behaviour.ts';
import { epochSeconds, letters } from '../core/clock-text.ts';
import type { Part } from '../core/exchange.ts';

export const BUILD = 'b1-0c1e570';

/** What prefix of the prompt came from the cache, and how long the rest took. */
export interface Timing {
  readonly cachedTokens: number;
  readonly prefillMs: number;
  readonly generateMs: number;
}

/** One answer of one route. `choice` counts from 0; each list of parts is one HTTP chunk. */
export interface LlamaWords {
  /** Sent together with the first token of each choice. */
  opening(choice: number, planned: Planned, timing: Timing): Part[];
  reasoning(choice: number, text: string): string;
  token(choice: number, text: string): string;
  toolCall(choice: number, call: ToolCall): string[];
  finish(choice: number, planned: Planned, timing: Timing): Part[];
  /** After the last choice, in a chunk of its own; null: nothing. */
  readonly end: string | null;
  whole(planned: readonly Planned[], timing: Timing): unknown;
}

export type LlamaWordsFor = (asked: Asked, model: string) => LlamaWords;

export function timings(planned: Planned, timing: Timing): Record<string, number> {
  const promptCount = Math.max(1, planned.promptTokens - timing.cachedTokens);
  const prefillMs = Math.max(0.1, timing.prefillMs);
  const generateMs = Math.max(0.1, timing.generateMs);
  const { completionTokens } = planned;
  return {
    cache_n: timing.cachedTokens,
    prompt_n: promptCount,
    prompt_ms: prefillMs,
    prompt_per_token_ms: prefillMs / promptCount,
    prompt_per_second: (promptCount / prefillMs) * 1000,
    predicted_n: completionTokens,
    predicted_ms: generateMs,
    predicted_per_token_ms: generateMs / Math.max(1, completionTokens),
    predicted_per_second: (completionTokens / generateMs) * 1000,
  };
}

function usageOf(planned: readonly Planned[], timing: Timing): Record<string, unknown> {
  const [first] = planned;
  const promptTokens = first?.promptTokens ?? 0;
  // With several choices it counts the first one only (measured: `chat-n2`).
  const completionTokens = first?.completionTokens ?? 0;
  return {
    completion_tokens: completionTokens,
    prompt_tokens: promptTokens,
    total_tokens: completionTokens + promptTokens,
    prompt_tokens_details: { cached_tokens: timing.cachedTokens },
  };
}

const sse = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;

export const chatWords: LlamaWordsFor = (asked, model) => {
  const created = epochSeconds();
  const id = `chatcmpl-${letters(32)}`;
  const chunk = (choices: unknown[], rest: Record<string, unknown> = {}) =>
    sse({ choices, created, id, model, system_fingerprint: BUILD, object: 'chat.completion.chunk', ...rest });
  const delta = (index: number, fields: Record<string, unknown>, finish: string | null = null) =>
    chunk([{ finish_reason: finish, index, delta: fields }]);
  return {
    opening: (choice) => [['opening', delta(choice, { role: 'assistant', content: null })]],
    reasoning: (choice, text) => delta(choice, { reasoning_content: text }),
    token: (choice, text) => delta(choice, { content: text }),
    toolCall: (choice, call) => [
      delta(choice, {
        tool_calls: [{ index: 0, id: letters(32), type: 'function', function: { name: call.name, arguments: '' } }],
      }),
      delta(choice, { tool_calls: [{ index: 0, function: { arguments: JSON.stringify(call.arguments) } }] }),
    ],
    finish(choice, planned, timing) {
      const last = [{ finish_reason: planned.finish, index: choice, delta: {} }];
      if (!asked.includesUsage) return [['finish', chunk(last, { timings: timings(planned, timing) })]];
      const figures = { usage: usageOf([planned], timing), timings: timings(planned, timing) };
      return [
        ['finish', chunk(last)],
        ['usage', chunk([], figures)],
      ];
    },
    end: 'data: [DONE]\n\n',
    whole: (planned, timing) => ({
      choices: planned.map((one, index) => ({
        finish_reason: one.finish,
        index,
        message: {
          role: 'assistant',
          content: one.toolCall ? '' : one.text,
          ...(one.reasoning.length > 0 ? { reasoning_content: one.reasoning.join('') } : {}),
          ...(one.toolCall
            ? {
                tool_calls: [
                  {
                    type: 'function',
                    function: { name: one.toolCall.name, arguments: JSON.stringify(one.toolCall.arguments) },
                    id: letters(32),
                  },
                ],
              }
            : {}),
        },
      })),
      created,
      model,
      system_fingerprint: BUILD,
      object: 'chat.completion',
      usage: usageOf(planned, timing),
      id,
      ...(planned[0] ? { timings: timings(planned[0], timing) } : {}),
    }),
  };
};

/** The usage comes in the finish chunk, asked for or not (measured: `completions-stream`). */
export const completionsWords: LlamaWordsFor = (_asked, model) => {
  const created = epochSeconds();
  const id = `chatcmpl-${letters(32)}`;
  const head = { created, model, system_fingerprint: BUILD, object: 'text_completion' };
  const choiceOf = (index: number, text: string, finish: string | null) => ({
    text,
    index,
    logprobs: null,
    finish_reason: finish,
  });
  return {
    opening: () => [],
    reasoning: () => '',
    token: (choice, text) => sse({ choices: [choiceOf(choice, text, null)], ...head, id }),
    toolCall: () => [],
    finish: (choice, planned, timing) => {
      const figures = { usage: usageOf([planned], timing), id, timings: timings(planned, timing) };
      return [['finish', sse({ choices: [choiceOf(choice, '', planned.finish)], ...head, ...figures })]];
    },
    end: 'data: [DONE]\n\n',
    whole: (planned, timing) => ({
      choices: planned.map((one, index) => choiceOf(index, one.text, one.finish)),
      ...head,
      usage: usageOf(planned, timing),
      id,
      ...(planned[0] ? { timings: timings(planned[0], timing) } : {}),
    }),
  };
};

/** `/completion`, the native route: no end marker. */
export const nativeWords: LlamaWordsFor = (asked, model) => {
  const last = (planned: Planned, timing: Timing, content: string) => ({
    index: 0,
    content,
    tokens: [],
    id_slot: 0,
    stop: true,
    model,
    tokens_predicted: planned.completionTokens,
    tokens_evaluated: planned.promptTokens,
    generation_settings: {
      seed: 4294967295,
      temperature: 0.8,
      max_tokens: asked.maxTokens ?? -1,
      n_predict: asked.maxTokens ?? -1,
    },
    prompt: `<s>${asked.promptText}`,
    has_new_line: false,
    truncated: false,
    stop_type: planned.finish === 'length' ? 'limit' : 'eos',
    stopping_word: '',
    tokens_cached: planned.promptTokens + planned.completionTokens - 1,
    timings: timings(planned, timing),
  });
  return {
    opening: () => [],
    reasoning: () => '',
    token: (_choice, text) =>
      sse({
        index: 0,
        content: text,
        tokens: [1],
        stop: false,
        id_slot: 0,
        tokens_predicted: 1,
        tokens_evaluated: asked.promptTokens,
      }),
    toolCall: () => [],
    finish: (_choice, planned, timing) => [['end', sse(last(planned, timing, ''))]],
    end: null,
    whole: ([planned], timing) => (planned ? last(planned, timing, planned.text) : {}),
  };
};
