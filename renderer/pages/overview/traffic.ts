// Requests of the last quarter of an hour, sorted into half minutes. Pure.

import type { AdminRequestRow } from '../../../gateway/contract.ts';
import { percentile } from '../../words/format.ts';

export const BUCKET_MS = 30_000;
export const BUCKETS = 30;

export interface TrafficBucket {
  readonly atMs: number;
  /** Requests a minute, by provider in the order asked for; those nobody served come last. */
  readonly perMinute: readonly number[];
  /** To the first token of streams; null: none. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
}

/** The half minutes up to now, the oldest first. */
export function trafficBuckets(
  ended: readonly AdminRequestRow[],
  providers: readonly string[],
  nowMs: number,
): readonly TrafficBucket[] {
  const endMs = Math.ceil(nowMs / BUCKET_MS) * BUCKET_MS;
  const startMs = endMs - BUCKETS * BUCKET_MS;
  const rows: AdminRequestRow[][] = Array.from({ length: BUCKETS }, () => []);
  for (const row of ended) rows[Math.floor((row.receivedAtMs - startMs) / BUCKET_MS)]?.push(row);
  return rows.map((requests, index) => {
    const firsts = requests.flatMap(({ isStream, firstContentMs }) => (isStream ? (firstContentMs ?? []) : []));
    const by = (isTheirs: (provider: string | null) => boolean) =>
      requests.filter(({ provider }) => isTheirs(provider)).length * (60_000 / BUCKET_MS);
    return {
      atMs: startMs + index * BUCKET_MS,
      perMinute: [
        ...providers.map((name) => by((provider) => provider === name)),
        by((provider) => provider === null || !providers.includes(provider)),
      ],
      p50Ms: percentile(firsts, 0.5),
      p95Ms: percentile(firsts, 0.95),
    };
  });
}

/** The end of an axis that holds the value and reads well: 1, 2 or 5 times a power of ten, halved without a remainder. */
export function axisEnd(value: number, least: number): number {
  const wanted = Math.max(value, least);
  const power = 10 ** Math.floor(Math.log10(wanted));
  return [1, 2, 4, 6, 10].map((step) => step * power).find((end) => end >= wanted) ?? wanted;
}
