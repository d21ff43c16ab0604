// Requests as lines of text, for files.

import type { AdminRequestRow } from '../contract.ts';
import type { ExportFormat } from './history.ts';

type Cell = string | number | boolean | null;

const columns = {
  time: ({ receivedAtMs }) => new Date(receivedAtMs).toISOString(),
  id: ({ id }) => id,
  client: ({ client }) => client,
  endpoint: ({ endpoint }) => endpoint,
  requested_model: ({ requestedModel }) => requestedModel,
  model: ({ model }) => model,
  provider: ({ provider }) => provider,
  rule: ({ rule }) => rule,
  result: ({ result }) => result,
  status: ({ status }) => status,
  error_code: ({ errorCode }) => errorCode,
  error_message: ({ errorMessage }) => errorMessage,
  attempts: ({ attempts }) => attempts.length,
  is_stream: ({ isStream }) => isStream,
  duration_ms: ({ durationMs }) => durationMs,
  queued_ms: ({ queuedMs }) => queuedMs,
  first_content_ms: ({ firstContentMs }) => firstContentMs,
  prompt_tokens: ({ usage }) => usage.promptTokens,
  completion_tokens: ({ usage }) => usage.completionTokens,
  cached_tokens: ({ usage }) => usage.cachedTokens,
  bytes_in: ({ bytesIn }) => bytesIn,
  bytes_out: ({ bytesOut }) => bytesOut,
  variant: ({ variant }) => variant,
  cache: ({ cache }) => cache,
} as const satisfies Record<string, (row: AdminRequestRow) => Cell>;

/** @param isFirst whether the names of the columns come first (CSV). Each line ends with a line feed (CSV: and a return before it). */
export function exportText(rows: readonly AdminRequestRow[], format: ExportFormat, isFirst: boolean): string {
  if (format === 'ndjson') return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  const lines = rows.map((row) => csvLine(Object.values(columns).map((cellOf) => cellOf(row))));
  return (isFirst ? [csvLine(Object.keys(columns)), ...lines] : lines).join('');
}

/** RFC 4180. */
function csvLine(cells: readonly Cell[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}

/** Names of clients and models are anybody's to make up: what a spreadsheet would take for a formula is shown as text. */
function csvCell(cell: Cell): string {
  if (typeof cell !== 'string') return cell === null ? '' : String(cell);
  const text = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
