// Providers of which nothing is known but what is written about them.

import { Catalog } from '../catalog/catalog.ts';
import type { SavedState } from '../catalog/saved-state.ts';
import { StateFile } from '../catalog/state-file.ts';
import type { Clock } from '../clock.ts';
import type { Settings } from '../config/settings.ts';
import type { Log } from '../telemetry/log.ts';
import type { Snapshot } from '../types.ts';

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

/**
 * The snapshot of a gateway that has just read these settings. Asks nobody and leaves nothing behind.
 * @param kept what former runs have left, lists of models above all
 */
export function unprobed(settings: Settings, clock: Clock, kept: SavedState | null = null): Snapshot {
  const state = new StateFile({ path: null, clock, log: silent });
  if (kept !== null) state.update(kept);
  const catalog = new Catalog({ settings, clock, state, log: silent, random: () => 0, discovery: null });
  const snapshot = catalog.snapshot();
  void catalog.close();
  return snapshot;
}
