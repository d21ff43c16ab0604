// vLLM's `/v1/messages` and `/v1/responses`: neither stream ends with `[DONE]`.

import type { Planned } from '../core/answer.ts';
import { epochSeconds, hex } from '../core/clock-text.ts';
import type { Part } from '../core/exchange.ts';
import type { Finish, VllmWordsFor } from './words.ts';

const event = (type: string, fields: unknown) => `event: ${type}\ndata: ${JSON.stringify(fields)}\n\n`;

const STOP_REASONS: Readonly<Record<Finish, string>> = {
  stop: 'end_turn',
  length: 'max_tokens',
  tool_calls: 'tool_use',
  abort: 'abort',
};

export const messagesWords: VllmWordsFor = ({ asked, model, requestId, hasTokenDetails }) => {
  const cached = hasTokenDetails ? { cache_creation_input_tokens: 0, cache_read_input_tokens: 0 } : {};
  const head = { id: `chatcmpl-${requestId}`, type: 'message', role: 'assistant' };
  const delta = (fields: unknown) =>
    event('content_block_delta', { type: 'content_block_delta', index: 0, delta: fields });
  const blockOf = (planned: Planned | undefined, isFilled: boolean) =>
    planned?.toolCall
      ? {
          type: 'tool_use',
          id: `chatcmpl-tool-${hex(8)}`,
          name: planned.toolCall.name,
          input: isFilled ? planned.toolCall.arguments : {},
        }
      : { type: 'text', text: isFilled ? (planned?.text ?? '') : '' };
  const endOf = (finish: Finish, planned: Planned): string => {
    const usage = { input_tokens: asked.promptTokens, output_tokens: planned.completionTokens };
    const stop = event('content_block_stop', { type: 'content_block_stop', index: 0 });
    return (
      stop + event('message_delta', { type: 'message_delta', delta: { stop_reason: STOP_REASONS[finish] }, usage })
    );
  };
  return {
    opening([planned]) {
      const usage = { input_tokens: asked.promptTokens, output_tokens: 0 };
      const message = { ...head, content: [], model, stop_reason: null, stop_sequence: null, usage };
      return [
        ['opening', event('message_start', { type: 'message_start', message })],
        [
          'opening',
          event('content_block_start', {
            type: 'content_block_start',
            index: 0,
            content_block: blockOf(planned, false),
          }),
        ],
      ];
    },
    piece({ text, finish }, planned): Part {
      const own = text === '' ? '' : delta({ type: 'text_delta', text });
      return finish === null ? ['content', own] : ['finish', own + endOf(finish, planned)];
    },
    toolCall: (_choice, planned) => [
      ['content', delta({ type: 'input_json_delta', partial_json: JSON.stringify(planned.toolCall?.arguments) })],
    ],
    end: () => [['end', event('message_stop', { type: 'message_stop' })]],
    whole([planned], finish) {
      const reason = STOP_REASONS[finish ?? planned?.finish ?? 'stop'];
      const usage = { input_tokens: asked.promptTokens, output_tokens: planned?.completionTokens ?? 0, ...cached };
      return { ...head, content: [blockOf(planned, true)], model, stop_reason: reason, usage };
    },
  };
};

/** An answer that was cut short is `incomplete`, yet the stream ends with `response.completed`. */
export const responsesWords: VllmWordsFor = ({ asked, model, requestId }) => {
  const createdAt = epochSeconds();
  const itemId = `msg_${hex(8)}`;
  let sequence = 0;
  const numbered = (type: string, fields: Record<string, unknown>) =>
    event(type, { ...fields, sequence_number: sequence++, type });
  const place = { content_index: 0, item_id: itemId, output_index: 0 };
  const part = (text: string, logprobs: unknown = null) => ({ annotations: [], text, type: 'output_text', logprobs });
  const item = (planned: Planned) =>
    planned.toolCall
      ? {
          arguments: JSON.stringify(planned.toolCall.arguments),
          call_id: `call_${hex(8)}`,
          name: planned.toolCall.name,
          type: 'function_call',
          id: `fc_${hex(8)}`,
          status: 'completed',
        }
      : {
          id: itemId,
          content: [part(planned.text)],
          role: 'assistant',
          status: 'completed',
          type: 'message',
          phase: null,
        };
  const usage = (planned: Planned) => ({
    input_tokens: planned.promptTokens,
    input_tokens_details: {
      cached_tokens: 0,
      cache_write_tokens: 0,
      input_tokens_per_turn: [],
      cached_tokens_per_turn: [],
    },
    output_tokens: planned.completionTokens,
    output_tokens_details: {
      reasoning_tokens: 0,
      tool_output_tokens: 0,
      output_tokens_per_turn: [],
      tool_output_tokens_per_turn: [],
    },
    total_tokens: planned.promptTokens + planned.completionTokens,
  });
  const response = (status: string, planned: Planned | null) => ({
    id: `resp_${requestId}`,
    created_at: createdAt,
    incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
    instructions: asked.fields.instructions ?? null,
    metadata: null,
    model,
    object: 'response',
    output: planned ? [item(planned)] : [],
    parallel_tool_calls: true,
    temperature: 1,
    tool_choice: asked.toolChoice ?? 'none',
    tools: [],
    top_p: 1,
    background: false,
    max_output_tokens: asked.maxTokens,
    max_tool_calls: null,
    previous_response_id: null,
    prompt: null,
    reasoning: null,
    service_tier: 'auto',
    status,
    text: null,
    top_logprobs: null,
    truncation: 'disabled',
    usage: planned ? usage(planned) : null,
    user: null,
    presence_penalty: 0,
    frequency_penalty: 0,
    kv_transfer_params: null,
    ec_transfer_params: null,
    input_messages: null,
    output_messages: null,
  });
  const statusOf = (planned: Planned) => (planned.finish === 'length' ? 'incomplete' : 'completed');
  const emptyItem = { id: itemId, content: [], role: 'assistant', status: 'in_progress', type: 'message', phase: null };
  const delta = (text: string) => numbered('response.output_text.delta', { ...place, delta: text, logprobs: [] });
  return {
    opening: () => [
      ['opening', numbered('response.created', { response: response('in_progress', null) })],
      ['opening', numbered('response.in_progress', { response: response('in_progress', null) })],
      ['opening', numbered('response.output_item.added', { item: emptyItem, output_index: 0 })],
      ['opening', numbered('response.content_part.added', { ...place, part: part('', []) })],
    ],
    // The finish of a choice is part of the end here, so a piece is nothing but its text.
    piece: ({ text }): Part => ['content', text === '' ? '' : delta(text)],
    toolCall: (_choice, planned) => [
      [
        'content',
        numbered('response.function_call_arguments.delta', {
          ...place,
          delta: JSON.stringify(planned.toolCall?.arguments),
        }),
      ],
    ],
    end([planned]) {
      if (!planned) return [];
      return [
        ['finish', numbered('response.output_text.done', { ...place, logprobs: [], text: planned.text })],
        ['finish', numbered('response.content_part.done', { ...place, part: part(planned.text) })],
        ['finish', numbered('response.output_item.done', { item: item(planned), output_index: 0 })],
        ['end', numbered('response.completed', { response: response(statusOf(planned), planned) })],
      ];
    },
    whole: ([planned]) => (planned ? response(statusOf(planned), planned) : {}),
  };
};
