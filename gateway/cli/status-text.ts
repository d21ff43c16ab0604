// The state of a gateway as a page of text. Pure.

import type { AdminProvider, AdminStatus, AdminTraffic, HistoryStatus } from '../contract.ts';
import { durationText, table } from './columns.ts';
import { harmless } from './harmless.ts';
import { trafficLines, waitText } from './traffic-text.ts';

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

function runningText({ name, inFlight, queued }: AdminProvider, { queues }: AdminTraffic): string {
  if (queued === 0) return `${inFlight} running`;
  return `${inFlight} running, ${queued} waiting${waitText(queues.find(({ provider }) => provider === name))}`;
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
    runningText(provider, status.traffic),
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
    ...trafficLines(status.traffic, nowMs),
    ...problems.map(
      ({ file, line, column, severity, code, message }) => `${file}:${line}:${column} ${severity} ${code} ${message}`,
    ),
  ];
  return lines.map(harmless).join('\n');
}
