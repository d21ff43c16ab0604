// `/v1/messages` as Ollama words it.

import type { Planned } from '../core/answer.ts';
import { hex } from '../core/clock-text.ts';
import type { Part } from '../core/exchange.ts';
import { answerCompatible, answerGin, goJson, openEvents } from './go-http.ts';
import type { WordsFor } from './words.ts';

const ERROR_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
  503: 'overloaded_error',
};

/** One SSE event of this protocol. */
function event(fields: { readonly type: string } & Record<string, unknown>): string {
  return `event: ${fields.type}\ndata: ${goJson(fields)}\n\n`;
}

const STOP_REASONS = { stop: 'end_turn', length: 'max_tokens', tool_calls: 'tool_use' } as const;

function contentOf(planned: Planned): unknown[] {
  const { toolCall } = planned;
  if (!toolCall) return [{ type: 'text', text: planned.text }];
  return [{ type: 'tool_use', id: `toolu_${hex(6)}`, name: toolCall.name, input: toolCall.arguments }];
}

/** The estimate at the start is characters over four, the count at the end the real one (measured: `messages-stream`). */
export const messagesWords: WordsFor = (exchange, asked) => {
  const { model } = asked;
  const head = { id: `msg_${hex(12)}`, type: 'message', role: 'assistant', model };
  const estimate = Math.ceil(asked.promptText.length / 4);
  const delta = (fields: Record<string, unknown>) => event({ type: 'content_block_delta', index: 0, delta: fields });
  return {
    fail(status, message, from) {
      const error = {
        type: 'error',
        error: { type: ERROR_TYPES[status] ?? 'api_error', message },
        request_id: `req_${hex(12)}`,
      };
      if (from === 'core') answerCompatible(exchange, status, error);
      else answerGin(exchange, status, error);
    },
    open: () => openEvents(exchange, true),
    opening(planned) {
      const message = { ...head, content: [], usage: { input_tokens: estimate, output_tokens: 0 } };
      const block = planned.toolCall
        ? { type: 'tool_use', id: `toolu_${hex(6)}`, name: planned.toolCall.name, input: {} }
        : { type: 'text', text: '' };
      return [
        ['opening', event({ type: 'message_start', message })],
        ['opening', event({ type: 'content_block_start', index: 0, content_block: block })],
      ];
    },
    reasoning: () => '',
    token: (text) => delta({ type: 'text_delta', text }),
    toolCall: (call) => delta({ type: 'input_json_delta', partial_json: JSON.stringify(call.arguments) }),
    last(planned) {
      const usage = { input_tokens: planned.promptTokens, output_tokens: planned.completionTokens };
      const reason = { stop_reason: STOP_REASONS[planned.finish] };
      const parts: Part[] = [
        ['finish', event({ type: 'content_block_stop', index: 0 })],
        ['finish', event({ type: 'message_delta', delta: reason, usage })],
        ['end', event({ type: 'message_stop' })],
      ];
      return parts.map((part) => [part]);
    },
    whole: (planned) =>
      answerCompatible(exchange, 200, {
        ...head,
        content: contentOf(planned),
        stop_reason: STOP_REASONS[planned.finish],
        usage: { input_tokens: planned.promptTokens, output_tokens: planned.completionTokens },
      }),
  };
};
