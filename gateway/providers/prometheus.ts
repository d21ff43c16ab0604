// The few gauges we read from a Prometheus page. Pages are up to 100 kB, so lines are looked up, not all parsed.

/** One sample line: the text between its braces (empty without labels) and its value. */
export interface Sample {
  readonly labels: string;
  readonly value: number;
}

/** All samples of one metric, in the order of the page. A line that cannot be read is left out. */
export function samplesOf(page: string, metric: string): readonly Sample[] {
  const samples: Sample[] = [];
  let at = page.startsWith(metric) ? 0 : page.indexOf(`\n${metric}`) + 1;
  while (at > 0 || (at === 0 && page.startsWith(metric))) {
    const lineEnd = page.indexOf('\n', at);
    const line = lineEnd === -1 ? page.slice(at) : page.slice(at, lineEnd);
    const sample = readSample(line, metric.length);
    if (sample !== null) samples.push(sample);
    at = page.indexOf(`\n${metric}`, at + metric.length) + 1;
    if (at === 0) break;
  }
  return samples;
}

/** The sum of a gauge over all its label sets (engines, models); null when the page does not have it. */
export function sumOf(page: string, metric: string): number | null {
  const samples = samplesOf(page, metric);
  if (samples.length === 0) return null;
  let sum = 0;
  for (const sample of samples) sum += sample.value;
  return sum;
}

function readSample(line: string, nameLength: number): Sample | null {
  const next = line[nameLength];
  if (next === '{') {
    // The last brace: a label's value may hold one.
    const close = line.lastIndexOf('}');
    if (close < nameLength) return null;
    return sampleOf(line.slice(nameLength + 1, close), line.slice(close + 1));
  }
  return next === ' ' || next === '\t' ? sampleOf('', line.slice(nameLength)) : null;
}

/** Behind the value there may be a timestamp. */
function sampleOf(labels: string, rest: string): Sample | null {
  const [text = ''] = rest.trim().split(/\s/, 1);
  const value = text === '' ? Number.NaN : Number(text);
  return Number.isFinite(value) ? { labels, value } : null;
}
