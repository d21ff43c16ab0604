// The errors of the server's schema, in the words of its validator: they come as 500, not as 422.

import { type Fields, isFields, list, text } from '../core/asked.ts';

const FUNCTIONS: Readonly<Record<string, string>> = {
  '/v1/chat/completions': 'create_chat_completion',
  '/v1/completions': 'create_completion',
  '/v1/embeddings': 'create_embedding',
};

/** The whole message for these details: their number before, the place in the source behind. */
export function schemaMessage(path: string, details: readonly string[]): string {
  const place = `File "/usr/lib/python3/site-packages/fastapi/routing.py", line 376, in ${FUNCTIONS[path] ?? 'handler'}`;
  const count = details.length === 1 ? '1 validation error' : `${details.length} validation errors`;
  return `${count}:\n  ${details.join('\n  ')}\n\n  ${place}\n    POST ${path}`;
}

/** A value as Python prints it. */
function printed(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (!isFields(value)) return String(value);
  return `{${Object.entries(value)
    .map(([name, entry]) => `'${name}': ${printed(entry)}`)
    .join(', ')}}`;
}

const detail = (kind: string, place: string, said: string, input: unknown, context = '') =>
  `{'type': '${kind}', 'loc': ('body', ${place}), 'msg': ${said}, 'input': ${printed(input)}${context}}`;

function literal(place: string, expected: string, input: unknown): string {
  return detail('literal_error', place, `"Input should be ${expected}"`, input, `, 'ctx': {'expected': "${expected}"}`);
}

const MESSAGES: readonly (readonly [type: string, role: string, required: string | null])[] = [
  ['System', 'system', null],
  ['User', 'user', null],
  ['Assistant', 'assistant', null],
  ['Tool', 'tool', 'tool_call_id'],
  ['Function', 'function', 'name'],
];

/** A role nobody knows is reported once for each kind of message it might have been. */
function wrongRole(message: Fields, index: number): string[] {
  return MESSAGES.flatMap(([type, role, required]) => {
    const place = `'messages', ${index}, 'ChatCompletionRequest${type}Message'`;
    const wrong = literal(`${place}, 'role'`, `'${role}'`, message.role);
    if (required === null || required in message) return [wrong];
    return [wrong, detail('missing', `${place}, '${required}'`, "'Field required'", message)];
  });
}

/** What is wrong with the fields of a request; empty when nothing is. */
export function schemaErrors(fields: Fields, path: string): string[] {
  if (typeof fields.max_tokens === 'string') {
    const said = "'Input should be a valid integer, unable to parse string as an integer'";
    return [detail('int_parsing', "'max_tokens'", said, fields.max_tokens)];
  }
  if (path !== '/v1/chat/completions') return [];
  if (fields.messages !== undefined && !Array.isArray(fields.messages)) {
    return [detail('list_type', "'messages'", "'Input should be a valid list'", fields.messages)];
  }
  const roles = MESSAGES.map(([, role]) => role);
  for (const [index, message] of list(fields.messages).entries()) {
    if (isFields(message) && !roles.includes(text(message.role) ?? '')) return wrongRole(message, index);
  }
  const format = fields.response_format;
  const type = isFields(format) ? text(format.type) : null;
  if (type === null || type === 'text' || type === 'json_object') return [];
  return [literal("'response_format', 'type'", "'text' or 'json_object'", type)];
}
