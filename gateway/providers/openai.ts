// Any other server that speaks OpenAI's protocol: LM Studio, SGLang, LocalAI, KoboldCpp, TGI, MLX, another gateway.

import { causeOf, failedProbe, onlyState } from './findings.ts';
import { genericFacts, listedModels } from './openai-models.ts';
import type { ProbeClient, ProbeContext, ProbeFindings, ProviderAdapter } from './provider.ts';
import { classifyRefusal, type RefusalDetails, type RefusalKind } from './refusal.ts';

const standing = { isSingleModel: false, loadsOnDemand: false };

export const openai: ProviderAdapter = {
  kind: 'openai',
  // What a server does not have it answers 404 or 501, and another candidate is asked.
  paths: {
    chat: '/v1/chat/completions',
    completions: '/v1/completions',
    embeddings: '/v1/embeddings',
    rerank: '/v1/rerank',
    responses: '/v1/responses',
    audio_speech: '/v1/audio/speech',
    audio_transcriptions: '/v1/audio/transcriptions',
    audio_translations: '/v1/audio/translations',
    images_generations: '/v1/images/generations',
    images_edits: '/v1/images/edits',
    images_variations: '/v1/images/variations',
    messages: '/v1/messages',
    messages_count_tokens: '/v1/messages/count_tokens',
  },
  // Express and uvicorn, which most are built on, close idle connections after 5 s.
  keepAliveMs: 4_000,
  quirks: {
    needsMaxTokens: false,
    needsSystemRole: false,
    needsPlainTextContent: false,
    mayIgnoreBase64: true,
    refuses: [],
  },
  cutsLongPrompts: () => false,
  defaultMaxParallelRequests: () => null,
  defaultIdleMs: () => 120_000,
  authHeaders: (apiKey) => ({ authorization: `Bearer ${apiKey}` }),
  probe,
  classify: (refusal) => classifyRefusal(refusal, [openaiRefusal]),
  modelControl: () => ({ because: "OpenAI's protocol has no way to load or unload a model" }),
  isSameName: (a, b) => a === b,
};

/** `/v1/models` and nothing else: of an unknown server no other path is known to be harmless. */
async function probe(client: ProbeClient, context: ProbeContext): Promise<ProbeFindings> {
  const list = await client.get('/v1/models');
  const listed = list.status === 200 ? listedModels(list.json) : null;
  if (listed !== null) {
    const models = listed.map((model) => genericFacts(model, context.nowMs));
    // A server that tells which of its models are loaded loads the others when they are asked for.
    const loadsOnDemand = models.some((model) => model.isLoaded === false);
    return { ...onlyState('ready', null, { isSingleModel: false, loadsOnDemand }), models };
  }
  if (list.status === 404 || list.status === 405) {
    // Some servers have no list at all and work all the same.
    return onlyState(
      'degraded',
      causeOf('wrong_kind', `GET /v1/models was answered ${list.status}: it lists no models`),
      standing,
    );
  }
  return failedProbe(list, '/v1/models', standing);
}

/** Words of servers whose refusals are shaped like another's: TGI's `error_type`, KoboldCpp's busy answer, LM Studio's 200. */
function openaiRefusal(details: RefusalDetails): RefusalKind | null {
  const { status, message, type } = details;
  if (/^Unexpected endpoint or method/.test(message)) return 'unsupported';
  if (type === 'overloaded' && status === 429) return 'overloaded';
  if (status === 424 || type === 'incomplete_generation') return 'server_error';
  return null;
}
