// `/v1/responses` as Ollama words it: `completed` even when it was cut short.

import type { Planned } from '../core/answer.ts';
import { epochSeconds, randomBelow } from '../core/clock-text.ts';
import { answerCompatible, answerGin, goJson, openEvents } from './go-http.ts';
import type { WordsFor } from './words.ts';

function usageOf(planned: Planned): Record<string, unknown> {
  return {
    input_tokens: planned.promptTokens,
    output_tokens: planned.completionTokens,
    total_tokens: planned.promptTokens + planned.completionTokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens_details: { reasoning_tokens: 0 },
  };
}

export const responsesWords: WordsFor = (exchange, asked) => {
  const createdAt = epochSeconds();
  const id = `resp_${randomBelow(1e6)}`;
  const itemId = `msg_${randomBelow(1e6)}`;
  let sequence = 0;
  const event = (type: string, fields: Record<string, unknown>) =>
    `event: ${type}\ndata: ${goJson({ ...fields, sequence_number: sequence++, type })}\n\n`;
  const place = { item_id: itemId, output_index: 0, content_index: 0 };
  const part = (text: string) => ({ type: 'output_text', text, annotations: [], logprobs: [] });
  const item = (planned: Planned) => ({
    id: itemId,
    type: 'message',
    status: 'completed',
    role: 'assistant',
    content: [part(planned.text)],
  });
  const call = (planned: Planned) => ({
    id: `fc_${randomBelow(1e6)}`,
    type: 'function_call',
    status: 'completed',
    call_id: `call_${randomBelow(1e6)}`,
    name: planned.toolCall?.name,
    arguments: JSON.stringify(planned.toolCall?.arguments),
  });
  const response = (status: string, output: unknown[], usage: unknown) => ({
    id,
    object: 'response',
    created_at: createdAt,
    completed_at: status === 'completed' ? epochSeconds() : null,
    status,
    incomplete_details: null,
    model: asked.model,
    previous_response_id: null,
    instructions: asked.fields.instructions ?? null,
    output,
    error: null,
    tools: [],
    tool_choice: 'auto',
    truncation: 'disabled',
    parallel_tool_calls: true,
    text: { format: { type: 'text' } },
    top_p: 1,
    presence_penalty: 0,
    frequency_penalty: 0,
    top_logprobs: 0,
    temperature: 1,
    reasoning: null,
    usage,
    max_output_tokens: asked.maxTokens,
    max_tool_calls: null,
    store: false,
    background: false,
    service_tier: 'default',
    metadata: {},
    safety_identifier: null,
    prompt_cache_key: null,
  });
  const finished = (planned: Planned) =>
    response('completed', [planned.toolCall ? call(planned) : item(planned)], usageOf(planned));
  return {
    fail(status, message, from) {
      const type = from === 'core' ? 'api_error' : 'invalid_request_error';
      const error = { error: { message, type, param: null, code: null } };
      if (from === 'core') answerCompatible(exchange, status, error);
      else answerGin(exchange, status, error);
    },
    open: () => openEvents(exchange, true),
    opening: () => [
      ['opening', event('response.created', { response: response('in_progress', [], null) })],
      ['opening', event('response.in_progress', { response: response('in_progress', [], null) })],
      [
        'opening',
        event('response.output_item.added', {
          output_index: 0,
          item: { id: itemId, type: 'message', status: 'in_progress', role: 'assistant', content: [] },
        }),
      ],
      ['opening', event('response.content_part.added', { ...place, part: part('') })],
    ],
    reasoning: () => '',
    token: (delta) => event('response.output_text.delta', { ...place, delta, logprobs: [] }),
    toolCall: (made) =>
      event('response.function_call_arguments.delta', { ...place, delta: JSON.stringify(made.arguments) }),
    last: (planned) => [
      [['finish', event('response.output_text.done', { ...place, text: planned.text, logprobs: [] })]],
      [['finish', event('response.content_part.done', { ...place, part: part(planned.text) })]],
      [['finish', event('response.output_item.done', { output_index: 0, item: item(planned) })]],
      [['end', event('response.completed', { response: finished(planned) })]],
    ],
    whole: (planned) => answerCompatible(exchange, 200, finished(planned)),
  };
};
