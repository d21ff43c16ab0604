// Starts the history's worker as a thread of its own.

import { Worker } from 'node:worker_threads';
import type { FromWorker, WorkerSetup } from './messages.ts';

/** Measured: 16 MB of heap are in use at full load, the rest is for long answers; what needs more ends the worker alone. */
const resourceLimits = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 };

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const defaultUrl = new URL(`./worker.${extension}`, import.meta.url);

interface WorkerListener {
  readonly heard: (message: FromWorker) => void;
  /** It is gone; the text says why. */
  readonly ended: (because: string) => void;
}

/** @param url the script; the real worker if undefined */
export function startWorker(workerData: WorkerSetup, url: URL | undefined, { heard, ended }: WorkerListener): Worker {
  const worker = new Worker(url ?? defaultUrl, { name: 'history', workerData, resourceLimits });
  let lastError = '';
  worker.on('message', heard);
  worker.on('error', (error: unknown) => {
    lastError = error instanceof Error ? error.message : String(error);
  });
  worker.on('exit', (code) => ended(lastError || `exit code ${code}`));
  // The history alone is no reason for the process to live on; closing it waits for the end.
  worker.unref();
  return worker;
}
