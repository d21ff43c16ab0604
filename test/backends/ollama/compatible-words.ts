// `/v1/chat/completions` and `/v1/completions` as Ollama words them.

import type { Planned } from '../core/answer.ts';
import type { ToolCall } from '../core/behaviour.ts';
import { epochSeconds, hex, randomBelow } from '../core/clock-text.ts';
import type { Exchange } from '../core/exchange.ts';
import { answerCompatible, answerGin, goJson, openEvents } from './go-http.ts';
import type { Words, WordsFor } from './words.ts';

const FINGERPRINT = 'fp_ollama';

/** Errors of the model server come through the middleware, those of the parser from gin; `code` is always null. */
function failCompatible(exchange: Exchange, status: number, message: string, from: 'core' | 'parser'): void {
  const type = from === 'core' ? 'api_error' : 'invalid_request_error';
  const error = { error: { message, type, param: null, code: null } };
  if (from === 'core') answerCompatible(exchange, status, error);
  else answerGin(exchange, status, error);
}

function usageOf(planned: Planned): Record<string, number> {
  const { promptTokens, completionTokens } = planned;
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

function callsOf(call: ToolCall): unknown[] {
  const { name } = call;
  return [
    { id: `call_${hex(4)}`, index: 0, type: 'function', function: { name, arguments: JSON.stringify(call.arguments) } },
  ];
}

/** Role and content in every delta; finish, usage and end marker share one HTTP chunk (measured: `v1-chat-stream-usage`). */
export const v1ChatWords: WordsFor = (exchange, asked) => {
  const head = { id: `chatcmpl-${randomBelow(1000)}`, object: 'chat.completion.chunk', created: epochSeconds() };
  const event = (choices: unknown[], rest: Record<string, unknown> = {}) =>
    `data: ${goJson({ ...head, model: asked.model, system_fingerprint: FINGERPRINT, choices, ...rest })}\n\n`;
  const choice = (delta: Record<string, unknown>, finish: string | null = null) => [
    { index: 0, delta: { role: 'assistant', ...delta }, finish_reason: finish },
  ];
  const words: Words = {
    fail: (status, message, from) => failCompatible(exchange, status, message, from),
    open: () => openEvents(exchange, false),
    opening: () => [],
    reasoning: (reasoning) => event(choice({ content: '', reasoning })),
    token: (content) => event(choice({ content })),
    toolCall: (call) => event(choice({ content: '', tool_calls: callsOf(call) })),
    last: (planned) => [
      [
        ['finish', event(choice({ content: '' }, planned.finish))],
        ['usage', asked.includesUsage ? event([], { usage: usageOf(planned) }) : ''],
        ['end', 'data: [DONE]\n\n'],
      ],
    ],
    whole(planned) {
      const message = planned.toolCall
        ? { role: 'assistant', content: '', tool_calls: callsOf(planned.toolCall) }
        : { role: 'assistant', content: planned.text };
      answerCompatible(exchange, 200, {
        ...head,
        object: 'chat.completion',
        model: asked.model,
        system_fingerprint: FINGERPRINT,
        choices: [{ index: 0, message, finish_reason: planned.finish }],
        usage: usageOf(planned),
      });
    },
  };
  return words;
};

/** With `include_usage` every chunk carries a usage of zeros (measured: `v1-completions-stream`). */
export const v1CompletionsWords: WordsFor = (exchange, asked) => {
  const head = { id: `cmpl-${randomBelow(1000)}`, object: 'text_completion', created: epochSeconds() };
  const zeros = asked.includesUsage ? { usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 } } : {};
  const event = (choices: unknown[], usage: Record<string, unknown>) =>
    `data: ${goJson({ ...head, choices, model: asked.model, system_fingerprint: FINGERPRINT, ...usage })}\n\n`;
  const choice = (content: string, finish: string | null) => [{ text: content, index: 0, finish_reason: finish }];
  return {
    fail: (status, message, from) => failCompatible(exchange, status, message, from),
    open: () => openEvents(exchange, false),
    opening: () => [],
    reasoning: () => '',
    token: (content) => event(choice(content, null), zeros),
    toolCall: () => '',
    last: (planned) => [
      [
        ['finish', event(choice('', planned.finish), zeros)],
        ['usage', asked.includesUsage ? event([], { usage: usageOf(planned) }) : ''],
        ['end', 'data: [DONE]\n\n'],
      ],
    ],
    whole: (planned) =>
      answerCompatible(exchange, 200, {
        ...head,
        model: asked.model,
        system_fingerprint: FINGERPRINT,
        choices: choice(planned.text, planned.finish),
        usage: usageOf(planned),
      }),
  };
};
