// The nouns of the product: what is known of a request and a model, what was decided, what was tried, how it ended.
// Each stage is complete before the next begins and none is changed afterwards. Imports nothing.

/** What software a provider is; `cloud` stands for every vendor a `model_list` entry may name (never probed, called only where named). */
export type ProviderKind = 'ollama' | 'vllm' | 'llama_cpp' | 'llama_cpp_python' | 'openai' | 'cloud';

/** The protocol a client speaks, which decides the shape of errors and of stream ends. */
export type Protocol = 'openai' | 'anthropic' | 'ollama';

/** What is asked for, independent of the spelling of the path. */
export type Endpoint =
  | 'chat'
  | 'completions'
  | 'embeddings'
  | 'rerank'
  | 'responses'
  | 'audio_speech'
  | 'audio_transcriptions'
  | 'audio_translations'
  | 'images_generations'
  | 'images_edits'
  | 'images_variations'
  | 'messages'
  | 'messages_count_tokens'
  | 'ollama_chat'
  | 'ollama_generate'
  | 'ollama_embed'
  | 'ollama_embeddings'
  | 'ollama_show';

/** What a model can do, or a request needs it to do. */
export type Capability =
  | 'completion'
  | 'embedding'
  | 'rerank'
  | 'vision'
  | 'audio'
  | 'tools'
  | 'structured_output'
  | 'reasoning'
  | 'fim'
  | 'speech'
  | 'transcription'
  | 'image_generation';

/** Where a deployment runs: this machine, a private address, or somebody else's machine. */
export type Place = 'local' | 'lan' | 'cloud';

/** One model as one provider serves it; unique within a configuration. */
export interface DeploymentKey {
  readonly provider: string;
  /** The model id as the provider knows it. */
  readonly model: string;
}

/** What is known of one model on one provider. Null: not known, which never excludes it. */
export interface ModelFacts {
  readonly id: string;
  readonly aliases: readonly string[];
  /** Parameters in total, as a plain number (8.2e9). */
  readonly size: number | null;
  /** Parameters active per token, where fewer than `size` (mixtures of experts). */
  readonly activeSize: number | null;
  readonly quantization: string | null;
  /** Tokens the model was trained for. */
  readonly contextTrained: number | null;
  /** Tokens one request can use as the model is loaded now. */
  readonly contextLoaded: number | null;
  readonly capabilities: ReadonlySet<Capability> | null;
  /** What it surely can do although the whole of `capabilities` is not known: declared one by one. */
  readonly sureCapabilities?: ReadonlySet<Capability>;
  /** Null: the provider does not tell. */
  readonly isLoaded: boolean | null;
  /** When the provider will unload it by itself, epoch ms; Infinity: never. */
  readonly loadedUntilMs: number | null;
  readonly vramBytes: number | null;
  readonly fileBytes: number | null;
  readonly family: string | null;
  readonly digest: string | null;
  /** Stable seconds since the epoch for lists, where the provider tells. */
  readonly createdAtSeconds: number | null;
  /** The machine that really answers, when the provider only hands the request on. */
  readonly remoteHost: string | null;
}

/** What the latest probes and live requests say of a provider. */
export type ObservedState = 'ready' | 'warming' | 'degraded' | 'down' | 'auth' | 'pending' | 'paused' | 'off';

/** Why a provider is not well. */
export type CauseClass =
  | 'refused'
  | 'timeout'
  | 'dns'
  | 'tls'
  | 'http_status'
  | 'wrong_kind'
  | 'auth'
  | 'network'
  | 'loading'
  | 'asleep'
  | 'requests_fail';

export interface Cause {
  readonly class: CauseClass;
  /** A sentence for people. */
  readonly message: string;
}

/** What is running at a provider because of us. */
export interface ProviderLoad {
  readonly inFlight: number;
  /** Waiting for a slot there. */
  readonly queued: number;
}

/** One provider as the decision sees it. */
export interface ProviderSnapshot {
  readonly name: string;
  readonly kind: ProviderKind;
  readonly place: Place;
  /** False: no key, or no way to call it yet. */
  readonly isCallable: boolean;
  /** The user's wish. */
  readonly isEnabled: boolean;
  /** Switched off with requests still running. */
  readonly isDraining: boolean;
  readonly observed: ObservedState;
  readonly cause: Cause | null;
  /** By upstream model id, in the provider's own order. Kept, and marked stale, while the provider is away. */
  readonly models: ReadonlyMap<string, ModelFacts>;
  readonly isListStale: boolean;
  /** It answers any model name with the one model it has (llama.cpp without router mode, llama-cpp-python). */
  readonly isSingleModel: boolean;
  readonly defaultModel: string | null;
  /** Higher first. */
  readonly priority: number;
  readonly weight: number;
  /** Requests one server takes at once: configured, else the kind's default; null: no limit of ours. */
  readonly maxParallelRequests: number | null;
  /** Models are loaded when first asked for, so a first answer may take minutes. */
  readonly loadsOnDemand: boolean;
  /** Endpoints it speaks natively. */
  readonly endpoints: ReadonlySet<Endpoint>;
  /** Counted live by the catalog and shared between snapshots; a stored snapshot has a copy. */
  readonly load: ProviderLoad;
  /** What the engine itself reports, all clients counted; null: it does not tell. */
  readonly busy: { readonly running: number; readonly waiting: number } | null;
}

