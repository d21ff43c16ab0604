// Answers from the sums of requests: percentiles over time, usage, and how many requests a filter finds.

import type Database from 'better-sqlite3';
import type {
  AdminMetric,
  AdminPercentiles,
  AdminRequestFilter,
  AdminSeries,
  AdminUsage,
  AdminUsageRow,
} from '../contract.ts';
import type { SeriesQuestion, TimeRange } from './history.ts';
import { grainCode, grainMs } from './limits.ts';
import { Meta } from './meta.ts';
import { bucketGrain, cut, type GrainRange, inPeriods, withinCount } from './ranges.ts';
import type { Counted } from './request-page.ts';
import {
  allDeployments,
  type ClientCounts,
  type Counts,
  clientColumns,
  countColumns,
  type SketchColumn,
} from './request-sums.ts';
import { Sketch } from './sketch.ts';

const columnOf: Readonly<Record<AdminMetric, SketchColumn>> = {
  durationMs: 'duration',
  firstContentWarmMs: 'first_content_warm',
  firstContentColdMs: 'first_content_cold',
  tokensPerSecond: 'tokens_per_second',
};
const mostRows = 1_000;

interface Deployment {
  readonly provider: string;
  readonly model: string;
}

interface SketchRow {
  readonly at_ms: number;
  readonly sketch: Uint8Array;
}

export class RequestAnswers {
  readonly #database: Database.Database;
  readonly #meta: Meta;
  readonly #nextDeployment: Database.Statement<[string, string], Deployment>;
  readonly #sketches = new Map<AdminMetric, Database.Statement<[number, string, string, number, number], SketchRow>>();
  readonly #counts: Database.Statement<[number, string, string, number, number], Record<keyof Counts, number | null>>;
  readonly #clients: Database.Statement<[number, number, number], ClientCounts & { client: string }>;

