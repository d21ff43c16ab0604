// `/api/chat` and `/api/generate`: one JSON object a line.

import type { Planned } from '../core/answer.ts';
import { goTime } from '../core/clock-text.ts';
import { answerGin, answerPlainJson, goJson, openNdjson } from './go-http.ts';
import type { Cost, WordsFor } from './words.ts';

const nanos = (ms: number) => Math.max(1, Math.round(ms * 1e6));

/** The figures at the end of an answer. */
function figures(planned: Planned, cost: Cost): Record<string, number> {
  return {
    total_duration: nanos(cost.totalMs),
    load_duration: nanos(cost.loadMs),
    prompt_eval_count: planned.promptTokens,
    prompt_eval_duration: nanos(cost.prefillMs),
    eval_count: planned.completionTokens,
    eval_duration: nanos(cost.totalMs - cost.loadMs - cost.prefillMs),
  };
}

/** A tool call says `stop` here, like any other end. */
const doneReason = (planned: Planned) => (planned.finish === 'length' ? 'length' : 'stop');

/** Native and compatible routes differ in what holds the text. */
function nativeWords(frame: {
  readonly text: (content: string) => Record<string, unknown>;
  readonly reasoning: (content: string) => Record<string, unknown>;
  readonly call: (call: { name: string; arguments: unknown }) => Record<string, unknown>;
  readonly extra: (planned: Planned) => Record<string, unknown>;
}): WordsFor {
  return (exchange, asked) => {
    const { model } = asked;
    const line = (fields: Record<string, unknown>) => `${goJson({ model, created_at: goTime(), ...fields })}\n`;
    return {
      fail(status, message) {
        // A refusal while streaming was asked for comes without charset, and chunked (measured: `long-prompt-truncate-false-stream`).
        const isStream = asked.fields.stream !== false && message.startsWith('the input length');
        if (isStream) answerPlainJson(exchange, status, { error: message });
        else answerGin(exchange, status, { error: message });
      },
      open: () => openNdjson(exchange),
      opening: () => [],
      reasoning: (text) => line({ ...frame.reasoning(text), done: false }),
      token: (text) => line({ ...frame.text(text), done: false }),
      toolCall: (call) => line({ ...frame.call(call), done: false }),
      last: (planned, cost) => {
        const end = { ...frame.text(''), done: true, done_reason: doneReason(planned) };
        return [[['end', line({ ...end, ...frame.extra(planned), ...figures(planned, cost) })]]];
      },
      whole(planned, cost) {
        const held = planned.toolCall ? frame.call(planned.toolCall) : frame.text(planned.text);
        const end = { ...held, done: true, done_reason: doneReason(planned) };
        answerGin(exchange, 200, {
          model,
          created_at: goTime(),
          ...end,
          ...frame.extra(planned),
          ...figures(planned, cost),
        });
      },
    };
  };
}

/** `/api/chat` */
export const chatWords = nativeWords({
  text: (content) => ({ message: { role: 'assistant', content } }),
  reasoning: (thinking) => ({ message: { role: 'assistant', content: '', thinking } }),
  call: (call) => ({
    message: {
      role: 'assistant',
      content: '',
      tool_calls: [{ id: 'call_ab12cd34', function: { index: 0, name: call.name, arguments: call.arguments } }],
    },
  }),
  extra: () => ({}),
});

/** `/api/generate`: the same with `response`, and the context's token numbers at the end. */
export const generateWords = nativeWords({
  text: (response) => ({ response }),
  reasoning: (thinking) => ({ response: '', thinking }),
  call: () => ({ response: '' }),
  extra: (planned) => ({
    context: Array.from(
      { length: planned.promptTokens + planned.completionTokens - 1 },
      (_none, index) => 259 + (index % 200),
    ),
  }),
});
