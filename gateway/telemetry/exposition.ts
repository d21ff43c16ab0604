// The page of `/metrics`: hands our numbers to prom-client, which knows the format.
// It is loaded when the page is first asked for; a gateway nobody scrapes does without its memory.

import type { Registry } from 'prom-client';
import type { Counters, HistogramSeries, Histograms } from './series.ts';

/** A gauge is computed at the time of asking: pairs of label values and value. */
export interface GaugeReading {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly values: readonly (readonly [labels: readonly string[], value: number])[];
}

/** The page in Prometheus' text format 0.0.4. */
export async function renderPage(
  counters: readonly Counters[],
  histograms: readonly Histograms[],
  gauges: readonly GaugeReading[],
): Promise<string> {
  const prom = await import('prom-client');
  const registry = new prom.Registry();
  for (const family of counters) addCounter(prom, registry, family);
  for (const family of histograms) addHistogram(prom, registry, family);
  for (const reading of gauges) addGauge(prom, registry, reading);
  return registry.metrics();
}

type Prom = typeof import('prom-client');

function addCounter(prom: Prom, registry: Registry, family: Counters): void {
  const { name, help, labelNames } = family;
  const counter = new prom.Counter({ name, help, labelNames: [...labelNames], registers: [registry] });
  for (const { labels, value } of family.all()) counter.inc(named(labelNames, labels), value);
}

function addGauge(prom: Prom, registry: Registry, { name, help, labelNames, values }: GaugeReading): void {
  const gauge = new prom.Gauge({ name, help, labelNames: [...labelNames], registers: [registry] });
  for (const [labels, value] of values) gauge.set(named(labelNames, labels), value);
}

interface BucketValue {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly sharedLabels: Readonly<Record<string, string>>;
  readonly value: number;
}

/**
 * prom-client can only count into buckets itself; ours are counted already, so this one answers with them.
 * `getForPromString` is what `Registry.metrics` asks a histogram (prom-client 15.1.3, `lib/registry.js`).
 */
function addHistogram(prom: Prom, registry: Registry, family: Histograms): void {
  const { name, help, labelNames, bounds } = family;
  class Counted extends prom.Histogram {
    async getForPromString(): Promise<object> {
      const values = [...family.all()].flatMap((series) => bucketValues(family, series));
      return { name, help, type: 'histogram', aggregator: 'sum', values };
    }
  }
  registry.registerMetric(
    new Counted({ name, help, labelNames: [...labelNames], buckets: [...bounds], registers: [] }),
  );
}

function bucketValues(
  { name, labelNames, bounds }: Histograms,
  { labels, buckets, count, sum }: HistogramSeries,
): BucketValue[] {
  const sharedLabels = named(labelNames, labels);
  const bucket = (le: string | number, value: number): BucketValue => {
    return { metricName: `${name}_bucket`, labels: { le }, sharedLabels, value };
  };
  let upToHere = 0;
  const values = bounds.map((bound, index) => {
    upToHere += buckets[index] ?? 0;
    return bucket(bound, upToHere);
  });
  return [
    ...values,
    bucket('+Inf', count),
    { metricName: `${name}_sum`, labels: {}, sharedLabels, value: sum },
    { metricName: `${name}_count`, labels: {}, sharedLabels, value: count },
  ];
}

function named(names: readonly string[], values: readonly string[]): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [index, name] of names.entries()) labels[name] = values[index] ?? '';
  return labels;
}