  constructor(database: Database.Database) {
    this.#database = database;
    this.#meta = new Meta(database);
    // One look into the index per deployment, not one per row.
    this.#nextDeployment = database.prepare(
      `SELECT provider, model FROM request_rollups WHERE grain = ${grainCode.day} AND (provider, model) > (?, ?)
       ORDER BY provider, model LIMIT 1`,
    );
    const where = 'WHERE grain = ? AND provider = ? AND model = ? AND at_ms >= ? AND at_ms < ?';
    for (const metric of Object.keys(columnOf) as AdminMetric[]) {
      const column = columnOf[metric];
      const sql = `SELECT at_ms, ${column} AS sketch FROM request_rollups ${where} AND ${column} IS NOT NULL`;
      this.#sketches.set(metric, database.prepare(sql));
    }
    const sums = countColumns.map((column) => `sum(${column}) AS ${column}`).join(', ');
    this.#counts = database.prepare(`SELECT ${sums} FROM request_rollups ${where}`);
    const clientSums = clientColumns.map((column) => `sum(${column}) AS ${column}`).join(', ');
    this.#clients = database.prepare(
      `SELECT client, ${clientSums} FROM client_rollups WHERE grain = ? AND at_ms >= ? AND at_ms < ?
       GROUP BY client`,
    );
  }

  series(question: SeriesQuestion): Omit<AdminSeries, 'isUpToDate'> {
    const range = bucketGrain(question, withinCount(question.buckets), this.#meta.keptSinceMs);
    const periodMs = grainMs[range.grain];
    const { fromMs, toMs, bucketMs, count } = cut(range, withinCount(question.buckets), periodMs);
    const buckets = Array.from({ length: count }, () => new Sketch());
    const statement = this.#sketches.get(question.metric);
    for (const { provider, model } of this.#deployments(question)) {
      for (const row of statement?.iterate(grainCode[range.grain], provider, model, fromMs, toMs) ?? []) {
        buckets[Math.floor((row.at_ms - fromMs) / bucketMs)]?.addBytes(row.sketch);
      }
    }
    const total = new Sketch();
    for (const bucket of buckets) total.merge(bucket);
    return {
      ...{ metric: question.metric, fromMs, toMs, bucketMs },
      total: percentiles(total),
      buckets: buckets.map((bucket, index) => ({ atMs: fromMs + index * bucketMs, ...percentiles(bucket) })),
    };
  }

  usage(by: AdminUsage['by'], asked: TimeRange): Omit<AdminUsage, 'isUpToDate'> {
    if (by === 'client') return this.#usageOfClients(asked);
    const periods = inPeriods(asked, this.#meta.keptSinceMs);
    const rows = new Map<string, Counts>();
    for (const deployment of this.#eachDeployment(undefined)) {
      const sum = this.#countsOf(deployment, periods);
      const name = deployment[by];
      const known = rows.get(name);
      if (known) for (const column of countColumns) known[column] += sum[column];
      else rows.set(name, sum);
    }
    const used = [...rows].map(([name, counts]) => usageRow(name, counts));
    const sorted = used.filter(({ requests, details }) => requests + (details?.attempts ?? 0) > 0);
    sorted.sort((a, b) => b.requests - a.requests);
    return { by, ...ends(asked, periods), rows: sorted.slice(0, mostRows) };
  }

  /** An estimate: whole hours or days, and models as they were asked. Null: the sums do not know this filter. */
  estimate(filter: AdminRequestFilter, nowMs: number): Counted | null {
    const { fromMs = 0, toMs = nowMs, result, client, variant, text, ...deployment } = filter;
    if (text !== undefined || variant !== undefined || toMs <= fromMs) return null;
    let count = 0;
    if (client !== undefined) {
      if (deployment.provider !== undefined || deployment.model !== undefined || result !== undefined) return null;
      const rows = this.#clients.all(grainCode.day, fromMs - (fromMs % grainMs.day), toMs);
      count = rows.find((row) => row.client === client)?.requests ?? 0;
    } else {
      const periods = inPeriods({ fromMs, toMs }, this.#meta.keptSinceMs);
      for (const one of this.#deployments(deployment)) {
        const counts = this.#countsOf(one, periods);
        count += result === undefined ? requestsIn(counts) : counts[result];
      }
    }
    return { count, isExact: false };
  }

  /** Those that the filter finds; with none, all of them in one. */
  *#deployments(filter: { readonly provider?: string; readonly model?: string }): Generator<Deployment, void, void> {
    const { provider, model } = filter;
    if (provider === undefined && model === undefined) yield { provider: allDeployments, model: allDeployments };
    else for (const one of this.#eachDeployment(provider)) if (model === undefined || one.model === model) yield one;
  }

  *#eachDeployment(provider: string | undefined): Generator<Deployment, void, void> {
    // The empty name sorts before all others: it stands for "none was asked".
    let next = this.#firstDeployment(provider ?? '');
    for (; next && (provider === undefined || next.provider === provider); ) {
      if (next.provider !== allDeployments) yield next;
      next = this.#nextDeployment.get(next.provider, next.model);
    }
  }

  #firstDeployment(provider: string): Deployment | undefined {
    return this.#database
      .prepare<[string], Deployment>(
        `SELECT provider, model FROM request_rollups WHERE grain = ${grainCode.day} AND provider >= ?
         ORDER BY provider, model LIMIT 1`,
      )
      .get(provider);
  }

  #countsOf({ provider, model }: Deployment, periods: readonly GrainRange[]): Counts {
    const counts = Object.fromEntries(countColumns.map((column) => [column, 0])) as Counts;
    for (const { grain, fromMs, toMs } of periods) {
      const row = this.#counts.get(grainCode[grain], provider, model, fromMs, toMs);
      for (const column of countColumns) counts[column] += row?.[column] ?? 0;
    }
    return counts;
  }

  #usageOfClients(asked: TimeRange): Omit<AdminUsage, 'isUpToDate'> {
    // Of clients there are no minutes.
    const periods = inPeriods(asked, (grain) =>
      grain === 'minute' ? Number.POSITIVE_INFINITY : this.#meta.keptSinceMs(grain),
    );
    const sums = new Map<string, ClientCounts>();
    for (const { grain, fromMs, toMs } of periods) {
      for (const { client, ...counts } of this.#clients.iterate(grainCode[grain], fromMs, toMs)) {
        const known = sums.get(client);
        if (known) for (const column of clientColumns) known[column] += counts[column];
        else sums.set(client, counts);
      }
    }
    const rows = [...sums].map(([name, row]) => ({
      ...{ name, requests: row.requests, complete: row.complete },
      ...{ promptTokens: row.prompt_tokens, completionTokens: row.completion_tokens, cachedTokens: row.cached_tokens },
      details: null,
    }));
    rows.sort((a, b) => b.requests - a.requests);
    return { by: 'client', ...ends(asked, periods), rows: rows.slice(0, mostRows) };
  }
}

function ends(asked: TimeRange, periods: readonly GrainRange[]): TimeRange {
  return { fromMs: periods[0]?.fromMs ?? asked.fromMs, toMs: periods.at(-1)?.toMs ?? asked.toMs };
}

function percentiles(sketch: Sketch): AdminPercentiles {
  const { count } = sketch;
  return { count, p50: sketch.quantile(0.5), p95: sketch.quantile(0.95), p99: sketch.quantile(0.99) };
}

function requestsIn({ complete, failed, broken, cancelled, rejected }: Counts): number {
  return complete + failed + broken + cancelled + rejected;
}

function usageRow(name: string, counts: Counts): AdminUsageRow {
  const { complete, failed, broken, cancelled, rejected, attempts, moved, queued } = counts;
  return {
    name,
    requests: requestsIn(counts),
    complete,
    promptTokens: counts.prompt_tokens,
    completionTokens: counts.completion_tokens,
    cachedTokens: counts.cached_tokens,
    details: {
      ...{ failed, broken, cancelled, rejected, attempts, failedAttempts: counts.failed_attempts, moved, queued },
      queuedMs: counts.queued_ms,
    },
  };
}
