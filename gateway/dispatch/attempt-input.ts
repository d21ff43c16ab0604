// Puts together what one attempt sends: the client's own bytes with the few changes this provider needs.

import type { GroupDeployment, ProviderSettings, TimeLimits } from '../config/settings.ts';
import { GatewayError } from '../errors.ts';
import { endpointTraits } from '../protocols/endpoints.ts';
import { renderStreamError, streamComment } from '../protocols/errors.ts';
import { replaceFormModel } from '../protocols/form.ts';
import { applyEdits } from '../protocols/json-text.ts';
import { planRequestEdits } from '../protocols/request-edits.ts';
import type { ProviderAdapter } from '../providers/provider.ts';
import type { Rules } from '../routing/rules.ts';
import type { Candidate, Endpoint, ProviderSnapshot, RequestFacts, Usage } from '../types.ts';
import type { AttemptInput, ProviderHeaders } from './attempt-contract.ts';
import { PROMPT_TRUNCATED, wasPromptCut } from './context-guard.ts';
import type { ClientReply, IncomingExchange } from './exchange.ts';
import { ownComment, ownHeaders, passHeaders, type ReplyFacts } from './reply-head.ts';
import { upstreamHeaders } from './request-headers.ts';
import { answerLimits, attemptLimits, type FirstContentFacts, fairFirstContentMs } from './time-limits.ts';

export interface AttemptInputSource {
  readonly exchange: IncomingExchange;
  readonly facts: RequestFacts;
  readonly candidate: Candidate;
  /** The `model_list` entry behind the candidate. */
  readonly entry: GroupDeployment | null;
  readonly rules: Rules;
  readonly provider: ProviderSettings;
  readonly adapter: ProviderAdapter;
  readonly snapshot: ProviderSnapshot | null;
  /** Of this deployment; null: nothing yet. */
  readonly learned: FirstContentFacts['learned'];
  readonly hasUntriedCandidate: boolean;
  readonly instance: string;
  readonly reply: ClientReply;
  readonly mask: (text: string) => string;
  /** Asked for at the moment the answer is committed. */
  readonly replyFacts: () => ReplyFacts;
  /** Told at that moment. */
  readonly onCommit: () => void;
}

export interface PreparedAttempt {
  readonly input: AttemptInput;
  /** Names of the changes made to the request. */
  readonly changes: readonly string[];
  /** The model is not known to be loaded where models load on demand. */
  readonly isCold: boolean;
  /** The client wants to wait less than this deployment may fairly take: running out of that time blames nobody. */
  readonly isImpatient: boolean;
}

const GENERATING: ReadonlySet<Endpoint> = new Set<Endpoint>([
  'chat',
  'completions',
  'responses',
  'messages',
  'ollama_chat',
  'ollama_generate',
]);

/** The path part of a base URL, by its settings: '' nearly always. */
const basePaths = new WeakMap<ProviderSettings, string>();

function basePath(provider: ProviderSettings): string {
  let path = basePaths.get(provider);
  if (path === undefined) {
    path = new URL(provider.baseUrl).pathname.replace(/\/+$/, '');
    basePaths.set(provider, path);
  }
  return path;
}

