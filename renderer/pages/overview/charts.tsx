// Requests per minute and time to the first token, on one time axis. The plot stretches; its labels are text.

import { computed } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { isPastKnown, nowMs, world } from '../../store/store.ts';
import { clockTime, duration, several } from '../../words/format.ts';
import { axisEnd, BUCKET_MS, BUCKETS, type TrafficBucket, trafficBuckets } from './traffic.ts';

const SERIES = 4;

/** Changes with the world and with each half minute, not with each second. */
const slot = computed(() => Math.ceil(nowMs.value / BUCKET_MS));
const names = computed(() => {
  const known = world.value?.status.providers.map(({ name }) => name) ?? [];
  const seen = new Set(world.value?.ended.map(({ provider }) => provider));
  return known.filter((name) => seen.has(name)).slice(0, SERIES);
});
const buckets = computed(() => trafficBuckets(world.value?.ended ?? [], names.value, slot.value * BUCKET_MS));

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

interface FrameProps {
  readonly title: string;
  readonly legend: ComponentChildren;
  readonly labels: readonly [top: string, middle: string];
  readonly summary: string;
  readonly children: ComponentChildren;
}

function Frame({ title, legend, labels, summary, children }: FrameProps) {
  const [first] = buckets.value;
  return (
    <section class="card" aria-label={title}>
      <div class="panel-h">
        <h2>{title}</h2>
        <div class="legend">{legend}</div>
      </div>
      <div class="chart">
        <div class="plot">
          <svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label={summary}>
            <line class="ax" x1="0" x2="100" y1="100" y2="100" />
            <line class="gl" x1="0" x2="100" y1="50" y2="50" />
            <line class="gl" x1="0" x2="100" y1="0" y2="0" />
            {children}
          </svg>
          <span class="y top">{labels[0]}</span>
          <span class="y mid">{labels[1]}</span>
          <span class="y low0">0</span>
          <span class="x s">{first === undefined ? '' : clockTime(first.atMs)}</span>
          <span class="x e">now</span>
        </div>
      </div>
    </section>
  );
}

export function RequestsChart() {
  const all = buckets.value;
  const top = axisEnd(Math.max(0, ...all.map(({ perMinute }) => sum(perMinute))), 4);
  const total = sum(all.map(({ perMinute }) => sum(perMinute))) * (BUCKET_MS / 60_000);
  return (
    <Frame
      title="Requests per minute"
      labels={[String(top), String(top / 2)]}
      summary={`${several(Math.round(total), 'request')} ${isPastKnown.value ? 'in the last 15 min' : 'since this page opened'}`}
      legend={names.value.map((name, index) => (
        <span key={name}>
          <i class={`series-${index + 1}`} />
          {name}
        </span>
      ))}
    >
      {all.map((bucket, index) => (
        <Bar key={bucket.atMs} values={bucket.perMinute} index={index} top={top} />
      ))}
    </Frame>
  );
}

function Bar({ values, index, top }: { values: readonly number[]; index: number; top: number }) {
  const step = 100 / BUCKETS;
  let below = 0;
  return (
    <>
      {values.map((value, series) => {
        const height = (value / top) * 100;
        below += height;
        if (value === 0) return null;
        const shade = series === values.length - 1 ? 'others' : `series-${series + 1}`;
        return (
          <rect
            key={shade}
            class={shade}
            x={index * step + step / 10}
            width={step * 0.8}
            y={100 - below}
            height={height}
          />
        );
      })}
    </>
  );
}

export function FirstTokenChart() {
  const all = buckets.value;
  const top = axisEnd(Math.max(0, ...all.map(({ p95Ms }) => p95Ms ?? 0)), 200);
  const last = all.findLast(({ p50Ms }) => p50Ms !== null);
  const legend = last !== undefined && (
    <>
      <span>
        <i class="line" />
        p50 <b>{duration(last.p50Ms ?? 0)}</b>
      </span>
      <span>
        <i class="line dashed" />
        p95 <b>{duration(last.p95Ms ?? 0)}</b>
      </span>
    </>
  );
  return (
    <Frame
      title="Time to first token"
      labels={[duration(top), duration(top / 2)]}
      summary={
        last === undefined
          ? 'No stream has ended yet'
          : `Lately ${duration(last.p50Ms ?? 0)} in the middle, ${duration(last.p95Ms ?? 0)} for the slowest twentieth`
      }
      legend={legend}
    >
      <Line points={all} value={({ p95Ms }) => p95Ms} top={top} isDashed />
      <Line points={all} value={({ p50Ms }) => p50Ms} top={top} />
    </Frame>
  );
}

interface LineProps {
  readonly points: readonly TrafficBucket[];
  readonly value: (bucket: TrafficBucket) => number | null;
  readonly top: number;
  readonly isDashed?: boolean;
}

/** Where nothing was measured the line has a gap: it never claims what was not seen. */
function Line({ points, value, top, isDashed = false }: LineProps) {
  let path = '';
  let isDrawing = false;
  points.forEach((point, index) => {
    const y = value(point);
    if (y !== null) {
      const at = `${(((index + 0.5) * 100) / BUCKETS).toFixed(2)} ${(100 - (y / top) * 100).toFixed(2)}`;
      // A lone value is a short dash, so that it can be seen at all.
      path += isDrawing ? `L${at}` : `M${at}m-.8 0h.8`;
    }
    isDrawing = y !== null;
  });
  return <path class={isDashed ? 'ln dashed' : 'ln'} d={path} />;
}
