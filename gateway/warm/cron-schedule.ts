// When something is due by a cron expression, in this machine's time zone. What is missed stays missed.

import { createRequire } from 'node:module';

/** Something that is due again and again. */
export interface Schedule {
  /** Epoch ms; null: never again. */
  nextAtMs(): number | null;
  stop(): void;
}

/** Calls back each time it is due. */
export type StartSchedule = (expression: string, callback: () => void) => Schedule;

/** node-cron prints to the console by itself. */
const silent = { info() {}, warn() {}, error() {}, debug() {} };

/** @param expression five fields, or six with seconds first; checked when the configuration was read */
export const startCron: StartSchedule = (expression, callback) => {
  // Loaded only where there is a schedule: most have none, and it takes time to load.
  const cron: typeof import('node-cron') = createRequire(import.meta.url)('node-cron');
  // A run that the machine slept through is reported as missed and not made up for.
  const task = cron.schedule(expression, callback, { logger: silent, suppressMissedWarning: true, unref: true });
  return {
    nextAtMs: () => task.getNextRun()?.getTime() ?? null,
    // A task that runs in this process ends synchronously.
    stop: () => void task.destroy(),
  };
};
