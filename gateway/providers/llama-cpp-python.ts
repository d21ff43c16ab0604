// The server of llama-cpp-python: one request at a time, and every request but `/openapi.json` stops a running stream.
// Measured with 0.3.36.

import type { ModelFacts } from '../types.ts';
import { causeOf, failedProbe, onlyState } from './findings.ts';
import { asObject, asText } from './lenient.ts';
import { capabilitiesFromName, factsOf, type ListedModel, listedModels } from './openai-models.ts';
import type { ProbeAnswer, ProbeClient, ProbeContext, ProbeFindings, ProviderAdapter } from './provider.ts';
import { classifyRefusal, type RefusalDetails, type RefusalKind } from './refusal.ts';

export const llamaCppPython: ProviderAdapter = {
  kind: 'llama_cpp_python',
  paths: {
    chat: '/v1/chat/completions',
    completions: '/v1/completions',
    embeddings: '/v1/embeddings',
  },
  // uvicorn closes an idle connection after 5.0 s.
  keepAliveMs: 4_000,
  quirks: {
    needsMaxTokens: true,
    needsSystemRole: true,
    needsPlainTextContent: true,
    mayIgnoreBase64: true,
    // It knows `text` and `json_object` only (measured: chat-json-schema).
    refuses: [
      {
        endpoint: 'chat',
        field: 'response_format',
        isRefused: ({ response_format }) => asObject(response_format)?.type === 'json_schema',
      },
    ],
  },
  // A stream of a prompt that is too long ends empty, and embeddings are cut to 512 tokens without a word.
  cutsLongPrompts: (endpoint, isStream) => isStream || endpoint === 'embeddings',
  defaultMaxParallelRequests: () => 1,
  defaultIdleMs: () => 120_000,
  authHeaders: (apiKey) => ({ authorization: `Bearer ${apiKey}` }),
  probe,
  classify: (refusal) => classifyRefusal(refusal, [llamaCppPythonRefusal]),
  modelControl: () => ({ because: 'it holds its model for as long as it runs, and has no way to let go of it' }),
  isSameName: (a, b) => a === b,
};

/** The title its OpenAPI page carries. */
const llamaCppPythonTitle = 'llama.cpp Python API';

/** The version that `/openapi.json` tells; null when another server answers. The page may have been cut: it is 34 kB. */
export function readOpenApi(answer: ProbeAnswer): { readonly version: string | null } | null {
  if (answer.status !== 200) return null;
  const info = asObject(asObject(answer.json)?.info);
  if (info !== null) {
    return asText(info.title)?.includes(llamaCppPythonTitle) === true ? { version: asText(info.version) } : null;
  }
  const head = answer.text.slice(0, 500);
  if (!/"title":\s{0,9}"[^"]{0,20}llama\.cpp Python API"/.test(head)) return null;
  return { version: /"version":\s{0,9}"([^"]{1,50})"/.exec(head)?.[1] ?? null };
}

/** `/openapi.json` for life. `/v1/models` once after each start and with nothing of ours running: it would cut a stream off. */
async function probe(
  client: ProbeClient,
  context: ProbeContext,
  previous: ProbeFindings | null,
): Promise<ProbeFindings> {
  const former = { isSingleModel: previous?.isSingleModel ?? true, loadsOnDemand: previous?.loadsOnDemand ?? false };
  const page = await client.get('/openapi.json');
  const told = readOpenApi(page);
  if (told === null) return failedProbe(page, '/openapi.json', former);
  const findings: ProbeFindings = { ...onlyState('ready', null, former), version: told.version };
  const isListed = !context.isFirst && previous !== null && previous.models !== null && previous.observed !== 'auth';
  if (isListed || context.inFlight > 0) {
    if (previous?.observed !== 'auth') return findings;
    return { ...findings, observed: 'auth', cause: previous.cause ?? causeOf('auth', 'its key was refused') };
  }
  const list = await client.get('/v1/models');
  const listed = list.status === 200 ? listedModels(list.json) : null;
  if (listed === null) return failedProbe(list, '/v1/models', former);
  // With several models it holds one and changes over when another one is asked for.
  const isSingle = listed.length <= 1;
  const models = listed.map((model) => pythonFacts(model, isSingle));
  return { ...findings, models, isSingleModel: isSingle, loadsOnDemand: !isSingle };
}

/** The list has names only. The port opens when the first model is loaded. */
function pythonFacts({ id }: ListedModel, isSingle: boolean): ModelFacts {
  return factsOf(id, {
    capabilities: capabilitiesFromName(id),
    isLoaded: isSingle ? true : null,
    loadedUntilMs: isSingle ? Number.POSITIVE_INFINITY : null,
  });
}

/** Recordings of llama-cpp-python 0.3.36, by name in the tests. */
function llamaCppPythonRefusal(details: RefusalDetails): RefusalKind | null {
  const { status, message } = details;
  // Its streams of a prompt that is too long end without a byte (measured: err-prompt-too-long-stream).
  if (status === 200 && message === '') return 'context_exceeded';
  if (/^\d+ validation errors?:/.test(message)) {
    // A value outside a closed list (role, response_format) is one that other servers may know.
    return message.includes("'type': 'literal_error'") ? 'unsupported' : 'bad_request';
  }
  if (/^Llama model must be created with/.test(message)) return 'unsupported';
  if (/exceeds? context window/i.test(message)) return 'context_exceeded';
  // Its error handler parses the body a second time and fails in words of its own only when the body is no JSON
  // (`llama_cpp/server/errors.py`; measured: err-malformed-json, err-empty-body).
  return status === 500 && message === 'Internal Server Error' ? 'bad_request' : null;
}
