// vLLM's OpenAI server: everything peculiar to it. Measured with 0.32.0.

import type { ModelFacts } from '../types.ts';
import { askAside, causeOf, failedProbe, onlyState } from './findings.ts';
import { asPositive, asText } from './lenient.ts';
import { capabilitiesFromName, factsFromPath, factsOf, type ListedModel, listedModels } from './openai-models.ts';
import { samplesOf, sumOf } from './prometheus.ts';
import type { ProbeClient, ProbeContext, ProbeFindings, ProviderAdapter } from './provider.ts';
import { classifyRefusal, type RefusalDetails, type RefusalKind, saysContextExceeded } from './refusal.ts';
import { vllmControl } from './vllm-control.ts';

const standing = { isSingleModel: false, loadsOnDemand: false };

export const vllm: ProviderAdapter = {
  kind: 'vllm',
  paths: {
    chat: '/v1/chat/completions',
    completions: '/v1/completions',
    embeddings: '/v1/embeddings',
    rerank: '/v1/rerank',
    responses: '/v1/responses',
    audio_transcriptions: '/v1/audio/transcriptions',
    audio_translations: '/v1/audio/translations',
    messages: '/v1/messages',
    messages_count_tokens: '/v1/messages/count_tokens',
  },
  // uvicorn closes an idle connection after 5.0 s (measured: keepalive_idle_close).
  keepAliveMs: 4_000,
  quirks: {
    needsMaxTokens: false,
    needsSystemRole: false,
    needsPlainTextContent: false,
    mayIgnoreBase64: false,
    // Measured: err_stream_options_without_stream.
    refuses: [
      {
        endpoint: 'chat',
        field: 'stream_options',
        isRefused: ({ stream, stream_options }) => stream !== true && stream_options !== null,
      },
    ],
  },
  cutsLongPrompts: () => false,
  defaultMaxParallelRequests: () => null,
  defaultIdleMs: () => 120_000,
  // Only Bearer counts, on /v1/messages too (measured: auth_x_api_key_messages).
  authHeaders: (apiKey) => ({ authorization: `Bearer ${apiKey}` }),
  probe,
  classify: (refusal) => classifyRefusal(refusal, [vllmRefusal]),
  modelControl: () => vllmControl,
  isSameName: (a, b) => a === b,
};

/**
 * `/health`, `/v1/models` and `/metrics`. The port opens only when the model is loaded, so what answers is warm;
 * an engine that is frozen still answers all three, which only live requests find out.
 */
async function probe(
  client: ProbeClient,
  _context: ProbeContext,
  previous: ProbeFindings | null,
): Promise<ProbeFindings> {
  const [health, list, metrics] = await Promise.all([
    client.get('/health'),
    askAside(client, '/v1/models'),
    askAside(client, '/metrics'),
  ]);
  if (health.status !== 200) return failedProbe(health, '/health', standing);
  if (list === null)
    return onlyState('degraded', causeOf('timeout', 'it answers /health, but not /v1/models'), standing);
  const listed = list.status === 200 ? listedModels(list.json) : null;
  if (listed === null) return failedProbe(list, '/v1/models', standing);
  const page = metrics?.status === 200 ? metrics.text : null;
  const isAsleep = page !== null && sleeps(page);
  const findings: ProbeFindings = {
    ...onlyState('ready', null, standing),
    version: previous?.version ?? null,
    models: listed.map((model) => vllmFacts(model, listed, isAsleep)),
    busy: page === null ? null : readBusy(page),
  };
  if (!isAsleep) return findings;
  // Requests are accepted and hang until somebody calls /wake_up (measured: dev_sleep0_chat).
  const cause = causeOf('asleep', 'the engine was put to sleep and would leave requests waiting until it is woken');
  return { ...findings, observed: 'down', cause };
}

function readBusy(page: string): ProbeFindings['busy'] {
  const running = sumOf(page, 'vllm:num_requests_running');
  const waiting = sumOf(page, 'vllm:num_requests_waiting');
  return running === null || waiting === null ? null : { running, waiting };
}

/** One engine awake is enough: the front end hands requests to it. */
function sleeps(page: string): boolean {
  const awake = samplesOf(page, 'vllm:engine_sleep_state').filter(({ labels }) =>
    labels.includes('sleep_state="awake"'),
  );
  return awake.length > 0 && awake.every(({ value }) => value === 0);
}

function vllmFacts(model: ListedModel, listed: readonly ListedModel[], isAsleep: boolean): ModelFacts {
  const { id, entry } = model;
  // A LoRA adapter has no limit of its own, but its base model's.
  const parent = listed.find((other) => other.id === asText(entry.parent))?.entry ?? {};
  return factsOf(id, {
    ...factsFromPath(id, asText(entry.root)),
    contextLoaded: asPositive(entry.max_model_len) ?? asPositive(parent.max_model_len),
    capabilities: capabilitiesFromName(id),
    isLoaded: !isAsleep,
    loadedUntilMs: isAsleep ? null : Number.POSITIVE_INFINITY,
  });
}

/** Recordings of vllm 0.32.0, by name in the tests. */
function vllmRefusal(details: RefusalDetails): RefusalKind | null {
  const { status, message, type, param } = details;
  if (status === 404 && (param === 'model' || /^the model `/i.test(message))) return 'model_missing';
  // `{"detail": "Not Found"}`: a server for another task does not have the path.
  if (status === 404) return 'unsupported';
  if (status === 400 && /^\d+ validation errors?:|to an empty conversation/.test(message)) return 'bad_request';
  if (status === 400 && (param === 'input_tokens' || param === 'input_text')) return 'context_exceeded';
  if (status < 500 && saysContextExceeded(details)) return 'context_exceeded';
  // How many are allowed is the server's setting.
  if (/greater than max allowed/.test(message)) return 'unsupported';
  if (type === 'NotImplementedError') return 'unsupported';
  return null;
}
