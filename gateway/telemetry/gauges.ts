// What is computed when `/metrics` is asked for: the state of the providers, the guides' rates, the process itself.

import type { ObservedState, Snapshot } from '../types.ts';
import type { GaugeReading } from './exposition.ts';
import type { Families } from './families.ts';
import type { CounterSeries, Counters, RecentMean } from './series.ts';

const states: readonly ObservedState[] = ['ready', 'warming', 'degraded', 'down', 'auth', 'pending', 'paused', 'off'];

type Values = GaugeReading['values'];

function gauge(name: string, help: string, labelNames: readonly string[], values: Values): GaugeReading {
  return { name, help, labelNames, values };
}

/** Requests running and waiting, deployments cooling down, and the state of each provider (1 for the one it is in). */
export function providerGauges(snapshot: Snapshot, coolingDown: ReadonlyMap<string, number>): GaugeReading[] {
  const providers = [...snapshot.providers.values()];
  const stateValues: Values = providers.flatMap(({ name, observed, isEnabled }) => {
    const current = isEnabled ? observed : 'off';
    return states.map((state) => [[name, state], state === current ? 1 : 0] as const);
  });
  const each = (value: (name: string, index: number) => number): Values =>
    providers.map(({ name }, index) => [[name], value(name, index)]);
  return [
    gauge(
      'switchyard_in_flight',
      'Requests running now.',
      ['provider'],
      each((_, index) => providers[index]?.load.inFlight ?? 0),
    ),
    gauge(
      'switchyard_queued',
      'Requests waiting for a free place.',
      ['provider'],
      each((_, index) => providers[index]?.load.queued ?? 0),
    ),
    gauge(
      'switchyard_cooling_down',
      'Deployments in cooldown.',
      ['provider'],
      each((name) => coolingDown.get(name) ?? 0),
    ),
    gauge(
      'switchyard_provider_state',
      'State of a provider: 1 for the one it is in.',
      ['provider', 'state'],
      stateValues,
    ),
  ];
}

/** What the cache of answers counts itself; null where its store does not tell. */
export interface CacheCounts {
  readonly hits: number;
  readonly misses: number;
  readonly stored: number;
  readonly bytes: number | null;
  readonly entries: number | null;
}

/** The size of the cache of answers, where it is known. */
export function cacheGauges({ bytes, entries }: CacheCounts): GaugeReading[] {
  const values = (value: number | null): Values => (value === null ? [] : [[[], value]]);
  return [
    gauge('switchyard_cache_bytes', 'Bytes of the answers kept in memory.', [], values(bytes)),
    gauge('switchyard_cache_entries', 'Answers kept in memory.', [], values(entries)),
  ];
}

/** The names of the guides, over the life of the process; the counters they come from stand beside them. */
export function routingGauges(
  families: Families,
  choices: ReadonlyMap<string, CounterSeries>,
  { hits, misses }: CacheCounts,
): GaugeReading[] {
  const decided = families.decision.with();
  const requests = total(families.requests);
  const answers = [...families.answers.all()];
  const answered = total(families.answers);
  const step = (name: string): number => families.decisions.with(name).value;
  const single = (name: string, help: string, value: number): GaugeReading => gauge(name, help, [], [[[], value]]);
  return [
    single('routing_decision_time_ms', 'Mean time of a decision.', share(decided.sum * 1_000, decided.count)),
    single('exact_match_rate', 'Share of decisions made by an exact match.', share(step('exact'), decided.count)),
    single('pattern_match_rate', 'Share of decisions made by a pattern.', share(step('pattern'), decided.count)),
    single(
      'fallback_trigger_rate',
      'Share of requests that needed more than the first deployment.',
      share(families.fallenBack.with().value, requests),
    ),
    gauge(
      'provider_distribution',
      'Share of answers each provider gave.',
      ['provider'],
      answers.map(({ labels, value }) => [labels, share(value, answered)]),
    ),
    single(
      'load_balance_effectiveness',
      'How evenly providers were used where there was a choice: 1 all alike, 1/n one of n alone (the index of Jain).',
      evenness([...choices.values()].map(({ value }) => value)),
    ),
    single(
      'cache_hit_rate',
      'Share of requests answered from the cache of answers, of those that may be; 0 while there is none.',
      share(hits, hits + misses),
    ),
  ];
}

/** `litellm_request_duration_seconds`: the mean of the last five minutes, so that `avg by (model)` works. */
export function recentDurations(
  means: Iterable<{ readonly model: string; readonly provider: string; readonly recent: RecentMean }>,
  nowMs: number,
): GaugeReading {
  const values: [string[], number][] = [];
  for (const { model, provider, recent } of means) {
    const mean = recent.mean(nowMs);
    if (mean !== null) values.push([[model, provider], mean]);
  }
  const help = 'Mean duration of the requests of the last five minutes.';
  return gauge('litellm_request_duration_seconds', help, ['model', 'provider'], values);
}

/** Under the names every Prometheus client uses. */
export function processGauges(): GaugeReading[] {
  const { user, system } = process.cpuUsage();
  const startedSeconds = (performance.timeOrigin / 1_000).toFixed(3);
  return [
    gauge('process_cpu_seconds', 'CPU time used since the start.', [], [[[], (user + system) / 1e6]]),
    gauge('process_resident_memory_bytes', 'Resident memory.', [], [[[], process.memoryUsage.rss()]]),
    gauge('process_start_time_seconds', 'Start of the process since the epoch.', [], [[[], Number(startedSeconds)]]),
  ];
}

/** Jain's index: (sum x)^2 / (n * sum x^2). Nothing to share out counts as even. */
export function evenness(values: readonly number[]): number {
  const sum = values.reduce((before, value) => before + value, 0);
  const squares = values.reduce((before, value) => before + value * value, 0);
  return squares === 0 ? 1 : (sum * sum) / (values.length * squares);
}

function total(family: Counters): number {
  let sum = 0;
  for (const { value } of family.all()) sum += value;
  return sum;
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