/** Everything the decision may look at besides the request and the rules: plain values, already stale when read. */
export interface Snapshot {
  readonly atMs: number;
  /** Counts up whenever anything but `load` changed: decisions remembered for an older one are void. */
  readonly version: number;
  readonly providers: ReadonlyMap<string, ProviderSnapshot>;
}

/** Header names in lower case; several values of one name as an array (as `node:http` gives them). */
export type RequestHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** What a request says of the cache (field `cache`); the same names as LiteLLM's. */
export interface CacheControl {
  /** `no-cache`: do not answer from it. */
  readonly isReadForbidden: boolean;
  /** `no-store`: do not keep the answer. */
  readonly isStoreForbidden: boolean;
  /** `use-cache`: wanted where the cache is off by default. */
  readonly isWanted: boolean;
  /** How long to keep the answer; null: as configured. Seconds on the wire. */
  readonly ttlMs: number | null;
  /** `s-maxage`: the oldest answer that will do; null: any that is kept. */
  readonly maxAgeMs: number | null;
  readonly namespace: string | null;
}

/** The gateway's own fields of a request body: obeyed here, cut out before the provider sees it. */
export interface RequestOverrides {
  readonly fallbacks: readonly string[] | null;
  readonly contextWindowFallbacks: readonly string[] | null;
  readonly contentPolicyFallbacks: readonly string[] | null;
  readonly numRetries: number | null;
  readonly maxFallbacks: number | null;
  /** The field is in seconds on the wire. */
  readonly timeoutMs: number | null;
  readonly isFallbackDisabled: boolean;
  readonly cache: CacheControl | null;
  readonly mockTesting: readonly (
    | 'fallbacks'
    | 'context_fallbacks'
    | 'content_policy_fallbacks'
    | 'rate_limit_error'
  )[];
}

/** Everything a rule can ask about a request. */
export interface RequestFacts {
  readonly id: string;
  readonly receivedAtMs: number;
  readonly endpoint: Endpoint;
  readonly protocol: Protocol;
  /** As the client wrote it; null when absent. */
  readonly model: string | null;
  readonly isStream: boolean;
  /** Number of prompts or inputs; 1 where the notion does not apply. */
  readonly batchSize: number;
  readonly headers: RequestHeaders;
  /** Header `X-Provider`. */
  readonly pin: string | null;
  /** Header `X-Capability`. */
  readonly capabilityHint: string | null;
  readonly needs: readonly Capability[];
  /** An estimate: characters over a learned ratio, 1,000 per image. */
  readonly promptTokens: number;
  readonly maxTokens: number | null;
  /** The same for all turns of one conversation; a keyed hash, or what the client's session header says. */
  readonly conversationKey: string | null;
  /** API key name, else the product token of the User-Agent. */
  readonly client: string;
  readonly overrides: RequestOverrides;
}

/** Why a candidate was passed over: a closed list, shown in the window, headers, logs and API. */
export type ReasonCode =
  | 'pinned_elsewhere'
  | 'excluded_by_rule'
  | 'cloud'
  | 'not_callable'
  | 'disabled'
  | 'draining'
  | 'model_missing'
  | 'too_small'
  | `lacks_${Capability}`
  | 'context_too_small'
  | 'not_warm'
  | 'already_failed'
  | 'down'
  | 'auth'
  | 'cooling_down'
  | 'breaker_open'
  | 'rate_limited'
  | 'at_capacity'
  | 'lost_on_score';

/** How a rule's target became a model of a provider (`substitute`: another model than the one asked for may answer). */
export type ModelSource = 'rule' | 'listed' | 'alias' | 'same_model' | 'single_model' | 'default_model';

/** A deployment the decision considered. */
export interface Candidate extends DeploymentKey {
  readonly place: Place;
  readonly source: ModelSource | null;
  readonly kept: boolean;
  /** Why it is skipped, or kept and not first (`lost_on_score`, or `at_capacity`: it waits for a slot); null for the first. */
  readonly reason: ReasonCode | null;
  /** 1 is asked first; null when skipped. */
  readonly order: number | null;
  /** What the strategy computed, each part by name. */
  readonly terms: Readonly<Record<string, number>>;
  /** Which rule put it there: the decision's own, or one that comes after it (`fallback:vllm`, `chain:default:2`). */
  readonly via: string;
  /** Remarks such as an unknown fact that did not exclude it. */
  readonly notes: readonly string[];
}

