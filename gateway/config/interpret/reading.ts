// What everybody who turns written values into settings needs at hand.

import type { ListenAddress, Machine } from '../address.ts';
import { durationMs } from '../amounts.ts';
import { noTimeLimits } from '../defaults.ts';
import {
  keyPosition,
  type LocatedMap,
  type LocatedScalar,
  nearestPosition,
  textPosition,
  valueAt,
} from '../located.ts';
import type { DocumentPath, ProblemList } from '../problems.ts';
import type { ConfigValues } from '../schema/root.ts';
import { type StrategySpelling, strategySpellings, type TimeoutValues } from '../schema/values.ts';
import type { ConditionText, FallbackTargets, FilePosition, StrategyName, TimeLimits } from '../settings.ts';

export interface Reading {
  readonly values: ConfigValues;
  readonly root: LocatedMap;
  readonly problems: ProblemList;
  readonly machine: Machine;
  readonly listen: ListenAddress;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Where a value stands. */
export function at(reading: Reading, path: DocumentPath): FilePosition {
  return nearestPosition(reading.root, path);
}

/** Where a named entry or an item of a list begins. */
export function entryAt(reading: Reading, path: DocumentPath): FilePosition {
  return keyPosition(reading.root, path);
}

export function scalarAt(reading: Reading, path: DocumentPath): LocatedScalar | null {
  const node = valueAt(reading.root, path);
  return node?.kind === 'scalar' ? node : null;
}

/** The entries of a section in the order of the file (a plain object would put names like "7" first). */
export function* entriesOf<T>(
  reading: Reading,
  section: string,
  values: Readonly<Record<string, T>> | null | undefined,
): Generator<readonly [name: string, value: T, path: readonly [string, string]]> {
  const node = valueAt(reading.root, [section]);
  if (!values || node?.kind !== 'map') return;
  for (const name of node.entries.keys()) {
    const value = values[name];
    if (value !== undefined) yield [name, value, [section, name]];
  }
}

type Written = number | string | null | undefined;

/** The time of a key or of its `_ms` twin, in ms; null when neither is there. Both at once is an error. */
export function timeMs(reading: Reading, path: DocumentPath, written: Written, writtenMs: Written): number | null {
  const name = String(path.at(-1));
  if (written != null && writtenMs != null)
    reading.problems.error(at(reading, [...path.slice(0, -1), `${name}_ms`]), path, {
      code: 'conflicting_keys',
      message: `"${name}" and "${name}_ms" say the same thing; keep one of them`,
    });
  if (writtenMs != null) return durationMs(writtenMs, 'ms');
  return written == null ? null : durationMs(written, 's');
}

/** A time in seconds, in ms; null when it is not there. */
export function secondsMs(written: Written): number | null {
  return written == null ? null : durationMs(written, 's');
}

/** Time limits; null when there is no such section. */
export function timeLimits(
  reading: Reading,
  path: DocumentPath,
  written: TimeoutValues | null | undefined,
): TimeLimits | null {
  if (!written) return null;
  return {
    ...noTimeLimits,
    connectMs: timeMs(reading, [...path, 'connect'], written.connect, written.connect_ms),
    firstByteMs: timeMs(reading, [...path, 'first_byte'], written.first_byte, written.first_byte_ms),
    idleMs: timeMs(reading, [...path, 'idle'], written.idle, written.idle_ms),
    totalMs: timeMs(reading, [...path, 'total'], written.total, written.total_ms),
  };
}

/** A `fallback`: null or absent means none of its own, `none` not even the default chain. */
export function fallbackTargets(
  reading: Reading,
  path: DocumentPath,
  written: string | readonly string[] | null | undefined,
): FallbackTargets {
  if (written == null) return { kind: 'default' };
  const targets = typeof written === 'string' ? [written] : written;
  if (targets.length === 1 && targets[0] === 'none') return { kind: 'none' };
  if (targets.includes('none'))
    reading.problems.error(at(reading, path), path, {
      code: 'conflicting_keys',
      message: '"none" cannot stand beside other targets of a fallback',
    });
  return targets.length === 0 ? { kind: 'default' } : { kind: 'list', targets: [...targets] };
}

export function strategyName(written: StrategySpelling | null | undefined): StrategyName | null {
  return written == null ? null : strategySpellings[written];
}

/** A condition with the place of its first character. */
export function conditionText(reading: Reading, path: DocumentPath, text: string): ConditionText {
  const scalar = scalarAt(reading, path);
  return { text, position: scalar ? textPosition(scalar) : at(reading, path) };
}

/** `description` and `reason` in one text for people. */
export function remarks(values: {
  description?: string | null | undefined;
  reason?: string | null | undefined;
}): string | null {
  const texts = [values.description, values.reason].filter((text) => text != null && text !== '');
  return texts.length === 0 ? null : texts.join('; ');
}

/** Why the value at a path is absent although it was written; null when nothing is missing. */
export function missingAt(reading: Reading, path: DocumentPath): string | null {
  return scalarAt(reading, path)?.missing ?? null;
}
