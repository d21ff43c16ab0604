// Ollama: everything peculiar to it. Measured with 0.17.4; sources read up to 0.33.

import type { ModelFacts } from '../types.ts';
import { askAside, causeOf, failedProbe, onlyState } from './findings.ts';
import { asObject, asText, type JsonObject } from './lenient.ts';
import { ollamaControl } from './ollama-control.ts';
import {
  canonicalName,
  type LoadedModel,
  listedByName,
  ollamaFacts,
  readLoaded,
  readShown,
  remoteHostOf,
  type ShownModel,
} from './ollama-models.ts';
import {
  type ProbeClient,
  type ProbeContext,
  ProbeError,
  type ProbeFindings,
  type ProviderAdapter,
} from './provider.ts';
import { classifyRefusal, type RefusalDetails, type RefusalKind } from './refusal.ts';

const standing = { isSingleModel: false, loadsOnDemand: true };
/** Asked at once, and in one probe: a big collection is learned over a few probes, and asking stays cheap for the server. */
const showsAtOnce = 4;
const mostShows = 200;

export const ollama: ProviderAdapter = {
  kind: 'ollama',
  paths: {
    chat: '/v1/chat/completions',
    completions: '/v1/completions',
    embeddings: '/v1/embeddings',
    responses: '/v1/responses',
    audio_transcriptions: '/v1/audio/transcriptions',
    messages: '/v1/messages',
    ollama_chat: '/api/chat',
    ollama_generate: '/api/generate',
    ollama_embed: '/api/embed',
    ollama_embeddings: '/api/embeddings',
    ollama_show: '/api/show',
  },
  // Go's server has no idle limit (measured: open after more than 12 s).
  keepAliveMs: 60_000,
  quirks: {
    needsMaxTokens: true,
    needsSystemRole: true,
    needsPlainTextContent: false,
    // Versions before October 2025 do.
    mayIgnoreBase64: true,
    refuses: [],
  },
  cutsLongPrompts: (endpoint) => endpoint !== 'ollama_show' && endpoint !== 'audio_transcriptions',
  defaultMaxParallelRequests: () => null,
  // It is silent while it writes a tool call, which is sent whole.
  defaultIdleMs: (needsTools) => (needsTools ? 300_000 : 120_000),
  authHeaders: (apiKey) => ({ authorization: `Bearer ${apiKey}` }),
  probe,
  classify: (refusal) => classifyRefusal(refusal, [ollamaRefusal]),
  modelControl: () => ollamaControl,
  isSameName: (a, b) => a === b || canonicalName(a) === canonicalName(b),
};

/** `/api/version`, `/api/tags` and `/api/ps`; `/api/show` for models it has not shown yet. */
async function probe(
  client: ProbeClient,
  context: ProbeContext,
  previous: ProbeFindings | null,
): Promise<ProbeFindings> {
  const [versionAnswer, tagsAnswer, psAnswer] = await Promise.all([
    client.get('/api/version'),
    askAside(client, '/api/tags'),
    // It waits for a model that is being loaded or unloaded.
    askAside(client, '/api/ps'),
  ]);
  const version = asText(asObject(versionAnswer.json)?.version);
  if (versionAnswer.status === 403 && versionAnswer.text === '') {
    // Measured: host-header-foreign. Its guard against pages that rebind a name to this machine.
    const message = 'it refuses the host name of its base_url: use its IP address, or bind it with OLLAMA_HOST';
    return onlyState('auth', causeOf('auth', message), standing);
  }
  if (versionAnswer.status !== 200 || version === null) return failedProbe(versionAnswer, '/api/version', standing);
  if (tagsAnswer === null) {
    const cause = causeOf('timeout', 'it answers /api/version, but not /api/tags');
    return { ...onlyState('degraded', cause, standing), version };
  }
  const entries = tagsAnswer.status === 200 ? listedByName(tagsAnswer.json) : null;
  if (entries === null) return failedProbe(tagsAnswer, '/api/tags', standing);
  const loaded = psAnswer?.status === 200 ? loadedByName(psAnswer.json, context.nowMs) : null;
  const models = await readModels(client, entries, loaded, previous);
  return { ...onlyState('ready', null, standing), version, models };
}

function loadedByName(body: unknown, nowMs: number): ReadonlyMap<string, LoadedModel> | null {
  const entries = listedByName(body);
  if (entries === null) return null;
  return new Map([...entries].map(([name, entry]) => [canonicalName(name), readLoaded(entry, nowMs)]));
}

async function readModels(
  client: ProbeClient,
  entries: ReadonlyMap<string, JsonObject>,
  loaded: ReadonlyMap<string, LoadedModel> | null,
  previous: ProbeFindings | null,
): Promise<readonly ModelFacts[]> {
  const former = new Map<string, ModelFacts>();
  for (const facts of previous?.models ?? []) {
    if (facts.digest === asText(entries.get(facts.id)?.digest)) former.set(facts.id, facts);
  }
  const unknown = [...entries].filter(([name, entry]) => {
    const known = former.get(name);
    // What the Modelfile sets as context is told by `show` alone, and forgotten while another one is loaded.
    const isUnloadedNow = known?.isLoaded === true && loaded !== null && !loaded.has(canonicalName(name));
    return remoteHostOf(name, entry) === null && (known === undefined || known.capabilities === null || isUnloadedNow);
  });
  const shown = await showAll(
    client,
    unknown.slice(0, mostShows).map(([name]) => name),
  );
  return [...entries].map(([name, entry]) =>
    ollamaFacts(name, {
      entry,
      loaded: loaded === null ? undefined : (loaded.get(canonicalName(name)) ?? null),
      shown: shown.get(name) ?? null,
      former: former.get(name) ?? null,
    }),
  );
}

/** Shows models a few at a time. One that gets no answer ends the asking for this probe: the next goes on. */
async function showAll(client: ProbeClient, names: readonly string[]): Promise<ReadonlyMap<string, ShownModel>> {
  const shown = new Map<string, ShownModel>();
  const left = names.values();
  let isAnswering = true;
  const showNext = async (): Promise<void> => {
    for (const name of left) {
      if (!isAnswering) return;
      try {
        const answer = await client.show(name);
        const model = answer.status === 200 ? readShown(answer.json) : null;
        if (model !== null) shown.set(name, model);
      } catch (error) {
        if (!(error instanceof ProbeError)) throw error;
        isAnswering = false;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(showsAtOnce, names.length) }, showNext));
  return shown;
}

/** Recordings of ollama 0.17.4; texts of later versions from `server/routes.go`, `server/sched.go`, `llm/llama_server.go`. */
function ollamaRefusal(details: RefusalDetails): RefusalKind | null {
  const { status, message } = details;
  if (status === 404 && /^404 page not found/.test(message)) return 'unsupported';
  // Told by the runner in the midst of anything.
  if (/input length exceeds the context length|prompt is longer than the context/i.test(message))
    return 'context_exceeded';
  if (/does not support (?:tools|thinking|chat|generate|insert|embed)/.test(message)) return 'unsupported';
  if (/image URLs are not currently supported|image generation models are not/.test(message)) return 'unsupported';
  if (status === 400 && /^(?:model is required|missing request body|.*cannot unmarshal )/.test(message))
    return 'bad_request';
  return null;
}