export function attemptInput(source: AttemptInputSource): PreparedAttempt {
  const { exchange, facts, candidate, provider, adapter, snapshot } = source;
  const { endpoint } = facts;
  const path = adapter.paths[endpoint];
  if (path === undefined) {
    throw new GatewayError('internal', `${provider.name} does not speak ${endpoint}, but was chosen for it`);
  }
  const { body, contentType, changes } = requestBody(source);
  const facts_ = snapshot?.models.get(candidate.model);
  const isLoaded = facts_?.isLoaded ?? null;
  const loadsOnDemand = snapshot?.loadsOnDemand ?? false;
  const configured = configuredLimits(source);
  const firstContent: FirstContentFacts = {
    isStream: facts.isStream,
    isGenerating: GENERATING.has(endpoint),
    loadsOnDemand,
    isLoaded,
    promptTokens: facts.promptTokens,
    maxTokens: facts.maxTokens,
    learned: source.learned,
    hasUntriedCandidate: source.hasUntriedCandidate,
  };
  const ownMs = facts.overrides.timeoutMs;
  const idleMs = adapter.defaultIdleMs(facts.needs.includes('tools'));
  const limits = attemptLimits(configured, ownMs, firstContent, idleMs);
  return {
    changes,
    isImpatient: ownMs !== null && ownMs < fairFirstContentMs(configured, firstContent),
    isCold: loadsOnDemand && isLoaded !== true,
    input: {
      endpoint,
      isStream: facts.isStream,
      provider,
      adapter,
      path: basePath(provider) + path + exchange.search,
      requestHeaders: upstreamHeaders(provider, adapter, facts.headers, contentType, source.instance),
      body,
      limits,
      mustEncodeEmbeddings: endpoint === 'embeddings' && adapter.quirks.mayIgnoreBase64 && wantsBase64(exchange.json),
      reply: source.reply,
      onCommit: source.onCommit,
      mask: source.mask,
      replyHead: (headers, usage) => replyHead(source, headers, usage),
      streamError: (failure) =>
        renderStreamError(
          endpoint,
          new GatewayError('provider_broke_off', `${provider.name} broke off its answer: ${failure.message}`),
          exchange.id,
        ),
    },
  };
}

/** From the most particular to the most general. */
function configuredLimits({ rules, candidate, entry, provider, facts }: AttemptInputSource): (TimeLimits | null)[] {
  return [
    ...rules.timeoutsFor(candidate),
    entry && answerLimits(entry, facts.isStream),
    provider.timeouts,
    answerLimits(rules.settings.reliability, facts.isStream),
  ];
}

function wantsBase64(body: unknown): boolean {
  return (
    typeof body === 'object' && body !== null && (body as { encoding_format?: unknown }).encoding_format === 'base64'
  );
}

function requestBody({ exchange, facts, candidate, adapter, rules }: AttemptInputSource): {
  readonly body: Buffer;
  readonly contentType: string;
  readonly changes: readonly string[];
} {
  const sentType = facts.headers['content-type'];
  if (endpointTraits[facts.endpoint].takesForm && typeof sentType === 'string' && exchange.json === null) {
    if (facts.model === candidate.model) return { body: exchange.body, contentType: sentType, changes: [] };
    return {
      body: replaceFormModel(exchange.body, sentType, candidate.model),
      contentType: sentType,
      changes: ['model'],
    };
  }
  const { edits, changes } = planRequestEdits({
    endpoint: facts.endpoint,
    body: exchange.json,
    upstreamModel: candidate.model,
    quirks: adapter.quirks,
    dropsRefused: rules.settings.reliability.dropsRefusedParams,
  });
  // vLLM refuses any other type (measured: vllm 0.32.0), and the body was read as JSON whatever it was called.
  return { body: applyEdits(exchange.body, edits), contentType: 'application/json', changes };
}

function replyHead(source: AttemptInputSource, providerHeaders: ProviderHeaders, usage: Usage | null) {
  const { facts, reply, adapter, exchange, snapshot, candidate } = source;
  const isOpen = reply.isOpenedEarly;
  const replyFacts = source.replyFacts();
  if (isOpen) return { headers: [], comment: streamComment(facts.endpoint, ownComment(replyFacts)) };
  const headers = ownHeaders(replyFacts);
  passHeaders(headers, providerHeaders);
  const { endpoint, isStream } = facts;
  const model = snapshot?.models.get(candidate.model) ?? null;
  if (usage !== null && wasPromptCut({ adapter, endpoint, isStream, model, json: exchange.json, usage })) {
    headers.push('x-switchyard-warning', PROMPT_TRUNCATED);
  }
  return { headers, comment: null };
}
