// How vLLM words its answers: chat and completions.

import type { Planned } from '../core/answer.ts';
import { type Asked, isFields } from '../core/asked.ts';
import { epochSeconds, hex } from '../core/clock-text.ts';
import type { Part } from '../core/exchange.ts';

const FINGERPRINT = 'vllm-0.32.0-f9a73b33';

export type Finish = Planned['finish'] | 'abort';

/** One token (or the end) of one choice. `made` counts the tokens of all choices so far. */
export interface Piece {
  readonly choice: number;
  readonly text: string;
  readonly finish: Finish | null;
  readonly made: number;
}

export interface VllmWords {
  /** One HTTP chunk each, when the first output of the engine is there. */
  opening(planned: readonly Planned[]): Part[];
  piece(piece: Piece, planned: Planned): Part;
  toolCall(choice: number, planned: Planned): Part[];
  end(planned: readonly Planned[]): Part[];
  whole(planned: readonly Planned[], finish: Finish | null): unknown;
}

interface WordsContext {
  readonly asked: Asked;
  readonly model: string;
  /** What the ids are made of: the client's `X-Request-Id`, or chance. */
  readonly requestId: string;
  readonly hasTokenDetails: boolean;
  readonly hasMetrics: boolean;
}

export type VllmWordsFor = (context: WordsContext) => VllmWords;

const sse = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;

function completionTokens(planned: readonly Planned[]): number {
  return planned.reduce((sum, one) => sum + one.completionTokens, 0);
}

function shortUsage(promptTokens: number, made: number): Record<string, number> {
  return { prompt_tokens: promptTokens, total_tokens: promptTokens + made, completion_tokens: made };
}

function usageOf(planned: readonly Planned[], hasTokenDetails: boolean): Record<string, unknown> {
  const details = hasTokenDetails ? { cached_tokens: 0, created_cache_tokens: 0, multimodal_tokens: null } : null;
  const usage = shortUsage(planned[0]?.promptTokens ?? 0, completionTokens(planned));
  return { ...usage, prompt_tokens_details: details, completion_tokens_details: null };
}

/** A named tool ends with `stop`, like any other answer (measured: `tools_named`). */
function finishOf(planned: Planned, asked: Asked): Finish {
  return planned.finish === 'tool_calls' && asked.tools.some((tool) => tool.name === asked.toolChoice)
    ? 'stop'
    : planned.finish;
}

function wantsContinuousUsage(asked: Asked): boolean {
  const options = asked.fields.stream_options;
  return isFields(options) && options.continuous_usage_stats === true;
}

function messageOf(planned: Planned): unknown {
  const call = planned.toolCall;
  const calls = call
    ? {
        tool_calls: [
          {
            id: `chatcmpl-tool-${hex(8)}`,
            type: 'function',
            function: { name: call.name, arguments: JSON.stringify(call.arguments) },
          },
        ],
      }
    : {};
  const reasoning = planned.reasoning.length > 0 ? planned.reasoning.join('') : null;
  return {
    role: 'assistant',
    content: planned.text,
    refusal: null,
    annotations: null,
    audio: null,
    function_call: null,
    ...calls,
    reasoning,
  };
}

/** `--enable-per-request-metrics` */
const metricsOf = (hasMetrics: boolean) =>
  hasMetrics
    ? {
        time_to_first_token_ms: 6.02,
        generation_time_ms: 48.8,
        queue_time_ms: 0.03,
        mean_itl_ms: 16.27,
        tokens_per_second: 72.95,
        speculative_decoding: null,
      }
    : null;

