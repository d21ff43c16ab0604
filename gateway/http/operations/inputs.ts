// The kinds of value that operations take in their queries.

import * as z from 'zod';
import { GatewayError } from '../../errors.ts';
import type { TimeRange } from '../../history/history.ts';

const results = ['complete', 'failed', 'broken', 'cancelled', 'rejected'] as const;

const epochMs = z.coerce.number().int().min(0).max(8.64e15).meta({ description: 'Epoch ms.' });

export const text = z.string().min(1).max(1_000);

/** From (inclusive) and to (exclusive); the last 24 hours where they are absent. */
export const rangeFields = {
  fromMs: epochMs.optional(),
  toMs: epochMs.optional(),
};

/** Throws `invalid_request` for a range that ends before it begins. */
export function rangeOf(
  { fromMs, toMs }: { fromMs?: number | undefined; toMs?: number | undefined },
  nowMs: number,
): TimeRange {
  const range = { fromMs: fromMs ?? (toMs ?? nowMs) - 86_400_000, toMs: toMs ?? nowMs };
  if (range.fromMs < range.toMs) return range;
  throw new GatewayError('invalid_request', 'toMs: expected a time after fromMs', { param: 'toMs' });
}

/** See `AdminRequestFilter`. */
export const filterFields = {
  ...rangeFields,
  provider: text.optional().meta({ description: 'Who answered.' }),
  model: text.optional().meta({ description: 'The model that served, or that was asked for where nobody did.' }),
  result: z.enum(results).optional(),
  client: text.optional(),
  variant: text.optional(),
  text: text.optional().meta({ description: "Part of the id, of the error's code or message, or of a model's name." }),
};

/** One name, or the field several times. */
export const names = z.union([text.transform((name) => [name]), z.array(text).max(100)]);

/** Only the fields that are there: an absent one and one that is undefined are the same. */
export function given<Fields extends object>(
  fields: Fields,
): { [Key in keyof Fields]: Exclude<Fields[Key], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Key in keyof Fields]: Exclude<Fields[Key], undefined>;
  };
}
