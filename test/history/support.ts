// What the tests of the history share: outcomes to record, a log to look into, folders on disks that misbehave.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HistoryStatus } from '../../gateway/contract.ts';
import type { History } from '../../gateway/history/history.ts';
import type { Log, LogFields } from '../../gateway/telemetry/log.ts';
import type { Decision, Outcome } from '../../gateway/types.ts';

export const decision: Decision = {
  rule: 'catalog',
  model: 'qwen3:8b',
  candidates: [
    {
      provider: 'ollama',
      model: 'qwen3:8b',
      place: 'local',
      source: 'listed',
      kept: true,
      reason: null,
      order: 1,
      terms: { queue_ms: 0, prefill_ms: 33.25, load_ms: Number.POSITIVE_INFINITY },
      via: 'catalog',
      notes: ['context unknown'],
    },
    {
      provider: 'vllm',
      model: 'Qwen/Qwen3-8B',
      place: 'lan',
      source: 'same_model',
      kept: false,
      reason: 'lacks_vision',
      order: null,
      terms: {},
      via: 'fallback:vllm',
      notes: [],
    },
  ],
  steps: [
    { step: 'exact', result: 'no_match', why: 'no entry names qwen3:8b' },
    { step: 'catalog', result: 'matched', why: 'two providers list it' },
  ],
  considered: 7,
  error: null,
};

let count = 0;

export function outcome(changes: Partial<Outcome> = {}): Outcome {
  count++;
  return {
    id: `req_${process.pid}_${count}`,
    receivedAtMs: Date.UTC(2026, 0, 1) + count,
    durationMs: 120.5,
    endpoint: 'chat',
    protocol: 'openai',
    isStream: true,
    client: 'openai-python',
    requestedModel: 'qwen3:8b',
    rule: 'catalog',
    provider: 'ollama',
    model: 'qwen3:8b',
    result: 'complete',
    status: 200,
    errorCode: null,
    errorMessage: null,
    attempts: [
      {
        provider: 'vllm',
        model: 'Qwen/Qwen3-8B',
        via: 'catalog',
        because: null,
        variant: null,
        startedAtMs: Date.UTC(2026, 0, 1) + count,
        failure: { kind: 'rate_limited', message: 'too many', status: 429, retryAfterMs: 2_000 },
        status: 429,
        headersAfterMs: 3.5,
        contentAfterMs: null,
        endedAfterMs: 4,
        isCold: false,
        changes: [],
      },
      {
        provider: 'ollama',
        model: 'qwen3:8b',
        via: 'fallback:ollama',
        because: 'rate_limited at vllm/Qwen/Qwen3-8B',
        variant: 'B',
        startedAtMs: Date.UTC(2026, 0, 1) + count + 4,
        failure: null,
        status: 200,
        headersAfterMs: 12,
        contentAfterMs: 40.25,
        endedAfterMs: 110,
        isCold: true,
        changes: ['model', 'role_developer'],
      },
    ],
    decisionMs: 0.03,
    queuedMs: 0,
    firstContentMs: 44.25,
    usage: { promptTokens: 12, completionTokens: 80, cachedTokens: null, isEstimated: false },
    bytesIn: 1_024,
    bytesOut: 4_096,
    isOpenedEarly: false,
    variant: 'B',
    cache: 'stored',
    warnings: ['prompt_truncated'],
    decision,
    ...changes,
  };
}

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields | undefined;
}

/** A log that keeps its lines. */
export function memoryLog(): Log & { readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at = (level: string) => (message: string, fields?: LogFields) => {
    lines.push({ level, message, fields });
  };
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

export function temporaryFolder(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'switchyard-history-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Resolves with the first status for which the condition holds, at once if it holds now. */
export function statusWhere(history: History, holds: (status: HistoryStatus) => boolean): Promise<HistoryStatus> {
  if (holds(history.status())) return Promise.resolve(history.status());
  return new Promise((resolve) => {
    const stop = history.onStatusChange((status) => {
      if (!holds(status)) return;
      stop();
      resolve(status);
    });
  });
}

/** Whether this process may mount small disks of its own: then full and read-only ones can be had. */
export const canMount = ((): boolean => {
  const folder = temporaryFolder();
  try {
    mountDisk(folder.path, '1m').unmount();
    return true;
  } catch {
    return false;
  } finally {
    folder.remove();
  }
})();

/** Mounts a disk in memory of that size on the folder. */
export function mountDisk(
  folder: string,
  size: string,
): { readonly remount: (how: 'ro' | 'rw') => void; readonly unmount: () => void } {
  const run = (command: string, ...options: string[]): void => {
    execFileSync(command, options, { stdio: 'ignore' });
  };
  run('mount', '-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder);
  return {
    remount: (how) => run('mount', '-o', `remount,${how}`, folder),
    unmount: () => run('umount', '-l', folder),
  };
}

/** Asks until the sums have followed. */
export async function upToDate<Answer extends { readonly isUpToDate: boolean }>(
  ask: () => Promise<Answer>,
): Promise<Answer> {
  for (;;) {
    const answer = await ask();
    if (answer.isUpToDate) return answer;
  }
}
