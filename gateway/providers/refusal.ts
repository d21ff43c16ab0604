// What a provider says when it does not answer, and whom that blames. The shapes of all servers are read here;
// an adapter adds what is peculiar to its kind as rules that are asked first.

import type { FailureKind } from '../types.ts';
import { asArray, asObject, asText, type JsonObject } from './lenient.ts';
import type { Refusal } from './provider.ts';

export type RefusalKind = Exclude<FailureKind, 'cancelled' | 'broken'>;

/** A refusal's parts, whatever shape they came in. */
export interface RefusalDetails {
  readonly status: number;
  /** The provider's own sentence; empty when it gave none. At most 4,000 characters. */
  readonly message: string;
  readonly type: string;
  readonly code: string;
  readonly param: string;
}

/** Decides one refusal, or leaves it (null) to the next rule. */
export type RefusalRule = (details: RefusalDetails) => RefusalKind | null;

const longestExamined = 4_000;
const longestMessage = 500;

/**
 * Takes a refusal apart. Known shapes: `{error: {message, type, code, param}}` (OpenAI, Anthropic, llama.cpp, vLLM),
 * `{error: "text"}` (Ollama, vLLM's 401), `{detail: ...}` (FastAPI), the flat `{object: "error", message}` (SGLang,
 * old vLLM), `{message}`, a list with one of these in it, plain text, an HTML page, nothing.
 */
export function readRefusal(refusal: Pick<Refusal, 'status' | 'text' | 'json'>): RefusalDetails {
  const { status } = refusal;
  const outer = asObject(asArray(refusal.json)[0] ?? refusal.json);
  if (outer === null) {
    const text = typeof refusal.json === 'string' ? refusal.json : textOf(refusal.text);
    return { status, message: text.slice(0, longestExamined), type: '', code: '', param: '' };
  }
  const inner = asObject(outer.error) ?? asObject(outer.detail) ?? outer;
  const message = messageOf(inner) ?? messageOf(outer) ?? textOf(refusal.text);
  return {
    status,
    message: message.slice(0, longestExamined),
    type: word(inner.type) || word(inner.error_type),
    code: word(inner.code),
    param: word(inner.param),
  };
}

function messageOf(body: JsonObject): string | null {
  const first = asText(body.message) ?? asText(body.error) ?? asText(body.detail) ?? asText(body.msg);
  if (first !== null) return first;
  const problems = asArray(body.detail).flatMap((entry) => asText(asObject(entry)?.msg) ?? []);
  return problems.length === 0 ? null : problems.slice(0, 20).join('; ');
}

function word(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 200) : typeof value === 'number' ? String(value) : '';
}

/** The words of a body that is no JSON: of a page only its title. */
function textOf(body: string): string {
  const start = body.slice(0, longestExamined).trim();
  if (!start.startsWith('<')) return start;
  const from = start.search(/<title>/i);
  const to = from === -1 ? -1 : start.indexOf('<', from + 7);
  return to === -1 ? 'an HTML page' : `an HTML page: ${start.slice(from + 7, to).trim()}`;
}

/** Secrets as vendors write them into their errors (`Incorrect API key provided: sk-...`). */
const secrets = /\b(?:sk|pk|rk|hf|gsk|xai|nvapi)[-_][\w-]{6,200}|\bBearer\s{1,9}[\w.~+/=-]{6,500}/gi;

