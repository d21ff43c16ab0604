// Answers how providers have been over a range: buckets for the bar, uptime with its basis, probe latency.
// Short ranges and the last minutes are made from what was recorded, the rest from sums.

import type Database from 'better-sqlite3';
import type {
  AdminGap,
  AdminHealth,
  AdminHealthBucket,
  AdminLatency,
  AdminProviderHealth,
  AdminUptimeBasis,
} from '../contract.ts';
import type { HealthRollup } from './health-rollup.ts';
import { LifeRows } from './health-rows.ts';
import {
  addBeat,
  addFiguresAndTimes,
  addHealthRow,
  emptyHealth,
  type HealthRow,
  type HealthSum,
  healthColumns,
} from './health-sums.ts';
import type { HealthQuestion } from './history.ts';
import { type Grain, grainCode, grainMs } from './limits.ts';
import { Meta } from './meta.ts';
import { ObservationRows } from './observations.ts';
import { ProviderNames } from './provider-names.ts';
import { type Buckets, bucketGrain, cut, inPeriods, withinCount } from './ranges.ts';
import { type AwakePiece, awakePieces, complement, type Interval, spread, stateSegments } from './state-time.ts';

/** A range up to that length is made from single beats. */
const fromBeatsMs = 2 * grainMs.hour;
/** Less than that share of a range is not enough to speak of uptime. */
const leastObserved = 0.1;
const mostGaps = 1_000;

interface Provider {
  readonly provider: number;
  readonly name: string;
}

interface Life {
  readonly pieces: readonly AwakePiece[];
  readonly gaps: readonly AdminGap[];
  readonly asleepMs: number;
  readonly stoppedMs: number;
}

export class HealthAnswers {
  readonly #rollup: HealthRollup;
  readonly #meta: Meta;
  readonly #life: LifeRows;
  readonly #names: ProviderNames;
  readonly #observed: ObservationRows;
  readonly #sums: Database.Statement<[number, number, number, number, number, number], HealthRow & { bucket: number }>;
  readonly #latencies: Database.Statement<[number, number, number, number], { latency: Uint8Array | null }>;

  constructor(database: Database.Database, rollup: HealthRollup) {
    this.#rollup = rollup;
    this.#meta = new Meta(database);
    this.#life = new LifeRows(database);
    this.#names = new ProviderNames(database);
    this.#observed = new ObservationRows(database);
    const where = 'WHERE grain = ? AND provider = ? AND at_ms >= ? AND at_ms < ?';
    const sums = healthColumns.filter((column) => column !== 'latency').map((column) => sumOf(column));
    this.#sums = database.prepare(
      `SELECT CAST((at_ms - ?) / ? AS INTEGER) AS bucket, 0 AS at_ms, NULL AS latency, ${sums.join(', ')}
       FROM health_rollups ${where} GROUP BY bucket`,
    );
    this.#latencies = database.prepare(`SELECT latency FROM health_rollups ${where}`);
  }

  answer(question: HealthQuestion): Omit<AdminHealth, 'isUpToDate'> {
    const wished = withinCount(question.buckets);
    const isShort = question.toMs - question.fromMs <= fromBeatsMs;
    const grain = isShort ? null : bucketGrain(question, wished, this.#meta.keptSinceMs);
    const buckets = grain ? cut(grain, wished, grainMs[grain.grain]) : cut(question, wished, 1_000);
    // Of what is to come nothing is known, though the last period may reach into it.
    const knownToMs = Math.max(question.toMs, this.#life.aliveAtMs() ?? 0);
    const range = { fromMs: buckets.fromMs, toMs: Math.min(buckets.toMs, knownToMs) };
    const life = this.#lifeIn(range);
    const asked = question.providers && new Set(question.providers);
    const providers = this.#names.all().filter(({ name }) => asked?.has(name) ?? true);
    return {
      fromMs: range.fromMs,
      toMs: range.toMs,
      bucketMs: buckets.bucketMs,
      gaps: life.gaps.slice(-mostGaps),
      providers: providers.map((provider) => this.#healthOf(provider, range, buckets, grain?.grain ?? null, life)),
    };
  }

  #lifeIn(range: Interval): Life {
    const sessions = this.#life.sessions(range);
    const pieces = awakePieces(sessions, this.#life.sleeps(range));
    const stopped = complement(range, awakePieces(sessions, []));
    const idle = complement(range, pieces);
    // What is neither awake nor stopped is sleep.
    const asleep = idle.flatMap((gap) => complement(gap, stopped));
    const gaps: AdminGap[] = [
      ...stopped.map((gap) => ({ is: 'stopped' as const, ...gap })),
      ...asleep.map((gap) => ({ is: 'asleep' as const, ...gap })),
    ];
    gaps.sort((a, b) => a.fromMs - b.fromMs);
    return { pieces, gaps, asleepMs: lengthOf(asleep), stoppedMs: lengthOf(stopped) };
  }

  #healthOf(
    provider: Provider,
    range: Interval,
    buckets: Buckets,
    grain: Grain | null,
    life: Life,
  ): AdminProviderHealth {
    const sums = Array.from({ length: buckets.count }, emptyHealth);
    const total = emptyHealth();
    const rolledToMs = this.#rollup.rolledToMs() ?? Number.NEGATIVE_INFINITY;
    let tailFromMs = range.fromMs;
    if (grain !== null && rolledToMs > range.fromMs) {
      const rolled = { fromMs: range.fromMs, toMs: Math.min(range.toMs, rolledToMs) };
      this.#addSums(provider.provider, rolled, buckets, grain, sums);
      this.#addLatencies(provider.provider, rolled, total);
      tailFromMs = rolled.toMs;
    }
    // If the sums are far behind, that is all a single answer can catch up with.
    const tail = { fromMs: tailFromMs, toMs: Math.min(range.toMs, tailFromMs + fromBeatsMs) };
    if (tail.fromMs < tail.toMs) this.#addRecorded(provider, tail, buckets, life.pieces, sums, total);
    return health(provider.name, range, buckets, sums, total, life);
  }

  #addSums(provider: number, range: Interval, buckets: Buckets, grain: Grain, sums: readonly HealthSum[]): void {
    const { fromMs, bucketMs } = buckets;
    for (const row of this.#sums.all(fromMs, bucketMs, grainCode[grain], provider, range.fromMs, range.toMs)) {
      const sum = sums[row.bucket];
      if (sum) addHealthRow(sum, row);
    }
  }

  /** From whole days where there are such, and so on: few rows, for their sketches take time. */
  #addLatencies(provider: number, range: Interval, total: HealthSum): void {
    for (const { grain, fromMs, toMs } of inPeriods(range, this.#meta.keptSinceMs)) {
      for (const { latency } of this.#latencies.iterate(grainCode[grain], provider, fromMs, toMs)) {
        total.latencyUs.addBytes(latency);
      }
    }
  }

  #addRecorded(
    provider: Provider,
    range: Interval,
    { fromMs, bucketMs }: Buckets,
    pieces: readonly AwakePiece[],
    sums: readonly HealthSum[],
    total: HealthSum,
  ): void {
    const { beats, observations } = this.#observed.read(provider, range);
    for (const beat of beats) {
      const sum = sums[Math.floor((beat.at_ms - fromMs) / bucketMs)];
      if (sum) addBeat(sum, beat);
      if (beat.latency_us !== null) total.latencyUs.add(beat.latency_us);
    }
    spread(stateSegments(observations, pieces, range), fromMs, bucketMs, (bucket, state, ms) => {
      const sum = sums[bucket];
      if (sum) sum.times[state] += ms;
    });
  }
}

