// Numbers, times and names as people read them. Pure: the same input gives the same text.

const whole = new Intl.NumberFormat('en', { useGrouping: true, maximumFractionDigits: 0 });

/** 1284 -> `1 284`, with a narrow space that does not break. */
export function count(value: number): string {
  return whole.format(value).replaceAll(',', '\u202f');
}

/** Milliseconds as people compare them: `3 ms`, `0.34 s`, `14 s`, `4 min`, `2 h 5 min`, `3 d`. */
export function duration(ms: number): string {
  if (ms < 100) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(ms < 1_000 ? 2 : 1)} s`;
  if (ms < 60_000) return `${Math.floor(ms / 1000)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d`;
}

/** Whole seconds that pass while one looks: `9 s`, `1:05`. */
export function elapsed(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

/** How long something has lasted: whole seconds at first, as it counts up before one's eyes. */
export function lasting(ms: number): string {
  return ms < 60_000 ? elapsed(ms) : duration(ms);
}

/** `14:31`, by the clock of the reader. */
export function clockTime(atMs: number): string {
  const date = new Date(atMs);
  return `${String(date.getHours()).padStart(2, '0')}:${String(date.getMinutes()).padStart(2, '0')}`;
}

/** `340 kB`. */
export function bytes(value: number): string {
  if (value < 1_000) return `${value} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let size = value / 1_000;
  let unit = 0;
  while (size >= 1_000 && unit < units.length - 1) {
    size /= 1_000;
    unit += 1;
  }
  return `${size < 10 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

/** The value below which that share lies (nearest rank); null of nothing. */
export function percentile(values: readonly number[], share: number): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
}

/** `http://192.168.1.20:8000/v1` -> `192.168.1.20:8000`. */
export function address(baseUrl: string): string {
  return URL.parse(baseUrl)?.host || baseUrl;
}

/** `1 request`, `2 requests`. */
export function several(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}
