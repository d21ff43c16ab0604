// Step 10: what the client is told when no deployment is left, by what stood in the way.

import type { DecisionError, ProviderSnapshot, ReasonCode } from '../types.ts';
import type { Judged } from './ballot.ts';
import { blockOf, isListKnown, type Question } from './question.ts';
import { suggestNames } from './suggestions.ts';

/** Reasons that say that a deployment was never meant for this request. */
const BESIDE_THE_POINT: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  'pinned_elsewhere',
  'excluded_by_rule',
  'cloud',
  'model_missing',
]);
/** Candidates beyond these are counted, not named. */
const NAMED_CANDIDATES = 8;

/** @param judged everything that was considered; nothing of it is kept */
export function refuse(question: Question, judged: readonly Judged[]): DecisionError {
  const close = judged.filter(({ reason }) => reason !== null && !BESIDE_THE_POINT.has(reason));
  const untold = question.name === null ? [] : untoldProviders(question);
  if (close.length === 0) return untold.length === 0 ? unknownModel(question, judged) : perhapsThere(question, untold);
  const only = (code: ReasonCode) => close.every(({ reason }) => reason === code);
  if (only('context_too_small')) return tooLong(question, close);
  if (close.every((one) => isLimit(question, one))) return limited(question, close);
  if (close.every((one) => isUntranslated(question, one))) {
    return untold.length === 0 ? untranslated(question, close) : perhapsThere(question, untold);
  }
  return unavailable(question, close);
}

/** A limit of ours, or a pause that the provider asked for: time alone cures both, and the client is to send less. */
function isLimit(question: Question, { reason, proposal }: Judged): boolean {
  if (reason === 'rate_limited') return true;
  return reason === 'cooling_down' && blockOf(question, proposal)?.isByRequest === true;
}

export function nameTooLong(length: number, limit: number): DecisionError {
  return {
    code: 'model_name_too_long',
    message: `the model name has ${length} characters; at most ${limit} are allowed`,
    retryAfterSeconds: null,
  };
}

/** @param by who pins: the header, or the mode of the window */
export function unknownProvider(name: string, known: Iterable<string>, by: string): DecisionError {
  const names = [...known];
  const those = names.length === 0 ? 'none is configured' : `there are ${names.join(', ')}`;
  return {
    code: 'unknown_provider',
    message: `${by} names "${name}", which is no provider here: ${those}`,
    retryAfterSeconds: null,
  };
}

/** Providers that could take this request and have told of no models so far: the one that was asked for may be theirs. */
function untoldProviders({ facts, pin, snapshot }: Question): readonly ProviderSnapshot[] {
  return [...snapshot.providers.values()].filter(
    (provider) =>
      provider.isEnabled &&
      provider.isCallable &&
      provider.place !== 'cloud' &&
      (pin === null || provider.name === pin) &&
      provider.endpoints.has(facts.endpoint) &&
      !isListKnown(provider),
  );
}

function perhapsThere(question: Question, untold: readonly ProviderSnapshot[]): DecisionError {
  const names = untold.slice(0, NAMED_CANDIDATES).map(({ name, observed }) => `${name} (${observed})`);
  return {
    code: 'no_available_deployment',
    message: `no provider that can be asked is known to have model "${question.name}", and ${names.join(', ')} has not told its models yet${suggestion(question)}`,
    retryAfterSeconds: null,
  };
}

function unknownModel(question: Question, judged: readonly Judged[]): DecisionError {
  const { name, pin } = question;
  const where = pin === null ? '' : ` at provider "${pin}"`;
  const text =
    name === null
      ? `the request names no model, and nothing${where} takes such a request`
      : sentence(name, pin, judged);
  return { code: 'model_not_found', message: `${text}${suggestion(question)}`, retryAfterSeconds: null };
}

function sentence(name: string, pin: string | null, judged: readonly Judged[]): string {
  if (pin !== null) return `model "${name}" is not known at provider "${pin}", which the request is pinned to`;
  const missing = judged
    .filter(({ reason }) => reason === 'model_missing')
    .map(({ proposal }) => proposal.provider.name);
  const cloud = judged.filter(({ reason }) => reason === 'cloud').map(({ proposal }) => proposal.provider.name);
  const words = [`model "${name}" is not known here`];
  if (missing.length > 0) words.push(`${[...new Set(missing)].slice(0, NAMED_CANDIDATES).join(', ')} does not have it`);
  if (cloud.length > 0)
    words.push(`${[...new Set(cloud)].join(', ')} would leave this network and is not named for it`);
  return words.join('; ');
}

function suggestion({ name, rules, snapshot, pin }: Question): string {
  if (name === null) return '';
  const near = suggestNames(name, rules, snapshot, pin);
  return near.length === 0 ? '' : `; the nearest names are ${near.map((one) => `"${one}"`).join(', ')}`;
}

function tooLong({ facts }: Question, close: readonly Judged[]): DecisionError {
  const contexts = close.map(({ proposal }) => proposal.facts?.contextLoaded ?? proposal.facts?.contextTrained ?? 0);
  return {
    code: 'context_length_exceeded',
    message: `the prompt is estimated at ${facts.promptTokens} tokens, and the largest context at hand holds ${Math.max(...contexts)} (${listCandidates(close)})`,
    retryAfterSeconds: null,
  };
}

function limited(question: Question, close: readonly Judged[]): DecisionError {
  return {
    code: 'rate_limited',
    message: `every deployment of "${question.name ?? ''}" has used up its rate limit, or asked for a pause (${listCandidates(close)})`,
    retryAfterSeconds: soonest(question, close),
  };
}

function isUntranslated({ facts }: Question, { reason, proposal }: Judged): boolean {
  return reason === 'not_callable' && proposal.provider.isCallable && !proposal.provider.endpoints.has(facts.endpoint);
}

function untranslated({ facts }: Question, close: readonly Judged[]): DecisionError {
  const names = [...new Set(close.map(({ proposal }) => proposal.provider.name))].slice(0, NAMED_CANDIDATES);
  return {
    code: 'not_translated',
    message: `no provider of this model speaks ${facts.endpoint} (${names.join(', ')}); ask it through an endpoint that it speaks`,
    retryAfterSeconds: null,
  };
}

function unavailable(question: Question, close: readonly Judged[]): DecisionError {
  return {
    code: 'no_available_deployment',
    message: `no deployment can take this request now: ${listCandidates(close)}`,
    retryAfterSeconds: soonest(question, close),
  };
}

function listCandidates(close: readonly Judged[]): string {
  const named = close
    .slice(0, NAMED_CANDIDATES)
    .map(({ proposal, reason }) => `${proposal.provider.name}/${proposal.model}: ${reason}`);
  const rest = close.length - named.length;
  return rest > 0 ? `${named.join(', ')} and ${rest} more` : named.join(', ');
}

/** Seconds until time alone makes the first of them usable again; null: time alone cures none. */
function soonest(question: Question, close: readonly Judged[]): number | null {
  const waits = close.flatMap(({ proposal, reason }) => {
    if (reason !== 'rate_limited' && reason !== 'cooling_down' && reason !== 'breaker_open') return [];
    const remainingMs = blockOf(question, proposal)?.remainingMs ?? null;
    return remainingMs === null ? [] : [remainingMs];
  });
  return waits.length === 0 ? null : Math.max(1, Math.ceil(Math.min(...waits) / 1000));
}