function sumOf(column: (typeof healthColumns)[number]): string {
  if (column === 'latency_min_us') return `min(${column}) AS ${column}`;
  if (column === 'latency_max_us') return `max(${column}) AS ${column}`;
  return `sum(${column}) AS ${column}`;
}

function health(
  provider: string,
  range: Interval,
  buckets: Buckets,
  sums: readonly HealthSum[],
  total: HealthSum,
  life: Life,
): AdminProviderHealth {
  for (const sum of sums) addFiguresAndTimes(total, sum);
  const { upMs, degradedMs, downMs, excludedMs } = countedTimes(total);
  const observedMs = upMs + degradedMs + downMs;
  const rangeMs = range.toMs - range.fromMs;
  const { asleepMs, stoppedMs } = life;
  const unknownMs = Math.max(0, rangeMs - observedMs - excludedMs - asleepMs - stoppedMs);
  const basis: AdminUptimeBasis = { upMs, degradedMs, downMs, excludedMs, asleepMs, stoppedMs, unknownMs };
  return {
    provider,
    uptime: observedMs > 0 && observedMs >= rangeMs * leastObserved ? upMs / observedMs : null,
    observedMs,
    basis,
    beats: total.beats,
    failedBeats: total.failedBeats,
    latency: latencyOf(total),
    buckets: sums.map((sum, index) => bucketOf(sum, buckets.fromMs + index * buckets.bucketMs)),
  };
}

function bucketOf(sum: HealthSum, atMs: number): AdminHealthBucket {
  const { beats, failedBeats } = sum;
  return { atMs, ...countedTimes(sum), beats, failedBeats, latency: latencyOf(sum) };
}

function countedTimes({ times }: HealthSum): Pick<AdminHealthBucket, 'upMs' | 'degradedMs' | 'downMs' | 'excludedMs'> {
  return {
    upMs: times.ready + times.warming,
    degradedMs: times.degraded,
    downMs: times.down + times.auth,
    excludedMs: times.pending + times.paused + times.off,
  };
}

function latencyOf({
  latencySumUs,
  latencyMinUs,
  latencyMaxUs,
  latencyUs,
  timedBeats,
}: HealthSum): AdminLatency | null {
  if (latencyMinUs === null || latencyMaxUs === null) return null;
  const p95Us = latencyUs.quantile(0.95);
  return {
    meanMs: latencySumUs / 1_000 / Math.max(1, timedBeats),
    minMs: latencyMinUs / 1_000,
    maxMs: latencyMaxUs / 1_000,
    p95Ms: p95Us === null ? null : p95Us / 1_000,
  };
}

function lengthOf(intervals: readonly Interval[]): number {
  return intervals.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
}
