// Token counts in the words of each protocol. Prompt tokens include cached ones, as OpenAI counts them.

import type { Usage } from '../types.ts';
import { countOf, isObject, type JsonObject, objectOf } from './json-values.ts';

function usage(
  promptTokens: number | null,
  completionTokens: number | null,
  cachedTokens: number | null,
): Usage | null {
  // Ollama's /v1/completions writes zeros into every chunk but the last (recording v1-completions-stream).
  if (!promptTokens && !completionTokens) return null;
  return { promptTokens, completionTokens, cachedTokens, isEstimated: false };
}

/** `usage` of chat, completions, embeddings and rerank, or of the Responses API; null when it says nothing. */
export function openaiUsage(value: unknown): Usage | null {
  if (!isObject(value)) return null;
  const details = objectOf(value.prompt_tokens_details ?? value.input_tokens_details);
  return usage(
    countOf(value.prompt_tokens) ?? countOf(value.input_tokens),
    countOf(value.completion_tokens) ?? countOf(value.output_tokens),
    countOf(details.cached_tokens),
  );
}

/** `timings` of llama.cpp, which come even where no usage was asked for (recording llama-server/chat-stream). */
export function timingsUsage(value: unknown): Usage | null {
  if (!isObject(value)) return null;
  const computed = countOf(value.prompt_n);
  const cached = countOf(value.cache_n);
  return usage(computed === null ? null : computed + (cached ?? 0), countOf(value.predicted_n), cached);
}

/** Counts of Anthropic's Messages: a later event of a stream corrects an earlier one field by field. */
export class AnthropicUsage {
  #input: number | null = null;
  #cacheRead: number | null = null;
  #cacheCreation: number | null = null;
  #output: number | null = null;

  /** @param value a `usage` object; anything else changes nothing */
  add(value: unknown): void {
    if (!isObject(value)) return;
    this.#input = countOf(value.input_tokens) ?? this.#input;
    this.#cacheRead = countOf(value.cache_read_input_tokens) ?? this.#cacheRead;
    this.#cacheCreation = countOf(value.cache_creation_input_tokens) ?? this.#cacheCreation;
    this.#output = countOf(value.output_tokens) ?? this.#output;
  }

  get total(): Usage | null {
    const isPromptKnown = this.#input !== null || this.#cacheRead !== null;
    const prompt = (this.#input ?? 0) + (this.#cacheRead ?? 0) + (this.#cacheCreation ?? 0);
    return usage(isPromptKnown ? prompt : null, this.#output, this.#cacheRead);
  }
}

/** Counts in the last line of Ollama's native answers; a prompt that was cached as a whole has no count there. */
export function ollamaUsage(value: JsonObject): Usage | null {
  return usage(countOf(value.prompt_eval_count), countOf(value.eval_count), null);
}