export const chatWords: VllmWordsFor = ({ asked, model, requestId, hasTokenDetails, hasMetrics }) => {
  const head = { id: `chatcmpl-${requestId}`, object: 'chat.completion.chunk', created: epochSeconds(), model };
  const isContinuous = wantsContinuousUsage(asked);
  const usageAt = (made: number) =>
    isContinuous ? { usage: { ...shortUsage(asked.promptTokens, made), completion_tokens_details: null } } : {};
  const chunk = (choice: unknown, made: number, rest: Record<string, unknown> = {}) =>
    sse({ ...head, choices: [choice], ...usageAt(made), ...rest });
  const choiceOf = (index: number, delta: unknown) => ({ index, delta, logprobs: null, finish_reason: null });
  return {
    opening: (planned) =>
      planned.map((_one, index): Part => {
        const opening = choiceOf(index, { role: 'assistant', content: '' });
        return ['opening', chunk(opening, 0, { prompt_token_ids: null, prompt_text: null })];
      }),
    piece({ choice, text, finish, made }, planned) {
      const delta = planned.toolCall ? {} : { content: text };
      if (finish === null) return ['content', chunk({ ...choiceOf(choice, delta), token_ids: null }, made)];
      const reason = finish === 'abort' ? finish : finishOf(planned, asked);
      const last = { ...choiceOf(choice, delta), finish_reason: reason, stop_reason: null, token_ids: null };
      return ['finish', chunk(last, made, asked.includesUsage ? {} : { system_fingerprint: FINGERPRINT })];
    },
    toolCall(choice, { toolCall }) {
      const deltas = [
        { id: `chatcmpl-tool-${hex(8)}`, type: 'function', index: 0, function: { name: toolCall?.name } },
        { index: 0, function: { arguments: JSON.stringify(toolCall?.arguments) } },
      ];
      return deltas.map((call): Part => {
        const delta = { content: null, tool_calls: [call] };
        return ['content', chunk({ ...choiceOf(choice, delta), token_ids: null }, 1)];
      });
    },
    end(planned) {
      const usage = shortUsage(asked.promptTokens, completionTokens(planned));
      const last: Part[] = asked.includesUsage
        ? [['usage', sse({ ...head, choices: [], usage, system_fingerprint: FINGERPRINT })]]
        : [];
      return [...last, ['end', 'data: [DONE]\n\n']];
    },
    whole: (planned, finish) => ({
      ...head,
      object: 'chat.completion',
      choices: planned.map((one, index) => ({
        index,
        message: messageOf(one),
        logprobs: null,
        finish_reason: finish ?? finishOf(one, asked),
        stop_reason: null,
        token_ids: null,
        routed_experts: null,
      })),
      service_tier: null,
      system_fingerprint: FINGERPRINT,
      usage: usageOf(planned, hasTokenDetails),
      prompt_logprobs: null,
      prompt_token_ids: null,
      prompt_text: null,
      kv_transfer_params: null,
      ec_transfer_params: null,
      metrics: metricsOf(hasMetrics),
    }),
  };
};

export const completionsWords: VllmWordsFor = ({ asked, model, requestId, hasTokenDetails }) => {
  const head = { id: `cmpl-${requestId}`, object: 'text_completion', created: epochSeconds(), model };
  return {
    opening: () => [],
    piece({ choice, text, finish }) {
      const own = {
        index: choice,
        text,
        logprobs: null,
        finish_reason: finish,
        stop_reason: null,
        prompt_token_ids: null,
        token_ids: null,
      };
      if (finish === null) return ['content', sse({ ...head, choices: [own] })];
      return ['finish', sse({ ...head, choices: [own], system_fingerprint: FINGERPRINT })];
    },
    toolCall: () => [],
    end(planned) {
      const usage = shortUsage(asked.promptTokens, completionTokens(planned));
      const last: Part[] = asked.includesUsage ? [['usage', sse({ ...head, choices: [], usage })]] : [];
      return [...last, ['end', 'data: [DONE]\n\n']];
    },
    whole: (planned, finish) => ({
      ...head,
      choices: planned.map((one, index) => ({
        index,
        text: one.text,
        logprobs: null,
        finish_reason: finish ?? one.finish,
        stop_reason: null,
        token_ids: null,
        prompt_logprobs: null,
        prompt_token_ids: null,
        routed_experts: null,
      })),
      service_tier: null,
      system_fingerprint: FINGERPRINT,
      usage: usageOf(planned, hasTokenDetails),
      kv_transfer_params: null,
      ec_transfer_params: null,
      metrics: null,
    }),
  };
};
