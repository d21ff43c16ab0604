// Reading JSON that somebody else wrote: anything may be missing, null or of another type, and nothing throws.

/** A JSON object, neither an array nor null. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** The value as an object; null when it is anything else. */
export function asObject(value: unknown): JsonObject | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : null;
}

/** The value as an array; empty when it is anything else. */
export function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The value as a string that is not empty; null when it is anything else. */
export function asText(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

/** The value as a finite number greater than zero; null when it is anything else (0 stands for "unknown" in many lists). */
export function asPositive(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : null;
}

/** The value as a finite number from zero up; null when it is anything else. */
export function asCount(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;
}

/** The texts of an array, other members left out. */
export function textsOf(value: unknown): readonly string[] {
  return asArray(value).filter((entry): entry is string => typeof entry === 'string' && entry !== '');
}
