// Which turns belong to one conversation: what the client says, else a keyed hash of how the conversation begins.

import { hash } from 'node:crypto';
import type { RequestHeaders } from '../types.ts';
import { isObject } from './body-walk.ts';

type JsonObject = Readonly<Record<string, unknown>>;

/** Headers in which clients name their session, in the order they are believed. */
const SESSION_HEADERS = ['x-session-id', 'x-conversation-id', 'session_id', 'conversation_id', 'x-session-affinity'];
const LONGEST_NAME = 200;
/** Long texts are told apart by length, beginning and end: hashing 100 kB of system text would cost more than the decision. */
const HASHED_PART = 2_048;

/** @returns the client's own name for the conversation (`prompt_cache_key`, else a session header), or null */
export function namedConversation(body: JsonObject | null, headers: RequestHeaders): string | null {
  const cacheKey = body?.prompt_cache_key;
  if (typeof cacheKey === 'string' && cacheKey !== '') return cacheKey.slice(0, LONGEST_NAME);
  for (const name of SESSION_HEADERS) {
    const value = headers[name];
    if (typeof value === 'string' && value !== '') return value.slice(0, LONGEST_NAME);
  }
  return null;
}

/**
 * Hash of the system text and the first user message, the same for all turns of one conversation.
 * @param secret keeps the hashes of two installations from being compared, and prompts from being guessed
 * @returns 32 hexadecimal digits, or null when the body holds no conversation
 */
export function hashConversation(body: JsonObject, secret: string): string | null {
  const messages = body.messages ?? body.input;
  const system = systemText(body, messages);
  const user = firstUserText(messages);
  if (system === '' && user === '') return null;
  return hash('sha256', `${secret}\u0000${digestible(system)}\u0000${digestible(user)}`, 'hex').slice(0, 32);
}

function digestible(text: string): string {
  if (text.length <= 2 * HASHED_PART) return text;
  return `${text.length}:${text.slice(0, HASHED_PART)}${text.slice(-HASHED_PART)}`;
}

function systemText(body: JsonObject, messages: unknown): string {
  const own = textOf(body.system) || textOf(body.instructions);
  if (own !== '' || !Array.isArray(messages)) return own;
  const first: unknown = messages[0];
  if (!isObject(first) || (first.role !== 'system' && first.role !== 'developer')) return '';
  return textOf(first.content);
}

function firstUserText(messages: unknown): string {
  if (typeof messages === 'string') return messages;
  if (!Array.isArray(messages)) return '';
  const first: unknown = messages.find((message) => isObject(message) && message.role === 'user');
  return isObject(first) ? textOf(first.content) : '';
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part) => (isObject(part) && typeof part.text === 'string' ? part.text : '')).join('\n');
}
