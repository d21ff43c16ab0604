// llama.cpp's `llama-server`, with one model or as a router of several. Measured with 0.5.0-dev (commit 0c1e570).

import { askAside, causeOf, failedProbe, onlyState } from './findings.ts';
import { asArray, asObject } from './lenient.ts';
import { routerControl } from './llama-cpp-control.ts';
import {
  isAskable,
  isRunning,
  type LlamaProps,
  looksRouted,
  readProps,
  routedFacts,
  singleFacts,
} from './llama-cpp-models.ts';
import { type ListedModel, listedModels } from './openai-models.ts';
import { sumOf } from './prometheus.ts';
import type { ProbeAnswer, ProbeClient, ProbeContext, ProbeFindings, ProviderAdapter } from './provider.ts';
import { classifyRefusal, type RefusalDetails, type RefusalKind, saysUnsupported } from './refusal.ts';

/**
 * Asking `/slots` or `/metrics` puts off by a second each time that the server notices a client that left a request
 * without a stream: it would go on generating for nobody (measured: disconnect-nonstream-polled).
 */
const quietAfterAbandonedMs = 3_000;
/** Models of a router whose load is read in one probe. */
const mostRunning = 16;

const onlyModel = {
  because: 'it holds its one model for as long as it runs: started with --models-dir it loads and unloads several',
};

export const llamaCpp: ProviderAdapter = {
  kind: 'llama_cpp',
  paths: {
    chat: '/v1/chat/completions',
    completions: '/v1/completions',
    embeddings: '/v1/embeddings',
    rerank: '/v1/rerank',
    responses: '/v1/responses',
    audio_transcriptions: '/v1/audio/transcriptions',
    messages: '/v1/messages',
    messages_count_tokens: '/v1/messages/count_tokens',
  },
  // It closes an idle connection after 5.0 s (measured; `Keep-Alive: timeout=5, max=100`).
  keepAliveMs: 4_000,
  quirks: {
    needsMaxTokens: false,
    needsSystemRole: false,
    needsPlainTextContent: false,
    mayIgnoreBase64: false,
    refuses: [],
  },
  cutsLongPrompts: () => false,
  defaultMaxParallelRequests: (findings) => findings?.slots ?? null,
  defaultIdleMs: () => 120_000,
  authHeaders: (apiKey) => ({ authorization: `Bearer ${apiKey}` }),
  probe,
  classify: (refusal) => classifyRefusal(refusal, [llamaCppRefusal]),
  modelControl: (findings) => (findings?.isSingleModel === false ? routerControl : onlyModel),
  isSameName: (a, b) => a === b,
};

/** `/health`, `/v1/models` and `/props`, which disturb nothing; the load of what is awake where asking for it does no harm. */
async function probe(
  client: ProbeClient,
  context: ProbeContext,
  previous: ProbeFindings | null,
): Promise<ProbeFindings> {
  const former = { isSingleModel: previous?.isSingleModel ?? true, loadsOnDemand: previous?.loadsOnDemand ?? false };
  const health = await client.get('/health');
  if (health.status !== 200) return failedProbe(health, '/health', former);
  const [list, propsAnswer] = await Promise.all([askAside(client, '/v1/models'), askAside(client, '/props')]);
  if (list === null) return onlyState('degraded', causeOf('timeout', 'it answers /health, but not /v1/models'), former);
  const models = list.status === 200 ? listedModels(list.json) : null;
  if (models === null) return failedProbe(list, '/v1/models', former);
  const props = propsAnswer?.status === 200 ? readProps(propsAnswer.json) : null;
  const mayAskLoad = context.abandonedAtMs === null || context.nowMs - context.abandonedAtMs >= quietAfterAbandonedMs;
  if (props?.isRouter === true || (props === null && looksRouted(models))) {
    return probeRouter(client, models, props, mayAskLoad && hasWork(context, previous));
  }
  return {
    // The next request wakes it.
    ...onlyState('ready', null, { isSingleModel: true, loadsOnDemand: props?.isAsleep ?? false }),
    version: props?.build ?? null,
    models: models.map((model) => singleFacts(model, props)),
    slots: props?.slots ?? null,
    busy: props === null || !mayAskLoad ? null : await readLoad(client, props, hasWork(context, previous)),
  };
}

