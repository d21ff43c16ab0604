// How llama-cpp-python words its answers. Streams are written by Python's own `json`, with blanks in them.

import { randomUUID } from 'node:crypto';
import type { Planned } from '../core/answer.ts';
import { epochSeconds } from '../core/clock-text.ts';
import type { Part } from '../core/exchange.ts';
import { pythonJson } from '../vllm/http.ts';

export interface PythonWords {
  /** The opening of a stream that is one forced tool call differs (measured: `tools-no-template-choice-stream`). */
  opening(planned: Planned): Part[];
  token(text: string): string;
  /** A forced tool call, piece by piece, in the new fields and the old. */
  call(planned: Planned): string[];
  finish(planned: Planned): string;
  whole(planned: Planned): unknown;
}

function usageOf(planned: Planned): Record<string, number> {
  const { promptTokens, completionTokens } = planned;
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

const sse = (value: unknown) => `data: ${pythonJson(value)}\n\n`;

export function chatWords(model: string): PythonWords {
  const id = `chatcmpl-${randomUUID()}`;
  const created = epochSeconds();
  const object = 'chat.completion.chunk';
  const chunk = (delta: unknown, finish: string | null = null) =>
    sse({ id, model, created, object, choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] });
  const callChunk = (delta: unknown, finish: string | null = null) =>
    sse({ id, object, created, model, choices: [{ index: 0, finish_reason: finish, logprobs: null, delta }] });
  const callId = (planned: Planned) => `call__0_${planned.toolCall?.name}_cmpl-${id.slice('chatcmpl-'.length)}`;
  return {
    opening: ({ toolCall }) => {
      const empty = { role: 'assistant', content: null, function_call: null, tool_calls: null };
      return [['opening', toolCall ? callChunk(empty) : chunk({ role: 'assistant' })]];
    },
    token: (text) => chunk({ content: text }),
    call(planned) {
      const name = planned.toolCall?.name;
      const pieces = [...(JSON.stringify(planned.toolCall?.arguments).match(/.{1,3}/gs) ?? []), ''];
      return pieces.map((piece) => {
        const made = { name, arguments: piece };
        const calls = [{ index: 0, id: callId(planned), type: 'function', function: made }];
        return callChunk({ role: null, content: null, function_call: made, tool_calls: calls });
      });
    },
    finish(planned) {
      if (!planned.toolCall) return chunk({}, planned.finish);
      return callChunk({ role: null, content: null, function_call: null, tool_calls: null }, 'tool_calls');
    },
    whole(planned) {
      const { toolCall } = planned;
      const made = { name: toolCall?.name, arguments: JSON.stringify(toolCall?.arguments) };
      const message = toolCall
        ? {
            content: null,
            tool_calls: [{ id: callId(planned), type: 'function', function: made }],
            role: 'assistant',
            function_call: made,
          }
        : { content: planned.text, role: 'assistant' };
      const choice = { index: 0, message, logprobs: null, finish_reason: planned.finish };
      return { id, object: 'chat.completion', created, model, choices: [choice], usage: usageOf(planned) };
    },
  };
}

export function completionsWords(model: string): PythonWords {
  const id = `cmpl-${randomUUID()}`;
  const created = epochSeconds();
  const choice = (text: string, finish: string | null) => [{ text, index: 0, logprobs: null, finish_reason: finish }];
  const chunk = (text: string, finish: string | null) =>
    sse({ id, object: 'text_completion', created, model, choices: choice(text, finish) });
  return {
    opening: () => [],
    token: (text) => chunk(text, null),
    call: () => [],
    finish: (planned) => chunk('', planned.finish),
    whole: (planned) => ({
      id,
      object: 'text_completion',
      created,
      model,
      choices: choice(planned.text, planned.finish),
      usage: usageOf(planned),
    }),
  };
}
