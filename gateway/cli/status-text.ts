// The state of a gateway as a page of text. Pure.

import type { AdminProvider, AdminStatus, HistoryStatus } from '../contract.ts';
import { harmless } from './harmless.ts';

/** `3 d 4 h`, `4 h 12 min`, `12 min`, `8 s`. */
export function durationText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (days > 0) return `${days} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${minutes % 60} min`;
  return minutes > 0 ? `${minutes} min` : `${seconds} s`;
}

function historyText(history: HistoryStatus): string {
  switch (history.is) {
    case 'on':
      return `on, ${history.file}`;
    case 'degraded':
      return `degraded: ${history.because} (${history.rowsLost} requests not kept)`;
    case 'off':
      return `off: ${history.because}`;
  }
}

function stateText(provider: AdminProvider): string {
  if (provider.isDraining) return 'draining';
  return provider.isEnabled ? provider.observed : 'off';
}

function modelsText({ models, isListStale }: AdminProvider): string {
  const loaded = models.filter((model) => model.isLoaded === true).length;
  const count = `${models.length} ${models.length === 1 ? 'model' : 'models'}`;
  const remarks = [loaded > 0 ? `${loaded} loaded` : '', isListStale ? 'last known' : ''].filter((text) => text !== '');
  return remarks.length === 0 ? count : `${count} (${remarks.join(', ')})`;
}

function trafficText({ inFlight, queued }: AdminProvider): string {
  return queued === 0 ? `${inFlight} running` : `${inFlight} running, ${queued} waiting`;
}

/** Columns as wide as their widest cell, the last one as it is. */
function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths: number[] = [];
  for (const row of rows)
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length);
  return rows.map((row) =>
    row.map((cell, index) => (index === row.length - 1 ? cell : cell.padEnd(widths[index] ?? 0))).join('  '),
  );
}

export function statusText(status: AdminStatus, nowMs: number): string {
  const up = durationText(nowMs - status.startedAtMs);
  const { files, isCurrent, problems } = status.config;
  const configured = files.length === 0 ? 'none' : files.join(', ');
  const rows = status.providers.map((provider) => [
    `  ${provider.name}`,
    provider.kind,
    stateText(provider),
    modelsText(provider),
    trafficText(provider),
    provider.baseUrl,
  ]);
  const causes = status.providers.flatMap(({ name, cause }) => (cause === null ? [] : [`  ${name}: ${cause.message}`]));
  const lines = [
    `Switchyard ${status.version} at ${status.url}, up ${up}${status.isDraining ? ', shutting down' : ''}`,
    ...table([
      ['configuration', isCurrent ? configured : `${configured} (has errors: the last good one is in force)`],
      ['data', status.dataFolder],
      ['history', historyText(status.history)],
      ['requests', `${status.inFlight} running`],
    ]),
    status.providers.length === 0 ? 'no providers' : 'providers',
    ...table(rows),
    ...causes,
    ...problems.map(
      ({ file, line, column, severity, code, message }) => `${file}:${line}:${column} ${severity} ${code} ${message}`,
    ),
  ];
  return lines.map(harmless).join('\n');
}
