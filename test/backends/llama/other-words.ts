// llama.cpp's `/v1/messages` and `/v1/responses`: converted from chat, with the gaps the recordings show.

import type { Planned } from '../core/answer.ts';
import { epochSeconds, letters } from '../core/clock-text.ts';
import type { Part } from '../core/exchange.ts';
import { type LlamaWordsFor, type Timing, timings } from './words.ts';

const event = (fields: { readonly type: string } & Record<string, unknown>) =>
  `event: ${fields.type}\ndata: ${JSON.stringify(fields)}\n\n`;

const STOP_REASONS = { stop: 'end_turn', length: 'max_tokens', tool_calls: 'tool_use' } as const;

export const messagesWords: LlamaWordsFor = (_asked, model) => {
  const id = `chatcmpl-${letters(32)}`;
  const usage = (planned: Planned, timing: Timing, outputTokens: number) => ({
    cache_read_input_tokens: timing.cachedTokens,
    input_tokens: planned.promptTokens - timing.cachedTokens,
    output_tokens: outputTokens,
  });
  const head = { id, type: 'message', role: 'assistant' };
  const delta = (fields: Record<string, unknown>) => event({ type: 'content_block_delta', index: 0, delta: fields });
  return {
    opening(_choice, planned, timing) {
      const start = {
        ...head,
        content: [],
        model,
        stop_reason: null,
        stop_sequence: null,
        usage: usage(planned, timing, 0),
      };
      const block = planned.toolCall
        ? { type: 'tool_use', id: letters(32), name: planned.toolCall.name }
        : { type: 'text', text: '' };
      return [
        ['opening', event({ type: 'message_start', message: start })],
        ['opening', event({ type: 'content_block_start', index: 0, content_block: block })],
      ];
    },
    reasoning: (_choice, text) => delta({ type: 'thinking_delta', thinking: text }),
    token: (_choice, text) => delta({ type: 'text_delta', text }),
    toolCall: (_choice, call) => [delta({ type: 'input_json_delta', partial_json: JSON.stringify(call.arguments) })],
    finish(_choice, planned) {
      const stop = { stop_reason: STOP_REASONS[planned.finish], stop_sequence: null };
      const parts: Part[] = [
        ['finish', event({ type: 'content_block_stop', index: 0 })],
        ['finish', event({ type: 'message_delta', delta: stop, usage: { output_tokens: planned.completionTokens } })],
        ['end', event({ type: 'message_stop' })],
      ];
      return parts;
    },
    end: null,
    whole([planned], timing) {
      if (!planned) return {};
      const { toolCall } = planned;
      const content = toolCall
        ? { type: 'tool_use', id: letters(32), name: toolCall.name, input: toolCall.arguments }
        : { type: 'text', text: planned.text };
      const stop = { stop_reason: STOP_REASONS[planned.finish], stop_sequence: null };
      return { ...head, content: [content], model, ...stop, usage: usage(planned, timing, planned.completionTokens) };
    },
  };
};

/** No `sequence_number`, no `output_index`; `completed` even when cut short. */
export const responsesWords: LlamaWordsFor = (_asked, model) => {
  const id = `resp_${letters(32)}`;
  const itemId = `msg_${letters(32)}`;
  const part = (text: string) => ({ type: 'output_text', annotations: [], logprobs: [], text });
  const item = (planned: Planned) =>
    planned.toolCall
      ? {
          type: 'function_call',
          status: 'completed',
          id: `fc_${letters(32)}`,
          call_id: `call_${letters(32)}`,
          name: planned.toolCall.name,
          arguments: JSON.stringify(planned.toolCall.arguments),
        }
      : { type: 'message', status: 'completed', id: itemId, content: [part(planned.text)], role: 'assistant' };
  const usage = (planned: Planned, timing: Timing) => ({
    input_tokens: planned.promptTokens,
    output_tokens: planned.completionTokens,
    total_tokens: planned.promptTokens + planned.completionTokens,
    input_tokens_details: { cached_tokens: timing.cachedTokens },
  });
  const begun = { id, object: 'response', status: 'in_progress' };
  const emptyItem = { content: [], id: itemId, role: 'assistant', status: 'in_progress', type: 'message' };
  return {
    opening: () => [
      ['opening', event({ type: 'response.created', response: begun })],
      ['opening', event({ type: 'response.in_progress', response: begun })],
      ['opening', event({ type: 'response.output_item.added', item: emptyItem })],
      [
        'opening',
        event({ type: 'response.content_part.added', item_id: itemId, part: { type: 'output_text', text: '' } }),
      ],
    ],
    reasoning: (_choice, text) => event({ type: 'response.reasoning_text.delta', item_id: itemId, delta: text }),
    token: (_choice, text) => event({ type: 'response.output_text.delta', item_id: itemId, delta: text }),
    toolCall: (_choice, call) => [
      event({ type: 'response.function_call_arguments.delta', item_id: itemId, delta: JSON.stringify(call.arguments) }),
    ],
    finish: (_choice, planned, timing) => {
      const response = {
        id,
        object: 'response',
        created_at: epochSeconds(),
        status: 'completed',
        model,
        output: [item(planned)],
        usage: usage(planned, timing),
      };
      const done: Part[] = [
        ['finish', event({ type: 'response.output_text.done', item_id: itemId, text: planned.text })],
        ['finish', event({ type: 'response.content_part.done', item_id: itemId, part: part(planned.text) })],
        ['finish', event({ type: 'response.output_item.done', item: item(planned) })],
        ['end', event({ type: 'response.completed', response, timings: timings(planned, timing) })],
      ];
      return done;
    },
    end: null,
    whole([planned], timing) {
      if (!planned) return {};
      const now = epochSeconds();
      return {
        completed_at: now,
        created_at: now,
        id,
        model,
        object: 'response',
        output: [item(planned)],
        status: 'completed',
        usage: usage(planned, timing),
      };
    },
  };
};
