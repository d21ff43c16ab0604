// What is summed up of requests: pure additions, in memory, before they go to the database.

import type { OutcomeResult } from '../types.ts';
import { floorTo, type Grain, grainCode, grainMs } from './limits.ts';
import { Sketch } from './sketch.ts';

/** The columns of `requests` that the sums are made of. */
export interface SummedRequest {
  readonly seq: number;
  readonly received_at_ms: number;
  readonly duration_ms: number;
  readonly is_stream: number;
  readonly provider: string | null;
  readonly model: string | null;
  readonly client: string;
  readonly result: OutcomeResult;
  readonly queued_ms: number;
  readonly first_content_ms: number | null;
  readonly prompt_tokens: number | null;
  readonly completion_tokens: number | null;
  readonly cached_tokens: number | null;
}

export interface SummedAttempt {
  readonly request: number;
  readonly provider: string;
  readonly model: string;
  readonly is_cold: number;
  readonly is_failed: number;
}

export const countColumns = [
  'complete',
  'failed',
  'broken',
  'cancelled',
  'rejected',
  'attempts',
  'failed_attempts',
  'moved',
  'prompt_tokens',
  'completion_tokens',
  'cached_tokens',
  'queued',
  'queued_ms',
] as const;
export type Counts = Record<(typeof countColumns)[number], number>;

export const sketchColumns = ['duration', 'first_content_warm', 'first_content_cold', 'tokens_per_second'] as const;
export type SketchColumn = (typeof sketchColumns)[number];

export interface RequestSum {
  /** Place of the grain in `grains`. */
  readonly grain: number;
  readonly atMs: number;
  readonly provider: string;
  readonly model: string;
  readonly counts: Counts;
  readonly sketches: Record<SketchColumn, Sketch>;
}

export interface ClientSum {
  readonly grain: number;
  readonly atMs: number;
  readonly client: string;
  readonly counts: ClientCounts;
}

export const clientColumns = ['requests', 'complete', 'prompt_tokens', 'completion_tokens', 'cached_tokens'] as const;
export type ClientCounts = Record<(typeof clientColumns)[number], number>;

/** In place of both names: all requests together, so that questions about all of them read few rows. */
export const allDeployments = '*';

const deploymentGrains: readonly Grain[] = ['minute', 'hour', 'day'];
const clientGrains: readonly Grain[] = ['hour', 'day'];

/**
 * Sums of some requests. A request counts for the deployment that answered; where none did, for the last that was asked;
 * where none was asked, for no deployment: both names are empty. Its period is that in which it was received.
 */
export class RequestSums {
  readonly #deployments = new Map<string, RequestSum>();
  readonly #clients = new Map<string, ClientSum>();

  get deployments(): Iterable<RequestSum> {
    return this.#deployments.values();
  }

  get clients(): Iterable<ClientSum> {
    return this.#clients.values();
  }

  /** @param attempts of this request, in order */
  add(request: SummedRequest, attempts: readonly SummedAttempt[]): void {
    const last = attempts.at(-1);
    const provider = request.provider ?? last?.provider ?? '';
    const model = request.provider === null ? (last?.model ?? '') : (request.model ?? '');
    for (const grain of deploymentGrains) {
      const atMs = floorTo(request.received_at_ms, grainMs[grain]);
      addRequest(this.#sum(grain, atMs, provider, model), request, last?.is_cold === 1);
      addRequest(this.#sum(grain, atMs, allDeployments, allDeployments), request, last?.is_cold === 1);
      for (const [position, attempt] of attempts.entries()) {
        const { counts } = this.#sum(grain, atMs, attempt.provider, attempt.model);
        counts.attempts++;
        counts.failed_attempts += attempt.is_failed;
        if (attempt.is_failed && isElsewhere(attempt, attempts[position + 1])) counts.moved++;
      }
    }
    for (const grain of clientGrains) this.#addClient(grain, request);
  }

  #sum(grain: Grain, atMs: number, provider: string, model: string): RequestSum {
    const key = `${grain}\n${atMs}\n${provider}\n${model}`;
    const known = this.#deployments.get(key);
    if (known) return known;
    const sum = emptySum(grainCode[grain], atMs, provider, model);
    this.#deployments.set(key, sum);
    return sum;
  }

  #addClient(grain: Grain, request: SummedRequest): void {
    const atMs = floorTo(request.received_at_ms, grainMs[grain]);
    const key = `${grain}\n${atMs}\n${request.client}`;
    let sum = this.#clients.get(key);
    if (!sum) {
      const counts = { requests: 0, complete: 0, prompt_tokens: 0, completion_tokens: 0, cached_tokens: 0 };
      sum = { grain: grainCode[grain], atMs, client: request.client, counts };
      this.#clients.set(key, sum);
    }
    sum.counts.requests++;
    if (request.result === 'complete') sum.counts.complete++;
    addTokens(sum.counts, request);
  }
}

function emptySum(grain: number, atMs: number, provider: string, model: string): RequestSum {
  const counts = Object.fromEntries(countColumns.map((column) => [column, 0])) as Counts;
  const sketches = {
    duration: new Sketch(),
    first_content_warm: new Sketch(),
    first_content_cold: new Sketch(),
    tokens_per_second: new Sketch(),
  };
  return { grain, atMs, provider, model, counts, sketches };
}

function isElsewhere(attempt: SummedAttempt, next: SummedAttempt | undefined): boolean {
  return next !== undefined && (next.provider !== attempt.provider || next.model !== attempt.model);
}

function addRequest({ counts, sketches }: RequestSum, request: SummedRequest, isCold: boolean): void {
  counts[request.result]++;
  addTokens(counts, request);
  if (request.queued_ms > 0) counts.queued++;
  counts.queued_ms += request.queued_ms;
  // How long a refusal or a broken answer took says nothing of how fast the model is.
  if (request.result !== 'complete') return;
  sketches.duration.add(request.duration_ms);
  const first = request.first_content_ms;
  if (first === null) return;
  sketches[isCold ? 'first_content_cold' : 'first_content_warm'].add(first);
  const decodeMs = request.duration_ms - first;
  const tokens = request.completion_tokens ?? 0;
  // The first token is there when decoding begins to be measured.
  if (request.is_stream === 1 && tokens > 1 && decodeMs > 0) {
    sketches.tokens_per_second.add(((tokens - 1) * 1_000) / decodeMs);
  }
}

function addTokens(
  counts: Pick<Counts, 'prompt_tokens' | 'completion_tokens' | 'cached_tokens'>,
  request: SummedRequest,
): void {
  counts.prompt_tokens += request.prompt_tokens ?? 0;
  counts.completion_tokens += request.completion_tokens ?? 0;
  counts.cached_tokens += request.cached_tokens ?? 0;
}
