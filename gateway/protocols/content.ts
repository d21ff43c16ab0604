// What counts as content, in a stream's delta and in a whole message alike: text, reasoning, a tool call, audio.
// Each function returns the characters of it, or null when there is none; roles and empty strings are none.

import { isObject, type JsonObject, listOf, objectOf, textOf } from './json-values.ts';

/** Adds up; null stays null until something is there. */
export function plus(sum: number | null, characters: number | null): number | null {
  return characters === null ? sum : (sum ?? 0) + characters;
}

function textLength(value: unknown): number | null {
  return typeof value === 'string' && value !== '' ? value.length : null;
}

function functionLength(value: unknown): number | null {
  if (!isObject(value)) return null;
  const length = plus(textLength(value.name), textLength(value.arguments));
  // Ollama's native calls carry parsed arguments.
  return isObject(value.arguments) ? plus(length, JSON.stringify(value.arguments).length) : length;
}

function toolCallsLength(value: unknown): number | null {
  let sum: number | null = null;
  for (const call of listOf(value)) {
    if (!isObject(call)) continue;
    sum = plus(
      sum,
      functionLength(call.function) ??
        plus(textLength(objectOf(call.custom).name), textLength(objectOf(call.custom).input)),
    );
  }
  return sum;
}

function partsLength(value: unknown): number | null {
  if (typeof value === 'string') return textLength(value);
  let sum: number | null = null;
  for (const part of listOf(value)) sum = plus(sum, textLength(objectOf(part).text));
  return sum;
}

/** A chat `delta` or `message`, OpenAI's or Ollama's (`thinking`, `images`). */
export function chatLength(message: JsonObject): number | null {
  let sum = partsLength(message.content);
  // Some servers write the same reasoning under both names.
  sum = plus(
    sum,
    textLength(message.reasoning_content) ?? textLength(message.reasoning) ?? textLength(message.thinking),
  );
  if (message.refusal) sum = plus(sum, textLength(message.refusal));
  // llama-cpp-python writes a call under both names (recording tools-no-template-choice-stream).
  if (message.tool_calls) sum = plus(sum, toolCallsLength(message.tool_calls));
  else if (message.function_call) sum = plus(sum, functionLength(message.function_call));
  if (isObject(message.audio)) sum = plus(sum, audioLength(message.audio));
  if (listOf(message.images).length > 0) sum = plus(sum, 0);
  return sum;
}

function audioLength(audio: JsonObject): number | null {
  const transcript = textLength(audio.transcript);
  return transcript ?? (textOf(audio.data) === null ? null : 0);
}

/** One content block of a message, or the `delta` of one: Anthropic's. */
export function anthropicBlockLength(block: JsonObject): number | null {
  const text = textLength(block.text) ?? textLength(block.thinking) ?? textLength(block.partial_json);
  if (text !== null) return text;
  if (textOf(block.type)?.endsWith('tool_use')) {
    const input = isObject(block.input) && Object.keys(block.input).length > 0 ? JSON.stringify(block.input).length : 0;
    return plus(textLength(block.name), input);
  }
  return null;
}

/** One output item of the Responses API. */
export function outputItemLength(item: JsonObject): number | null {
  let sum = plus(partsLength(item.content), partsLength(item.summary));
  for (const part of listOf(item.content)) sum = plus(sum, textLength(objectOf(part).refusal));
  sum = plus(sum, plus(textLength(item.name), textLength(item.arguments) ?? textLength(item.input)));
  return textOf(item.result) === null ? sum : plus(sum, 0);
}
