// What a stand-in answers: tokens, a tool call, JSON that fits a schema, vectors. Pure.

import type { Asked, Fields, OfferedTool } from './asked.ts';
import { isFields, list } from './asked.ts';
import type { Answer, Behaviour, ToolCall } from './behaviour.ts';

/** One answer before it is put into any protocol's words. */
export interface Planned {
  readonly tokens: readonly string[];
  readonly text: string;
  readonly reasoning: readonly string[];
  readonly finish: 'stop' | 'length' | 'tool_calls';
  readonly toolCall: ToolCall | null;
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** Cuts text into words with the blank before each, which is how the recorded tokens look. */
function tokensOf(answer: Answer): readonly string[] {
  return typeof answer === 'string' ? (answer.match(/\s*\S+/g) ?? []) : answer;
}

/** A small value that fits a JSON schema: enough for `required` properties of the plain types. */
function sampleOf(schema: Fields): unknown {
  const choices = list(schema.enum);
  if (choices.length > 0) return choices[0];
  switch (schema.type) {
    case 'string':
      return 'x';
    case 'number':
    case 'integer':
      return 1;
    case 'boolean':
      return false;
    case 'array':
      return [];
    default:
      return sampleObject(schema);
  }
}

function sampleObject(schema: Fields): Record<string, unknown> {
  const properties = isFields(schema.properties) ? schema.properties : {};
  return Object.fromEntries(
    list(schema.required).map((name) => {
      const property = properties[String(name)];
      return [String(name), isFields(property) ? sampleOf(property) : null];
    }),
  );
}

function callOf(tool: OfferedTool): ToolCall {
  return { name: tool.name, arguments: sampleObject(tool.parameters) };
}

/**
 * The tool call to make, if any: a tool that must be called always, else what the behaviour says.
 * `obeys` tells which choices this kind enforces.
 */
export function chooseToolCall(
  asked: Asked,
  behaviour: Behaviour,
  obeys: { readonly named: boolean; readonly required: boolean; readonly auto: boolean },
): ToolCall | null {
  const [first] = asked.tools;
  if (!first || asked.toolChoice === 'none') return null;
  const named = asked.tools.find((tool) => tool.name === asked.toolChoice);
  if (named && obeys.named) return callOf(named);
  if (asked.toolChoice === 'required' && obeys.required) return callOf(first);
  if (!obeys.auto || behaviour.toolCall === null) return null;
  return behaviour.toolCall === 'first' ? callOf(first) : behaviour.toolCall;
}

function cutAtStop(tokens: readonly string[], stops: readonly string[]): { tokens: readonly string[]; isCut: boolean } {
  const whole = tokens.join('');
  const at = Math.min(...stops.map((stop) => whole.indexOf(stop)).filter((index) => index >= 0));
  if (!Number.isFinite(at)) return { tokens, isCut: false };
  return { tokens: tokensOf(whole.slice(0, at)), isCut: true };
}

/** Everything about the answer but its wording on the wire. `limit` null: no limit but the context's. */
export function planAnswer(
  asked: Asked,
  behaviour: Behaviour,
  limits: { readonly maxTokens: number | null; readonly contextLeft: number },
  toolCall: ToolCall | null = null,
): Planned {
  const { promptTokens } = asked;
  if (toolCall) {
    const completionTokens = 12 + Math.ceil(JSON.stringify(toolCall.arguments).length / 4);
    return { tokens: [], text: '', reasoning: [], finish: 'tool_calls', toolCall, promptTokens, completionTokens };
  }
  const given = typeof behaviour.answer === 'function' ? behaviour.answer(asked) : behaviour.answer;
  const wanted = asked.jsonSchema ? tokensOf(JSON.stringify(sampleOf(asked.jsonSchema))) : tokensOf(given);
  const { tokens: stopped } = cutAtStop(wanted, asked.stops);
  const limit = Math.max(1, Math.min(limits.maxTokens ?? Number.POSITIVE_INFINITY, limits.contextLeft));
  const isLimited = stopped.length > limit || (stopped.length === limit && limits.maxTokens !== null);
  const tokens = stopped.slice(0, limit);
  return {
    tokens,
    text: tokens.join(''),
    reasoning: behaviour.reasoning === null ? [] : tokensOf(behaviour.reasoning),
    finish: isLimited ? 'length' : 'stop',
    toolCall: null,
    promptTokens,
    completionTokens: tokens.length + (isLimited ? 0 : 1),
  };
}

/** A unit vector that is the same for the same text. */
export function vectorOf(input: string, length: number): number[] {
  let seed = 2166136261;
  for (let index = 0; index < input.length; index += 1) seed = Math.imul(seed ^ input.charCodeAt(index), 16777619);
  const values: number[] = [];
  let sum = 0;
  for (let index = 0; index < length; index += 1) {
    seed = Math.imul(seed ^ (seed >>> 15), 2246822507) + index;
    const value = ((seed >>> 0) / 4294967296) * 2 - 1;
    values.push(value);
    sum += value * value;
  }
  const scale = 1 / Math.sqrt(sum || 1);
  return values.map((value) => Number((value * scale).toPrecision(8)));
}

/** Little-endian 32-bit floats in base64, as `encoding_format: base64` has them. */
export function vectorInBase64(vector: readonly number[]): string {
  return Buffer.from(Float32Array.from(vector).buffer).toString('base64');
}

/** The texts of an embedding request; lists of token numbers count as one text each. */
export function inputsOf(input: unknown): string[] {
  if (typeof input === 'string') return [input];
  const all = list(input);
  if (all.every((entry) => typeof entry === 'number')) return [all.join(' ')];
  return all.map((entry) => (Array.isArray(entry) ? entry.join(' ') : String(entry)));
}
