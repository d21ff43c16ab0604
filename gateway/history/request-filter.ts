// The filter of the list of requests as SQL: which index leads, and what is left to be looked at row by row.

import type { AdminRequestFilter } from '../contract.ts';
import type { Column } from './rows.ts';

/** A part of a WHERE clause with its values. */
export interface Condition {
  readonly sql: string;
  readonly values: readonly Column[];
}

/** A condition with the index that finds its rows in order of time. */
export interface IndexedCondition extends Condition {
  readonly index: string;
}

/** Finds everything. */
export const byTime: IndexedCondition = { index: 'requests_by_time', sql: 'TRUE', values: [] };

/** The conditions that have an index, those first that tend to find least. */
export function indexedConditions(filter: AdminRequestFilter): IndexedCondition[] {
  const conditions: IndexedCondition[] = [];
  const add = (index: string, sql: string, value: string | undefined): void => {
    if (value !== undefined) conditions.push({ index, sql, values: [value] });
  };
  add('requests_by_variant', 'variant = ?', filter.variant);
  // SQLite uses a partial index only where the condition repeats its own.
  if (filter.result !== 'complete') add('requests_not_complete', "result = ? AND result <> 'complete'", filter.result);
  add('requests_by_client', 'client = ?', filter.client);
  add('requests_by_model', 'ifnull(model, requested_model) = ?', filter.model);
  add('requests_by_provider', 'provider = ?', filter.provider);
  return conditions;
}

/** The conditions that no index knows. */
export function otherConditions(filter: AdminRequestFilter): Condition[] {
  const conditions: Condition[] = [];
  if (filter.result === 'complete') conditions.push({ sql: "result = 'complete'", values: [] });
  if (filter.text) conditions.push(containing(filter.text));
  return conditions;
}

export function all(conditions: readonly Condition[]): Condition {
  const sql = conditions.map((condition) => `(${condition.sql})`).join(' AND ');
  return { sql: sql || 'TRUE', values: conditions.flatMap(({ values }) => values) };
}

function containing(text: string): Condition {
  const pattern = `%${text.replace(/[\\%_]/g, '\\$&')}%`;
  const columns = ['id', 'error_code', 'error_message', 'model', 'requested_model'];
  return {
    sql: columns.map((column) => `${column} LIKE ? ESCAPE '\\'`).join(' OR '),
    values: columns.map(() => pattern),
  };
}
