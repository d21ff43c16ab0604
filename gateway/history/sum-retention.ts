// Removes sums that have been kept long enough. Minutes go by whole hours and hours by whole days, so that what is left of
// them always adds up to the hours and days that stay.

import type Database from 'better-sqlite3';
import type { HistorySettings } from '../config/settings.ts';
import { floorTo, type Grain, grainCode, grainMs, grains, keptSinceMs } from './limits.ts';
import { Meta } from './meta.ts';

const coarser: Readonly<Record<Grain, Grain>> = { minute: 'hour', hour: 'day', day: 'day' };

/** Yields after each short statement how many rows it removed. Throws SQLite's errors. */
export function* removeOldSums(
  database: Database.Database,
  settings: HistorySettings,
  nowMs: number,
): Generator<number, void, void> {
  const meta = new Meta(database);
  const deployments = database
    .prepare<[number], { provider: string; model: string }>(
      'SELECT DISTINCT provider, model FROM request_rollups WHERE grain = ?',
    )
    .all(grainCode.day);
  const providers = database.prepare<[], { provider: number }>('SELECT provider FROM provider_names').all();
  const ofRequests = database.prepare<[number, string, string, number]>(
    'DELETE FROM request_rollups WHERE grain = ? AND provider = ? AND model = ? AND at_ms < ?',
  );
  const ofClients = database.prepare<[number, number]>('DELETE FROM client_rollups WHERE grain = ? AND at_ms < ?');
  const ofHealth = database.prepare<[number, number, number]>(
    'DELETE FROM health_rollups WHERE grain = ? AND provider = ? AND at_ms < ?',
  );
  for (const grain of grains) {
    const sinceMs = floorTo(keptSinceMs(grain, settings, nowMs), grainMs[coarser[grain]]);
    // First what they are good for, then they themselves: a crash in between costs nothing.
    if (grain !== 'day') meta.set(`${grain}_since_ms`, Math.max(sinceMs, meta.get(`${grain}_since_ms`) ?? 0));
    if (grain !== 'day') meta.set('health_floor_ms', Math.max(sinceMs, meta.get('health_floor_ms') ?? 0));
    const code = grainCode[grain];
    for (const { provider, model } of deployments) yield ofRequests.run(code, provider, model, sinceMs).changes;
    for (const { provider } of providers) yield ofHealth.run(code, provider, sinceMs).changes;
    yield ofClients.run(code, sinceMs).changes;
  }
}

/** All of them, up to the hour that has begun. Returns how many rows. */
export function removeMinutes(database: Database.Database, nowMs: number): number {
  const meta = new Meta(database);
  const sinceMs = floorTo(nowMs, grainMs.hour) + grainMs.hour;
  return database.transaction(() => {
    meta.set('minute_since_ms', sinceMs);
    meta.set('health_floor_ms', Math.max(sinceMs, meta.get('health_floor_ms') ?? 0));
    const removed = database.prepare('DELETE FROM request_rollups WHERE grain = 0').run().changes;
    return removed + database.prepare('DELETE FROM health_rollups WHERE grain = 0').run().changes;
  })();
}
