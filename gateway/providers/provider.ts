// The contract of a provider kind. Shared code never asks "which kind is this?": the adapter declares the answer.

import type { Cause, Endpoint, Failure, FailureKind, ModelFacts, ObservedState, ProviderKind } from '../types.ts';

/** One answer to a probe's GET. Never thrown away: an unexpected status is a finding too. */
export interface ProbeAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** `text` parsed, or undefined when it is not JSON. */
  readonly json: unknown;
}

/** What a probe may do: read. There is no way to send anything that could generate or load. */
export interface ProbeClient {
  /**
   * GETs a path below the provider's base URL with its key and headers, within the probe's time limit.
   * Rejects with `ProbeError` when no answer came.
   */
  get(path: string): Promise<ProbeAnswer>;
  /** The one POST that only reads: Ollama's `/api/show`. */
  show(model: string): Promise<ProbeAnswer>;
}

/** What may be done to load or unload a model on purpose: reading, one POST, and waiting. */
export interface ControlClient {
  /** As a probe's `get`, within the time limit of a probe. */
  get(path: string): Promise<ProbeAnswer>;
  /**
   * POSTs JSON to a path below the provider's base URL (`null`: no body), within the time limit of the whole action.
   * Rejects with `ProbeError` when no answer came.
   */
  post(path: string, body: unknown): Promise<ProbeAnswer>;
  /** Epoch ms. */
  nowMs(): number;
  /** Waits that long, then tells whether there is time left for the action. */
  pause(delayMs: number): Promise<boolean>;
}

/**
 * How loading or unloading a model went. `unchanged`: it was so already; `busy`: requests, of whomever, run there;
 * `unsupported`: this server was not started in a way that allows it.
 */
export interface ControlResult {
  readonly is: 'done' | 'unchanged' | 'busy' | 'unsupported' | 'failed';
  /** A sentence without its subject, which is the model: `was loaded`. */
  readonly message: string;
}

/** How the models of one server are loaded and unloaded on purpose. */
export interface ModelControl {
  /** What an action concerns: one model, or everything the server has (vLLM's sleep). */
  readonly scope: 'model' | 'server';
  /** Why it may turn out to be impossible all the same; null: it is possible. */
  readonly isOnlyIf: string | null;
  /** Ends when the model is in memory. `isKept`: until it is unloaded on purpose, where the server knows such a thing. */
  load(client: ControlClient, model: string, options: { readonly isKept: boolean }): Promise<ControlResult>;
  /** Ends when the model is out of memory. Asked only while no request of ours runs there. */
  unload(client: ControlClient, model: string): Promise<ControlResult>;
}

/** Why nothing can be loaded or unloaded there: a sentence. */
export interface NoModelControl {
  readonly because: string;
}

/** No answer to a probe, with the class of the cause. */
export class ProbeError extends Error {
  override readonly name = 'ProbeError';
  readonly failure: Cause;
  constructor(failure: Cause) {
    super(failure.message);
    this.failure = failure;
  }
}

/** What an adapter may know of our own traffic before it asks a server anything. */
export interface ProbeContext {
  readonly nowMs: number;
  /** Our own requests running there. */
  readonly inFlight: number;
  /** When one of our clients last left a request that was not a stream, epoch ms; null: never. */
  readonly abandonedAtMs: number | null;
  /** True for the first probe after the server was found (again). */
  readonly isFirst: boolean;
}

/** What one probe found. Fields that were not asked this time are null and keep their former value. */
export interface ProbeFindings {
  readonly observed: Extract<ObservedState, 'ready' | 'warming' | 'degraded' | 'down' | 'auth'>;
  readonly cause: Cause | null;
  readonly version: string | null;
  readonly models: readonly ModelFacts[] | null;
  readonly isSingleModel: boolean;
  /** Requests the engine works on at once, where it tells. */
  readonly slots: number | null;
  readonly busy: { readonly running: number; readonly waiting: number } | null;
  /** Models are loaded when first asked for, so a first answer may take minutes. */
  readonly loadsOnDemand: boolean;
}

/** A provider's answer that is not a success, or an error event found inside a stream. */
export interface Refusal {
  readonly endpoint: Endpoint;
  /** The HTTP status; for an error event inside a 200, the code in it if there is one, else 500. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** At most the first 64 kB of the body. */
  readonly text: string;
  readonly json: unknown;
}

/** A member of a request's body that the kind is known to answer with an error, measured each. */
export interface RefusedField {
  readonly endpoint: Endpoint;
  readonly field: string;
  /** Whether that body's member, which is there, is refused. */
  isRefused(body: Readonly<Record<string, unknown>>): boolean;
}

/** What the kind needs changed in a request: the only changes there are besides the model name and our own fields. */
export interface RequestQuirks {
  /** It ignores `max_completion_tokens` and runs on. */
  readonly needsMaxTokens: boolean;
  /** It does not know the role `developer`. */
  readonly needsSystemRole: boolean;
  /** It prints lists of text parts as they are: join them to one string. */
  readonly needsPlainTextContent: boolean;
  /** It may answer a request for base64 embeddings with lists of numbers. */
  readonly mayIgnoreBase64: boolean;
  /** Left out where the configuration says so (`drop_params`); empty: none is known. */
  readonly refuses: readonly RefusedField[];
}

/** Everything peculiar to one kind of server, and nothing else. */
export interface ProviderAdapter {
  readonly kind: ProviderKind;
  /** Paths of the endpoints it speaks natively, below the base URL. An endpoint that is missing here needs a translation. */
  readonly paths: Readonly<Partial<Record<Endpoint, string>>>;
  /** How long an idle connection may be kept before the server might close it under us, in ms. */
  readonly keepAliveMs: number;
  readonly quirks: RequestQuirks;
  /** It cuts a prompt that is too long without saying so (for this kind of request). */
  cutsLongPrompts(endpoint: Endpoint, isStream: boolean): boolean;
  /** Requests it takes at once when nothing is configured; null: no limit of ours. */
  defaultMaxParallelRequests(findings: ProbeFindings | null): number | null;
  /** Without content it may be silent this long between two contents, in ms. */
  defaultIdleMs(needsTools: boolean): number;
  /** Headers that carry the key. */
  authHeaders(apiKey: string): Readonly<Record<string, string>>;
  /** Reads state, models and load. Never generates, never loads, and asks nothing that does harm now. */
  probe(client: ProbeClient, context: ProbeContext, previous: ProbeFindings | null): Promise<ProbeFindings>;
  /** Whom a refusal blames, and the provider's own words for it. */
  classify(refusal: Refusal): { readonly kind: Exclude<FailureKind, 'cancelled' | 'broken'>; readonly message: string };
  /** How its models are loaded and unloaded on purpose, going by what the last probes found. */
  modelControl(findings: ProbeFindings | null): ModelControl | NoModelControl;
  /** Whether two spellings name the same model here (Ollama: without regard to case, `:latest` implied). */
  isSameName(a: string, b: string): boolean;
}

/** A failure without a provider's answer. */
export type TransportFailure = Pick<Failure, 'kind' | 'message'>;
