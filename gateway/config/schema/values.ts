// The kinds of value a configuration is made of. Schemas describe what is written; turning it into what is meant
// happens in `interpret/`, so that the JSON Schema for editors and the validator can never differ.

import * as z from 'zod';
import type { StrategyName } from '../settings.ts';

/** A key that may be left out, or be there without a value. The meaning is shown by editors. */
export function key<T extends z.ZodType>(schema: T, meaning: string): z.ZodOptional<z.ZodNullable<T>> {
  return schema.nullish().meta({ description: meaning });
}

/** A key that has to be there. */
export function required<T extends z.ZodType>(schema: T, meaning: string): T {
  return schema.meta({ description: meaning });
}

export const text = z.string().min(1);
export const flag = z.boolean();
export const texts = z.array(text);
export const oneOrMore = z.union([text, texts], { error: 'expected a name or a list of names' });
/** 0, 1, 2, ... */
export const count = z.int().nonnegative();
/** 1, 2, 3, ... */
export const number = z.int().positive();
export const fraction = z.number().nonnegative();

const timeText = /^\d+(\.\d+)?\s*(ms|s|m|h)?$/;

/** The message stands at each part: the library shows a part's own where only that one is in question. */
function time(unit: string) {
  const error = `expected a time: a number of ${unit}, or one with a unit such as 500ms, 3s or 2m`;
  return z.union([z.number().nonnegative({ error }), z.string().regex(timeText, { error })], { error });
}

export const seconds = time('seconds');
export const milliseconds = time('milliseconds');

const sizeText = /^\d+(\.\d+)?\s*[KkMmBbTt]$/;

const sizeError = { error: 'expected a size in parameters, such as "13B", "0.5B" or "350M"' };

export const size = z.union([z.number().min(100_000, sizeError), z.string().regex(sizeText, sizeError)], sizeError);

const sizeRangeText =
  /^\s*((<=|>=|<|>)\s*\d+(\.\d+)?\s*[KkMmBbTt]|\d+(\.\d+)?\s*[KkMmBbTt]\s*-\s*\d+(\.\d+)?\s*[KkMmBbTt])\s*$/;

export const sizeRange = z
  .string()
  .regex(sizeRangeText, { error: 'expected a range of sizes, such as "< 8B", "8B - 13B", "> 13B" or ">= 350M"' });

/** Every spelling of a strategy that is accepted, and what it means. */
export const strategySpellings = {
  shuffle: 'shuffle',
  'simple-shuffle': 'shuffle',
  round_robin: 'round_robin',
  'round-robin': 'round_robin',
  load_balance: 'round_robin',
  weighted_round_robin: 'weighted_round_robin',
  'weighted-round-robin': 'weighted_round_robin',
  least_busy: 'least_busy',
  'least-busy': 'least_busy',
  least_loaded: 'least_busy',
  latency: 'latency',
  'latency-based-routing': 'latency',
  fastest_response: 'fastest_response',
  usage: 'usage',
  'usage-based-routing': 'usage',
  'usage-based-routing-v2': 'usage',
  usage_based: 'usage_based',
  cost: 'cost',
  'cost-based-routing': 'cost',
  most_capacity: 'most_capacity',
  predicted: 'predicted',
} as const satisfies Record<string, StrategyName>;

export type StrategySpelling = keyof typeof strategySpellings;

export const strategyWords = Object.keys(strategySpellings).filter(
  (word): word is StrategySpelling => word in strategySpellings,
);

export const strategy = z.enum(strategyWords);

/** The four time limits, each also as `_ms`. */
export const timeouts = z.strictObject({
  connect: key(seconds, 'Until the connection stands (2 s).'),
  connect_ms: key(milliseconds, 'The same in milliseconds.'),
  first_byte: key(seconds, 'Until the first content of the answer. Learned when it is not set.'),
  first_byte_ms: key(milliseconds, 'The same in milliseconds.'),
  idle: key(seconds, 'Between two contents of an answer (120 s; 300 s for Ollama with tools).'),
  idle_ms: key(milliseconds, 'The same in milliseconds.'),
  total: key(seconds, 'For the whole answer. No limit when it is not set.'),
  total_ms: key(milliseconds, 'The same in milliseconds.'),
});

export type TimeoutValues = z.infer<typeof timeouts>;
