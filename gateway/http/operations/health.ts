// What the history tells of health, speed and use.

import * as z from 'zod';
import { names, rangeFields, rangeOf, text } from './inputs.ts';
import { type Operation, operation } from './operation.ts';

const buckets = z.coerce
  .number()
  .int()
  .min(1)
  .max(500)
  .default(100)
  .meta({ description: 'Wished for; there may be fewer.' });

const health = z.strictObject({ ...rangeFields, buckets, provider: names.optional() });

const list = z.strictObject({
  ...rangeFields,
  provider: text.optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
});

const series = z.strictObject({
  ...rangeFields,
  buckets,
  metric: z.enum(['durationMs', 'firstContentWarmMs', 'firstContentColdMs', 'tokensPerSecond']),
  provider: text.optional(),
  model: text.optional(),
});

const usage = z.strictObject({ ...rangeFields, by: z.enum(['provider', 'model', 'client']).default('provider') });

export const healthOperations: readonly Operation[] = [
  operation({
    method: 'GET',
    path: '/admin/health',
    summary: 'State and probe latency of providers over time, with their uptime and what it is based on.',
    answers: 'AdminHealth',
    query: health,
    run: ({ deps, query: { provider, buckets, ...range } }) =>
      deps.history.health({
        ...rangeOf(range, deps.clock.now()),
        buckets,
        ...(provider === undefined ? {} : { providers: provider }),
      }),
  }),
  operation({
    method: 'GET',
    path: '/admin/incidents',
    summary: 'Times in which a provider was not ready, the latest first.',
    answers: 'AdminIncidents',
    query: list,
    run: ({ deps, query }) => deps.history.incidents(listQuestion(query, deps.clock.now())),
  }),
  operation({
    method: 'GET',
    path: '/admin/beats',
    summary: 'Probes, the latest first.',
    answers: 'AdminBeat[]',
    query: list,
    run: ({ deps, query }) => deps.history.beats(listQuestion(query, deps.clock.now())),
  }),
  operation({
    method: 'GET',
    path: '/admin/journal',
    summary: 'Changes of health, cooldowns, keep-warm actions, starts and sleeps, the latest first.',
    answers: 'AdminEvent[]',
    query: list,
    run: ({ deps, query }) => deps.history.events(listQuestion(query, deps.clock.now())),
  }),
  operation({
    method: 'GET',
    path: '/admin/series',
    summary: 'Percentiles of a measure of requests over time.',
    answers: 'AdminSeries',
    query: series,
    run: ({ deps, query: { metric, buckets, provider, model, ...range } }) =>
      deps.history.series({
        ...rangeOf(range, deps.clock.now()),
        ...{ metric, buckets },
        ...(provider === undefined ? {} : { provider }),
        ...(model === undefined ? {} : { model }),
      }),
  }),
  operation({
    method: 'GET',
    path: '/admin/usage',
    summary: 'Requests and tokens by provider, model or client, the largest first.',
    answers: 'AdminUsage',
    query: usage,
    run: ({ deps, query: { by, ...range } }) => deps.history.usage(by, rangeOf(range, deps.clock.now())),
  }),
];

function listQuestion({ provider, limit, ...range }: z.output<typeof list>, nowMs: number) {
  return { ...rangeOf(range, nowMs), limit, ...(provider === undefined ? {} : { provider }) };
}
