// Whether a proposed deployment can take this request now, and the first reason if not. The order of the checks is fixed.

import type { Capability, ModelFacts, ReasonCode } from '../types.ts';
import type { Demands, Proposal } from './proposal.ts';
import { type Blocked, blockOf, deploymentId, type Question } from './question.ts';

/** What the filters make of one proposal. */
export interface Verdict {
  /** Null: kept. */
  readonly reason: Exclude<ReasonCode, 'lost_on_score' | 'at_capacity'> | null;
  /** Kept, but it has no free slot now: it goes behind those that have one. */
  readonly isFull: boolean;
  /** For a rule that demands facts: which fact is not known. Kept only if nothing certain is. */
  readonly uncertain: Exclude<ReasonCode, 'lost_on_score' | 'at_capacity'> | null;
  readonly notes: readonly string[];
}

/** What a tier's rule adds to the filters. */
export interface FilterTerms {
  readonly demands: Demands | null;
  readonly requiresWarm: boolean;
}

const NO_NOTES: readonly string[] = Object.freeze([]);
const KEPT: Verdict = Object.freeze({ reason: null, isFull: false, uncertain: null, notes: NO_NOTES });
const FULL: Verdict = Object.freeze({ reason: null, isFull: true, uncertain: null, notes: NO_NOTES });

/** Judges one proposal by all filters, in their order. */
export function judge(question: Question, proposal: Proposal, terms: FilterTerms): Verdict {
  const reason =
    whyNotAllowed(question, proposal) ??
    whyNotFit(question, proposal, terms.demands) ??
    whyNotReady(question, proposal, terms.requiresWarm);
  const notes = notesOf(question, proposal, terms, reason);
  const uncertain = reason === null && terms.demands ? whatIsUnknown(question, proposal, terms.demands) : null;
  if (reason === null && uncertain === null && notes === NO_NOTES) return isFull(proposal) ? FULL : KEPT;
  return { reason, isFull: reason === null && isFull(proposal), uncertain, notes };
}

/** By the rules, the configuration and the user's wish. */
function whyNotAllowed({ facts }: Question, { barred, provider }: Proposal): Verdict['reason'] {
  if (barred !== null && barred !== 'model_missing') return barred;
  if (!provider.isCallable || !provider.endpoints.has(facts.endpoint)) return 'not_callable';
  if (provider.isDraining) return 'draining';
  if (!provider.isEnabled) return 'disabled';
  return barred;
}

/** By what is known of the model. Unknown facts never exclude here. */
function whyNotFit({ facts }: Question, proposal: Proposal, demands: Demands | null): Verdict['reason'] {
  const model = proposal.facts;
  if (model === null) return null;
  if (demands !== null && demands.minSize !== null && model.size !== null && model.size < demands.minSize)
    return 'too_small';
  const needs = mayEmbedUntold(proposal, demands) ? facts.needs.filter((need) => need !== 'embedding') : facts.needs;
  const lacking = model.capabilities && firstLacking(model.capabilities, needs, demands);
  if (lacking) return `lacks_${lacking}`;
  const context = model.contextLoaded ?? model.contextTrained;
  if (context === null) return null;
  const needed = Math.max(facts.promptTokens, demands?.minContext ?? 0);
  return needed > context ? 'context_too_small' : null;
}

/**
 * Servers embed with text models whose lists do not say so (measured: ollama 0.17.4, recording v1-emb-float).
 * Who asks for such a model by its name gets it, or the server's own refusal; none is chosen for embeddings by its facts.
 */
function mayEmbedUntold({ facts, source }: Proposal, demands: Demands | null): boolean {
  if (demands !== null || source === 'single_model' || source === 'default_model') return false;
  return facts?.capabilities?.has('completion') === true && !facts.capabilities.has('embedding');
}

function firstLacking(
  capabilities: ReadonlySet<Capability>,
  needs: readonly Capability[],
  demands: Demands | null,
): Capability | null {
  for (const need of needs) if (!capabilities.has(need)) return need;
  return demands?.needsCompletion && !capabilities.has('completion') ? 'completion' : null;
}

/** By what happens there now. */
function whyNotReady(question: Question, proposal: Proposal, requiresWarm: boolean): Verdict['reason'] {
  const { state } = question;
  const { provider, model, facts } = proposal;
  if (requiresWarm && facts?.isLoaded === false) return 'not_warm';
  if (state.failed.size > 0 && state.failed.has(deploymentId(provider.name, model))) return 'already_failed';
  if (provider.observed === 'down') return 'down';
  if (provider.observed === 'auth') return 'auth';
  return blockOf(question, proposal)?.reason ?? null;
}

/** The first demanded fact that is not known, as the reason for which it gives way to those where it is. */
function whatIsUnknown({ facts }: Question, { facts: model }: Proposal, demands: Demands): Verdict['uncertain'] {
  if (demands.minSize !== null && (model === null || model.size === null)) return 'too_small';
  const need = facts.needs.find((one) => !isKnownToHave(model, one));
  if (need !== undefined) return `lacks_${need}`;
  const context = model?.contextLoaded ?? model?.contextTrained ?? null;
  return demands.minContext !== null && context === null ? 'context_too_small' : null;
}

/** Of a kept one: told as a whole, or declared by itself. */
function isKnownToHave(model: ModelFacts | null, capability: Capability): boolean {
  if (model === null) return false;
  return model.capabilities !== null || model.sureCapabilities?.has(capability) === true;
}

function notesOf(
  question: Question,
  proposal: Proposal,
  terms: FilterTerms,
  reason: Verdict['reason'],
): readonly string[] {
  const { facts } = question;
  const { note, facts: model, provider } = proposal;
  const notes: string[] = [];
  if (note !== null) notes.push(note);
  if (reason === 'cooling_down' || reason === 'breaker_open' || reason === 'rate_limited') {
    const block = blockOf(question, proposal);
    if (block !== null) notes.push(untilWhen(block));
  }
  if (!provider.endpoints.has(facts.endpoint)) notes.push(`it does not speak ${facts.endpoint}`);
  if (model !== null) {
    if (facts.needs.some((need) => !isKnownToHave(model, need))) notes.push('its capabilities are not known');
    if (terms.demands?.minSize != null && model.size === null) notes.push('its size is not known');
    if (terms.requiresWarm && model.isLoaded === null) notes.push('whether it is loaded is not known');
  }
  return notes.length === 0 ? NO_NOTES : notes;
}

/** For how long it is taken out, in words. */
function untilWhen({ reason, remainingMs, isByRequest, limit }: Blocked): string {
  if (remainingMs === null) return `this prompt alone is more than ${limit ?? 'its limit'} allows`;
  const seconds = `${Math.ceil(remainingMs / 1_000)} s`;
  if (reason === 'rate_limited') return `${limit ?? 'its limit'} has room again in ${seconds}`;
  return isByRequest ? `it asked for patience, for ${seconds} more` : `for ${seconds} more`;
}

function isFull({ provider }: Proposal): boolean {
  return provider.maxParallelRequests !== null && provider.load.inFlight >= provider.maxParallelRequests;
}

/** Whether prompt and longest answer fit together; true where the context is not known. */
export function fitsAnswer({ facts }: Question, { facts: model }: Proposal): boolean {
  const context = model?.contextLoaded ?? model?.contextTrained ?? null;
  return context === null || facts.promptTokens + (facts.maxTokens ?? 0) <= context;
}
