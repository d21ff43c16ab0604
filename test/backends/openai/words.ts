// OpenAI's own wording of chat completions, completions and responses.

import type { Planned } from '../core/answer.ts';
import type { Asked } from '../core/asked.ts';
import { epochSeconds, letters } from '../core/clock-text.ts';
import type { Part } from '../core/exchange.ts';

export type OpenAiRoute = 'chat' | 'completions' | 'responses';

export interface OpenAiWords {
  opening(planned: readonly Planned[]): Part[];
  reasoning(choice: number, text: string): string;
  token(choice: number, text: string): string;
  call(choice: number, planned: Planned): string[];
  end(planned: readonly Planned[]): Part[];
  whole(planned: readonly Planned[]): unknown;
}

const sse = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;

function usageOf(planned: readonly Planned[]): Record<string, number> {
  const promptTokens = planned[0]?.promptTokens ?? 0;
  const completionTokens = planned.reduce((sum, one) => sum + one.completionTokens, 0);
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

function chatWords(asked: Asked, model: string): OpenAiWords {
  const head = {
    id: `chatcmpl-${letters(29)}`,
    object: 'chat.completion.chunk',
    created: epochSeconds(),
    model,
    system_fingerprint: 'fp_standin',
  };
  const usage = asked.includesUsage ? { usage: null } : {};
  const chunk = (index: number, delta: unknown, finish: string | null = null) =>
    sse({ ...head, choices: [{ index, delta, logprobs: null, finish_reason: finish }], ...usage });
  const callOf = (planned: Planned) => ({
    id: `call_${letters(24)}`,
    type: 'function',
    function: { name: planned.toolCall?.name, arguments: JSON.stringify(planned.toolCall?.arguments) },
  });
  return {
    opening: (planned) =>
      planned.map((_one, index): Part => ['opening', chunk(index, { role: 'assistant', content: '' })]),
    reasoning: (choice, text) => chunk(choice, { reasoning_content: text }),
    token: (choice, text) => chunk(choice, { content: text }),
    call(choice, planned) {
      const { id, type, function: made } = callOf(planned);
      const pieces = made.arguments.match(/.{1,6}/gs) ?? [];
      return [
        chunk(choice, { tool_calls: [{ index: 0, id, type, function: { name: made.name, arguments: '' } }] }),
        ...pieces.map((piece) => chunk(choice, { tool_calls: [{ index: 0, function: { arguments: piece } }] })),
      ];
    },
    end: (planned) => [
      ...planned.map((one, index): Part => ['finish', chunk(index, {}, one.finish)]),
      ['usage', asked.includesUsage ? sse({ ...head, choices: [], usage: usageOf(planned) }) : ''],
      ['end', 'data: [DONE]\n\n'],
    ],
    whole: (planned) => ({
      ...head,
      object: 'chat.completion',
      choices: planned.map((one, index) => ({
        index,
        message: one.toolCall
          ? { role: 'assistant', content: null, tool_calls: [callOf(one)], refusal: null }
          : { role: 'assistant', content: one.text, refusal: null },
        logprobs: null,
        finish_reason: one.finish,
      })),
      usage: usageOf(planned),
    }),
  };
}

function completionsWords(asked: Asked, model: string): OpenAiWords {
  const head = { id: `cmpl-${letters(29)}`, object: 'text_completion', created: epochSeconds(), model };
  const choice = (index: number, text: string, finish: string | null) => ({
    text,
    index,
    logprobs: null,
    finish_reason: finish,
  });
  return {
    opening: () => [],
    reasoning: () => '',
    token: (index, text) => sse({ ...head, choices: [choice(index, text, null)] }),
    call: () => [],
    end: (planned) => [
      ...planned.map((one, index): Part => ['finish', sse({ ...head, choices: [choice(index, '', one.finish)] })]),
      ['usage', asked.includesUsage ? sse({ ...head, choices: [], usage: usageOf(planned) }) : ''],
      ['end', 'data: [DONE]\n\n'],
    ],
    whole: (planned) => ({
      ...head,
      choices: planned.map((one, index) => choice(index, one.text, one.finish)),
      usage: usageOf(planned),
    }),
  };
}

function responsesWords(asked: Asked, model: string): OpenAiWords {
  const id = `resp_${letters(32)}`;
  const itemId = `msg_${letters(32)}`;
  const createdAt = epochSeconds();
  let sequence = 0;
  const event = (type: string, fields: Record<string, unknown>) =>
    `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: sequence++, ...fields })}\n\n`;
  const place = { item_id: itemId, output_index: 0, content_index: 0 };
  const part = (text: string) => ({ type: 'output_text', text, annotations: [] });
  const item = (planned: Planned) =>
    planned.toolCall
      ? {
          id: `fc_${letters(32)}`,
          type: 'function_call',
          status: 'completed',
          call_id: `call_${letters(24)}`,
          name: planned.toolCall.name,
          arguments: JSON.stringify(planned.toolCall.arguments),
        }
      : { id: itemId, type: 'message', status: 'completed', role: 'assistant', content: [part(planned.text)] };
  const response = (status: string, planned: Planned | undefined) => ({
    id,
    object: 'response',
    created_at: createdAt,
    status,
    error: null,
    incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
    model,
    output: planned ? [item(planned)] : [],
    max_output_tokens: asked.maxTokens,
    usage: planned
      ? {
          input_tokens: planned.promptTokens,
          output_tokens: planned.completionTokens,
          total_tokens: planned.promptTokens + planned.completionTokens,
        }
      : null,
  });
  const statusOf = (planned: Planned) => (planned.finish === 'length' ? 'incomplete' : 'completed');
  return {
    opening: () => [
      ['opening', event('response.created', { response: response('in_progress', undefined) })],
      ['opening', event('response.in_progress', { response: response('in_progress', undefined) })],
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
    token: (_choice, delta) => event('response.output_text.delta', { ...place, delta }),
    call: (_choice, planned) => [
      event('response.function_call_arguments.delta', { ...place, delta: JSON.stringify(planned.toolCall?.arguments) }),
    ],
    end([planned]) {
      if (!planned) return [];
      const status = statusOf(planned);
      return [
        ['finish', event('response.output_text.done', { ...place, text: planned.text })],
        ['finish', event('response.content_part.done', { ...place, part: part(planned.text) })],
        ['finish', event('response.output_item.done', { output_index: 0, item: item(planned) })],
        ['end', event(`response.${status}`, { response: response(status, planned) })],
      ];
    },
    whole: ([planned]) => response(planned ? statusOf(planned) : 'completed', planned),
  };
}

export function openAiWords(route: OpenAiRoute, asked: Asked, model: string): OpenAiWords {
  if (route === 'chat') return chatWords(asked, model);
  return route === 'completions' ? completionsWords(asked, model) : responsesWords(asked, model);
}