/** One step of the order of precedence, in the order it was taken. */
export interface DecisionStep {
  /** `alias`, `pin`, `metadata`, `exact`, `pattern`, `capability`, `size`, `catalog`, `default`, `chain`, `panic`, `error`. */
  readonly step: string;
  readonly result: 'matched' | 'no_match' | 'skipped' | 'not_reached';
  readonly why: string;
}

/** Codes of the error catalogue that a decision can end in. */
export type DecisionErrorCode =
  | 'model_not_found'
  | 'context_length_exceeded'
  | 'rate_limited'
  | 'no_available_deployment'
  | 'unknown_provider'
  | 'model_name_too_long'
  | 'not_translated';

export interface DecisionError {
  readonly code: DecisionErrorCode;
  readonly message: string;
  readonly retryAfterSeconds: number | null;
}

/** The ordered candidates with the trace of the rules. Pure data: live traffic, dry run and replay produce the same. */
export interface Decision {
  /** `STEP:KEY` (`exact:llama3.1:8b`, `pattern:2`, `catalog`, `default`); null when nothing matched. */
  readonly rule: string | null;
  /** The model name after aliases. */
  readonly model: string | null;
  /** Kept ones first, in the order they are to be asked; then the skipped ones. */
  readonly candidates: readonly Candidate[];
  readonly steps: readonly DecisionStep[];
  /** How many deployments there were in all; those not among the candidates belong to no step that was reached. */
  readonly considered: number;
  readonly error: DecisionError | null;
}

/** What went wrong with one attempt, named by what the client has seen and what was sent. */
export type FailureKind =
  | 'unreachable'
  | 'timeout_connect'
  | 'timeout_first_byte'
  | 'timeout_idle'
  | 'timeout_total'
  | 'rate_limited'
  | 'overloaded'
  | 'loading'
  | 'bad_answer'
  | 'server_error'
  | 'model_missing'
  | 'context_exceeded'
  | 'content_filtered'
  | 'auth'
  | 'unsupported'
  | 'bad_request'
  | 'broken'
  | 'cancelled';

export interface Failure {
  readonly kind: FailureKind;
  /** A sentence naming object and cause; the provider's own words cut to 500 characters, secrets masked. */
  readonly message: string;
  /** The provider's status; null when no answer came. */
  readonly status: number | null;
  /** The provider's Retry-After, in ms. */
  readonly retryAfterMs: number | null;
}

/** Token counts of one answer. Null: neither reported nor estimated. */
export interface Usage {
  readonly promptTokens: number | null;
  readonly completionTokens: number | null;
  readonly cachedTokens: number | null;
  readonly isEstimated: boolean;
}

/** One try on one deployment. Times are ms since the attempt began. */
export interface Attempt extends DeploymentKey {
  /** Which rule put it there, as in `Candidate.via`. */
  readonly via: string;
  /** Why it was made, where it was not the first: `timeout_first_byte at ollama/qwen3`, `retry 1 of 2 after 500 ms`. */
  readonly because: string | null;
  /** `metadata.variant` of the `model_list` entry. */
  readonly variant: string | null;
  readonly startedAtMs: number;
  readonly failure: Failure | null;
  readonly status: number | null;
  readonly headersAfterMs: number | null;
  readonly contentAfterMs: number | null;
  readonly endedAfterMs: number;
  /** The model was not known to be loaded when it was asked. */
  readonly isCold: boolean;
  /** What the gateway changed in the request or answer, each by name of the closed list (`model`, `role_developer`, ...). */
  readonly changes: readonly string[];
}

/** How the whole request ended. */
export type OutcomeResult = 'complete' | 'failed' | 'broken' | 'cancelled' | 'rejected';

/** The whole request: the history row, the live event, the log line, the metrics sample and the test assertion. */
export interface Outcome {
  readonly id: string;
  readonly receivedAtMs: number;
  readonly durationMs: number;
  readonly endpoint: Endpoint;
  readonly protocol: Protocol;
  readonly isStream: boolean;
  readonly client: string;
  readonly requestedModel: string | null;
  readonly rule: string | null;
  /** Who answered; null when nobody did. */
  readonly provider: string | null;
  /** The model that really served. */
  readonly model: string | null;
  readonly result: OutcomeResult;
  /** What the client got; 499 when it left before. */
  readonly status: number;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly attempts: readonly Attempt[];
  readonly decisionMs: number;
  readonly queuedMs: number;
  /** From receipt to the first content for the client; null when there was none. */
  readonly firstContentMs: number | null;
  readonly usage: Usage;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly isOpenedEarly: boolean;
  /** That of the deployment that answered. */
  readonly variant: string | null;
  /** `hit`: answered from the cache; `stored`: the answer was kept there; null: the cache had no part. */
  readonly cache: 'hit' | 'stored' | null;
  readonly warnings: readonly string[];
  readonly decision: Decision | null;
}
