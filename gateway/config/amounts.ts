// Times and sizes as they are written, turned into plain numbers.

import type { SizeBound } from './settings.ts';

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/**
 * Milliseconds of `500ms`, `3s`, `2m`, `1h`, or of a plain number, whose unit the key decides.
 * The schema has let only these forms through.
 */
export function durationMs(written: number | string, plainUnit: 's' | 'ms'): number {
  if (typeof written === 'number') return written * (unitMs[plainUnit] ?? 1);
  const [, amount = '0', unit] = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h)?$/.exec(written) ?? [];
  return Number(amount) * (unitMs[unit ?? plainUnit] ?? 1);
}

const unitParameters: Readonly<Record<string, number>> = { k: 1e3, m: 1e6, b: 1e9, t: 1e12 };

/** Parameters of `13B`, `0.5B`, `350M`, or of a plain number of them. */
export function parameters(written: number | string): number {
  if (typeof written === 'number') return written;
  const [, amount = '0', unit = 'b'] = /^(\d+(?:\.\d+)?)\s*([kmbt])$/i.exec(written.trim()) ?? [];
  // 0.35 * 1e9 is not a whole number in binary; parameters are.
  return Math.round(Number(amount) * (unitParameters[unit.toLowerCase()] ?? 1));
}

/** The bounds of `< 8B`, `8B - 13B` (both included), `> 13B`, `<= 3B`, `>= 350M`. */
export function sizeBounds(written: string): { readonly min: SizeBound | null; readonly max: SizeBound | null } {
  const text = written.trim();
  const [, sign = '', size = ''] = /^(<=|>=|<|>)\s*(.+)$/.exec(text) ?? [];
  if (sign !== '') {
    const bound = { size: parameters(size), isIncluded: sign.endsWith('=') };
    return sign.startsWith('<') ? { min: null, max: bound } : { min: bound, max: null };
  }
  const [from = '', to = ''] = text.split('-');
  return {
    min: { size: parameters(from), isIncluded: true },
    max: { size: parameters(to), isIncluded: true },
  };
}
