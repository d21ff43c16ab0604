// Settings are shared by everybody and changed by nobody.

/** Freezes a value with all it holds (maps: their values; a map itself is kept read-only by its type). */
export function freezeDeep<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  if (value instanceof Map) for (const held of value.values()) freezeDeep(held);
  else if (!(value instanceof Set)) for (const held of Object.values(value)) freezeDeep(held);
  return Object.freeze(value);
}