/**
 * Somebody may be served there. Where nobody is, `/slots` is not asked: it counts as a task, so that a server told to sleep
 * when idle (`--sleep-idle-seconds`) never would. `/health`, `/props`, `/models` and `/metrics` are exempt (its README).
 */
function hasWork(context: ProbeContext, previous: ProbeFindings | null): boolean {
  return context.isFirst || context.inFlight > 0 || (previous?.busy?.running ?? 0) > 0;
}

async function readLoad(client: ProbeClient, props: LlamaProps, hasWorkNow: boolean): Promise<ProbeFindings['busy']> {
  if (props.isAsleep) return { running: 0, waiting: 0 };
  if (props.hasMetrics) return busyOfMetrics(await askAside(client, '/metrics'));
  return props.hasSlots && hasWorkNow ? busyOfSlots(await askAside(client, '/slots')) : null;
}

function busyOfMetrics(answer: ProbeAnswer | null): ProbeFindings['busy'] {
  if (answer?.status !== 200) return null;
  const running = sumOf(answer.text, 'llamacpp:requests_processing');
  return running === null ? null : { running, waiting: sumOf(answer.text, 'llamacpp:requests_deferred') ?? 0 };
}

/** `/slots` does not tell who waits. */
function busyOfSlots(answer: ProbeAnswer | null): ProbeFindings['busy'] {
  if (answer?.status !== 200 || !Array.isArray(answer.json)) return null;
  const running = asArray(answer.json).filter((slot) => asObject(slot)?.is_processing === true).length;
  return { running, waiting: 0 };
}

/** A router's models run in processes of their own. Whatever names a model says `autoload=false`: else asking would load it. */
async function probeRouter(
  client: ProbeClient,
  models: readonly ListedModel[],
  props: LlamaProps | null,
  mayAskLoad: boolean,
): Promise<ProbeFindings> {
  const running = models.filter(isRunning).slice(0, mayAskLoad ? mostRunning : 0);
  const loads = await Promise.all(
    running.map(({ id }) => askAside(client, `/slots?model=${encodeURIComponent(id)}&autoload=false`)),
  );
  let busy: ProbeFindings['busy'] = models.some(isRunning) ? null : { running: 0, waiting: 0 };
  for (const load of loads) {
    const one = busyOfSlots(load);
    if (one !== null) busy = { running: (busy?.running ?? 0) + one.running, waiting: 0 };
  }
  return {
    ...onlyState('ready', null, { isSingleModel: false, loadsOnDemand: true }),
    version: props?.build ?? null,
    models: models.filter(isAskable).map(routedFacts),
    busy,
  };
}

/** Recordings of llama-server 0.5.0-dev, by name in the tests. */
function llamaCppRefusal(details: RefusalDetails): RefusalKind | null {
  const { status, message, type } = details;
  if (type === 'exceed_context_size_error') return 'context_exceeded';
  // The cache that all slots share is full: it hits requests that fit on their own (measured: kvfull-concurrent).
  if (/^Context size has been exceeded/.test(message)) return 'overloaded';
  if (type === 'unavailable_error') return /loading/i.test(message) ? 'loading' : 'overloaded';
  if (type === 'not_supported_error' || type === 'feature_disabled') return 'unsupported';
  // Router mode: what it does not know, has not loaded, or was asked for without a name.
  if (/^model '.*' not found$|^model is not (?:loaded|found|running)$/s.test(message)) return 'model_missing';
  if (/^model limit reached/.test(message)) return 'overloaded';
  if (/^proxy error:|failed to load$/.test(message)) return 'server_error';
  // These blame the request, with whatever status.
  if (message.startsWith('[json.exception.')) return 'bad_request';
  if (status === 400 && /^Field '|^Expected '|is required$|name is missing/.test(message)) return 'bad_request';
  if (status === 500 && /is required$/.test(message)) return 'bad_request';
  return status === 500 && saysUnsupported(details) ? 'unsupported' : null;
}
