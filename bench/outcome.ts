// An outcome as everyday traffic has it: three candidates, eight steps, one attempt. Each is an object of its own.

import { emptySettings } from '../gateway/config/defaults.ts';
import type { DecisionBasis } from '../gateway/history/history.ts';
import { readFacts } from '../gateway/routing/facts.ts';
import type { Candidate, Outcome, Snapshot } from '../gateway/types.ts';

let count = 0;

function candidate(index: number): Candidate {
  return {
    provider: `provider${index}`,
    model: 'qwen3:8b',
    place: 'local',
    source: 'listed',
    kept: index < 2,
    reason: index === 0 ? null : 'lost_on_score',
    order: index < 2 ? index + 1 : null,
    terms: { queue_ms: 12.5, load_ms: 0, prefill_ms: 33.1 * Math.random() },
    via: 'catalog',
    notes: [],
  };
}

export function typicalOutcome(): Outcome {
  count++;
  const steps = ['alias', 'pin', 'metadata', 'exact', 'pattern', 'capability', 'size', 'catalog'] as const;
  return {
    id: `req_${Date.now().toString(36)}${count.toString(36).padStart(6, '0')}`,
    receivedAtMs: Date.now(),
    durationMs: 100 * Math.random(),
    endpoint: 'chat',
    protocol: 'openai',
    isStream: true,
    client: 'openai-python',
    requestedModel: 'qwen3:8b',
    rule: 'catalog',
    provider: 'provider0',
    model: 'qwen3:8b',
    result: 'complete',
    status: 200,
    errorCode: null,
    errorMessage: null,
    attempts: [
      {
        provider: 'provider0',
        model: 'qwen3:8b',
        via: 'catalog',
        because: null,
        variant: null,
        startedAtMs: Date.now(),
        failure: null,
        status: 200,
        headersAfterMs: 12.3,
        contentAfterMs: 44.4,
        endedAfterMs: 120.2,
        isCold: false,
        changes: ['model'],
      },
    ],
    decisionMs: 0.012,
    queuedMs: 0,
    firstContentMs: 45 * Math.random(),
    usage: { promptTokens: 120, completionTokens: 80, cachedTokens: null, isEstimated: false },
    bytesIn: 1_024,
    bytesOut: 2_048,
    isOpenedEarly: false,
    variant: null,
    cache: null,
    warnings: [],
    decision: {
      rule: 'catalog',
      model: 'qwen3:8b',
      candidates: [candidate(0), candidate(1), candidate(2)],
      steps: steps.map((step, index) => ({
        step,
        result: index < 7 ? 'no_match' : 'matched',
        why: index < 3 ? 'nothing is configured' : 'no entry names qwen3:8b',
      })),
      considered: 12,
      error: null,
    },
  };
}

const settings = emptySettings();
const snapshot: Snapshot = { atMs: 0, version: 1, providers: new Map() };

/** What it was decided on: a request of the official Python client, its headers new strings as a parser makes them. */
export function typicalBasis(outcome: Outcome): DecisionBasis {
  const headers: Record<string, string> = JSON.parse(
    JSON.stringify({
      host: 'localhost:4000',
      'accept-encoding': 'gzip, deflate',
      connection: 'keep-alive',
      accept: 'application/json',
      'content-type': 'application/json',
      'user-agent': 'OpenAI/Python 2.8.1',
      'x-stainless-lang': 'python',
      'x-stainless-package-version': '2.8.1',
      'x-stainless-os': 'Linux',
      'x-stainless-arch': 'x64',
      'x-stainless-runtime': 'CPython',
      'x-stainless-runtime-version': '3.12.3',
      authorization: 'Bearer sk-none',
      'x-stainless-async': 'false',
      'x-stainless-retry-count': '0',
      'x-stainless-read-timeout': '600',
      'content-length': String(outcome.bytesIn + count),
    }),
  );
  const facts = readFacts({
    ...outcome,
    headers,
    body: { model: outcome.requestedModel, stream: true, messages: [{ role: 'user', content: 'hello' }] },
    bodyBytes: outcome.bytesIn,
    conversationSecret: 'secret',
    charactersPerToken: 4,
  });
  return { facts, snapshot, settings };
}
