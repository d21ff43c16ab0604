// The closed list of what is changed in a request on its way to a provider. Nothing else ever is.

import type { Endpoint } from '../types.ts';
import type { JsonEdit } from './json-text.ts';
import { isObject, type JsonObject, listOf } from './json-values.ts';

/** A member of a request's body that a kind of provider is known to answer with an error. */
export interface RefusedField {
  readonly endpoint: Endpoint;
  readonly field: string;
  /** Whether that body's member, which is there, is refused. */
  isRefused(body: Readonly<Record<string, unknown>>): boolean;
}

/** What the kind of provider needs changed, as its adapter declares it. */
export interface RequestQuirks {
  /** It ignores `max_completion_tokens` and runs on. */
  readonly needsMaxTokens: boolean;
  /** It does not know the role `developer`. */
  readonly needsSystemRole: boolean;
  /** It prints lists of text parts as they are: join them to one string. */
  readonly needsPlainTextContent: boolean;
  /** Left out where the configuration says so (`drop_params`). */
  readonly refuses: readonly RefusedField[];
}

export interface RequestEditsInput {
  readonly endpoint: Endpoint;
  /** The request as `JSON.parse` read it. */
  readonly body: unknown;
  /** The model id as the provider knows it. */
  readonly upstreamModel: string;
  readonly quirks: RequestQuirks;
  /** Whether what the kind refuses is left out. */
  readonly dropsRefused: boolean;
}

export interface RequestEdits {
  /** For `applyEdits`; empty when the bytes can go out as they came. */
  readonly edits: readonly JsonEdit[];
  /**
   * What they are, by name: `model`, `model_added`, `cut_FIELD`, `dropped:FIELD`, `max_completion_tokens`,
   * `role_developer`, `text_parts`.
   */
  readonly changes: readonly string[];
}

/** Fields that are meant for the gateway; some providers refuse a request that has one. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  'fallbacks',
  'context_window_fallbacks',
  'content_policy_fallbacks',
  'num_retries',
  'max_fallbacks',
  'timeout',
  'disable_fallbacks',
  'cache',
]);

/** Whether that member of a request's body is cut out before a provider sees it. */
export function isOwnField(field: string): boolean {
  return OWN_FIELDS.has(field) || field.startsWith('mock_testing_');
}

const NO_EDITS: RequestEdits = { edits: [], changes: [] };

/** Plans the edits of one request for one provider. */
export function planRequestEdits(input: RequestEditsInput): RequestEdits {
  const { endpoint, body, upstreamModel, quirks } = input;
  if (!isObject(body)) return NO_EDITS;
  const edits: JsonEdit[] = [];
  const changes: string[] = [];
  planModel(body, upstreamModel, edits, changes);
  for (const field in body) {
    if (!isOwnField(field)) continue;
    edits.push({ op: 'remove', path: [field] });
    changes.push(`cut_${field}`);
  }
  if (input.dropsRefused) planDrops(endpoint, body, quirks, edits, changes);
  if (endpoint === 'chat' || endpoint === 'ollama_chat') planChat(body, quirks, edits, changes);
  return edits.length === 0 ? NO_EDITS : { edits, changes };
}

function planModel(body: JsonObject, upstreamModel: string, edits: JsonEdit[], changes: string[]): void {
  if (body.model === upstreamModel) return;
  const isAbsent = !Object.hasOwn(body, 'model');
  edits.push({ op: isAbsent ? 'add' : 'replace', path: ['model'], value: upstreamModel });
  changes.push(isAbsent ? 'model_added' : 'model');
}

function planDrops(
  endpoint: Endpoint,
  body: JsonObject,
  { refuses }: RequestQuirks,
  edits: JsonEdit[],
  changes: string[],
): void {
  for (const refused of refuses) {
    const { field } = refused;
    if (refused.endpoint !== endpoint || !Object.hasOwn(body, field) || !refused.isRefused(body)) continue;
    edits.push({ op: 'remove', path: [field] });
    changes.push(`dropped:${field}`);
  }
}

function planChat(body: JsonObject, quirks: RequestQuirks, edits: JsonEdit[], changes: string[]): void {
  const limit = body.max_completion_tokens;
  if (quirks.needsMaxTokens && limit !== undefined && limit !== null) {
    // OpenAI's own reading: the newer name wins over the older one.
    if (Object.hasOwn(body, 'max_tokens')) edits.push({ op: 'remove', path: ['max_tokens'] });
    edits.push({ op: 'rename', path: ['max_completion_tokens'], to: 'max_tokens' });
    changes.push('max_completion_tokens');
  }
  if (!quirks.needsSystemRole && !quirks.needsPlainTextContent) return;
  const before = edits.length;
  if (quirks.needsSystemRole) planRoles(body, edits);
  if (edits.length > before) changes.push('role_developer');
  const beforeParts = edits.length;
  if (quirks.needsPlainTextContent) planTextParts(body, edits);
  if (edits.length > beforeParts) changes.push('text_parts');
}

function planRoles(body: JsonObject, edits: JsonEdit[]): void {
  for (const [i, message] of listOf(body.messages).entries()) {
    if (isObject(message) && message.role === 'developer') {
      edits.push({ op: 'replace', path: ['messages', i, 'role'], value: 'system' });
    }
  }
}

function planTextParts(body: JsonObject, edits: JsonEdit[]): void {
  for (const [i, message] of listOf(body.messages).entries()) {
    const text = isObject(message) ? joinedText(message.content) : null;
    if (text !== null) edits.push({ op: 'replace', path: ['messages', i, 'content'], value: text });
  }
}

/** Text parts as one string, joined as vLLM and llama.cpp join them: by a line break. Null: not a list of texts only. */
function joinedText(content: unknown): string | null {
  if (!Array.isArray(content)) return null;
  const texts: string[] = [];
  for (const part of content) {
    if (!isObject(part) || part.type !== 'text' || typeof part.text !== 'string') return null;
    texts.push(part.text);
  }
  return texts.join('\n');
}