/** A provider's words as one line of at most 500 characters with secrets masked. */
export function presentable(message: string): string {
  // llama-cpp-python adds its place in the Python sources behind an empty line.
  const trace = message.search(/\n\s*\n\s*File "/);
  const words = (trace === -1 ? message : message.slice(0, trace)).slice(0, longestExamined).replace(secrets, '***');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not reach a log or a terminal
  const line = words.replace(/[\u0000-\u0020\u007f-\u009f]+/g, ' ').trim();
  return line.length <= longestMessage ? line : `${line.slice(0, longestMessage - 1)}…`;
}

/** Asks the rules of the kind, then the shared ones. */
export function classifyRefusal(
  refusal: Refusal,
  rules: readonly RefusalRule[],
): { readonly kind: RefusalKind; readonly message: string } {
  const details = readRefusal(refusal);
  const message = presentable(details.message) || `status ${refusal.status} without a word of explanation`;
  for (const rule of rules) {
    const kind = rule(details);
    if (kind !== null) return { kind, message };
  }
  return { kind: sharedKind(details), message };
}

const context = [
  /maximum (?:allowed )?(?:context|input|sequence) length/i,
  /exceeds? (?:the |its |this )?(?:\w+'s )?(?:available |maximum |max )?context/i,
  /context (?:length|size|window) (?:has been |was |is )?exceeded/i,
  /longer than the (?:maximum model|context|model's)/i,
  /prompt (?:is )?too long|input is too long|too many (?:input |prompt )?tokens/i,
  /is too large to process\. increase the physical batch size/i,
  /greater than max_model_len/i,
  /reduce the length of (?:the |your )?(?:messages|prompt|input)/i,
  /`inputs` tokens \+ `max_new_tokens` must be/i,
];
const missing = [
  /\bmodel\b.{0,300}\b(?:not found|does not exist|doesn't exist|is not loaded|not available|is not found)\b/is,
  /no such model|unknown model|invalid model name|model_not_found|try pulling it/i,
];
const unsupported = [
  /\b(?:does not|doesn't|do not|not|isn't|is not) (?:currently |yet )?support(?:ed)?\b|\bunsupported\b|\bunknown role\b/i,
  /\bnot (?:yet |currently )?(?:implemented|enabled)\b|\bis disabled\b/i,
  /is not a multimodal model|at most 0 \w+\(?s?\)? may be provided/i,
  /requires --|start it with `?--/i,
  /\bjinja\b|chat template|\bfailed to (?:parse grammar|initialize samplers)\b/i,
];
const filtered = /content_filter|content_policy|responsibleaipolicy|content_filtered/i;
const loading = /\bloading\b|\bstarting\b|\bwarming\b|model_loading|currently scaling/i;
const busy =
  /server (?:is )?busy|overloaded|queue is full|too many requests|no slot available|limit reached, try again|at capacity/i;

function matches(patterns: readonly RegExp[], text: string): boolean {
  return patterns.some((pattern) => pattern.test(text));
}

/** The message says that prompt and answer together do not fit the context of this model. */
export function saysContextExceeded(details: RefusalDetails): boolean {
  if (details.code === 'context_length_exceeded' || details.type === 'exceed_context_size_error') return true;
  return matches(context, details.message);
}

/** The message says that this server cannot do what was asked, though another one might. */
export function saysUnsupported(details: RefusalDetails): boolean {
  return matches(unsupported, details.message);
}

/** What a refusal means where the kind of server knows nothing more. */
function sharedKind(details: RefusalDetails): RefusalKind {
  const { status, message, code, type } = details;
  if (status < 400) return 'bad_answer';
  if (status === 401 || status === 402 || status === 407) return 'auth';
  if (status === 429) return 'rate_limited';
  if (filtered.test(code) || filtered.test(type)) return 'content_filtered';
  if (status !== 403 && status !== 503 && saysContextExceeded(details)) return 'context_exceeded';
  if (status === 403) return /disabled|unsupported/i.test(type) ? 'unsupported' : 'auth';
  if (status === 529) return 'overloaded';
  if (status >= 500) return serverKind(details);
  if (code === 'model_not_found' || matches(missing, message)) return 'model_missing';
  return requestKind(details);
}

function serverKind(details: RefusalDetails): RefusalKind {
  const { status, message, code, type } = details;
  if (status === 501) return 'unsupported';
  if (status === 503 || /overloaded|unavailable/i.test(type)) {
    return loading.test(message) || loading.test(code) ? 'loading' : 'overloaded';
  }
  if (busy.test(message)) return 'overloaded';
  return saysUnsupported(details) ? 'unsupported' : 'server_error';
}

/** Statuses by which a server says "not me", which leaves others to ask: no such path, method, media type or size. */
const notMe = new Set([404, 405, 406, 410, 411, 412, 413, 415, 426]);
/** Statuses of the 400s that do not blame the request: a time limit, a conflict, TGI's failed generation. */
const notTheRequest = new Set([408, 409, 423, 424, 425, 499]);

function requestKind(details: RefusalDetails): RefusalKind {
  if (notMe.has(details.status)) return 'unsupported';
  if (notTheRequest.has(details.status)) return 'server_error';
  return saysUnsupported(details) ? 'unsupported' : 'bad_request';
}
