// What a request asks for, read the same way from every protocol's spelling.

/** A JSON object as it came: any field may be anything. */
export type Fields = Readonly<Record<string, unknown>>;

export interface OfferedTool {
  readonly name: string;
  readonly parameters: Fields;
}

export interface Asked {
  readonly fields: Fields;
  readonly model: string | null;
  readonly isStream: boolean;
  /** Null: until the model stops by itself. */
  readonly maxTokens: number | null;
  readonly choices: number;
  readonly includesUsage: boolean;
  readonly promptText: string;
  readonly promptTokens: number;
  readonly stops: readonly string[];
  readonly tools: readonly OfferedTool[];
  /** `auto`, `none`, `required`, or the name of the tool that must be called. */
  readonly toolChoice: string | null;
  readonly hasImages: boolean;
  /** A schema (or `{}` for any object) when JSON must come out. */
  readonly jsonSchema: Fields | null;
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

export function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** About four characters to a token, as the recorded tokenizers do with plain English. */
export function countTokens(prompt: string): number {
  return Math.max(1, Math.ceil(prompt.length / 4));
}

function textOfContent(content: unknown): string {
  if (typeof content === 'string') return content;
  return list(content)
    .map((part) => (isFields(part) ? (text(part.text) ?? text(part.content) ?? '') : ''))
    .join('');
}

function textOfMessages(messages: readonly unknown[]): string {
  return messages.map((message) => (isFields(message) ? textOfContent(message.content) : '')).join('\n');
}

function hasImageParts(messages: readonly unknown[]): boolean {
  return messages.some(
    (message) =>
      isFields(message) &&
      (list(message.images).length > 0 ||
        list(message.content).some((part) => isFields(part) && /image/.test(text(part.type) ?? ''))),
  );
}

function readTools(value: unknown): OfferedTool[] {
  return list(value).flatMap((tool) => {
    if (!isFields(tool)) return [];
    const inner = isFields(tool.function) ? tool.function : tool;
    const name = text(inner.name);
    const schema = inner.parameters ?? inner.input_schema;
    return name ? [{ name, parameters: isFields(schema) ? schema : {} }] : [];
  });
}

function readToolChoice(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (!isFields(value)) return null;
  const named = isFields(value.function) ? text(value.function.name) : text(value.name);
  return named ?? (value.type === 'any' ? 'required' : text(value.type));
}

function readSchema(fields: Fields): Fields | null {
  if (fields.format === 'json') return {};
  if (isFields(fields.format)) return fields.format;
  const format = fields.response_format;
  if (!isFields(format)) return null;
  if (format.type === 'json_object') return isFields(format.schema) ? format.schema : {};
  const wrapped = format.json_schema;
  return format.type === 'json_schema' && isFields(wrapped) && isFields(wrapped.schema) ? wrapped.schema : null;
}

function readPrompt(fields: Fields): string {
  const system = textOfContent(fields.system ?? fields.instructions ?? '');
  const messages = fields.messages ?? (Array.isArray(fields.input) ? fields.input : null);
  if (Array.isArray(messages)) return `${system}${textOfMessages(messages)}`;
  const prompt = fields.prompt ?? fields.input ?? fields.content ?? '';
  return `${system}${Array.isArray(prompt) ? prompt.join('') : String(prompt)}`;
}

/** Reads a generation request of any of the protocols; wrong types count as absent (each kind checks its own rules first). */
export function readAsked(fields: Fields): Asked {
  const options = isFields(fields.options) ? fields.options : {};
  const promptText = readPrompt(fields);
  const stops = fields.stop ?? fields.stop_sequences ?? options.stop;
  const streamOptions = isFields(fields.stream_options) ? fields.stream_options : {};
  const messages = list(fields.messages);
  return {
    fields,
    model: text(fields.model),
    isStream: fields.stream === true,
    maxTokens: number(fields.max_tokens ?? fields.max_output_tokens ?? fields.n_predict ?? options.num_predict),
    choices: Math.max(1, number(fields.n) ?? 1),
    includesUsage: streamOptions.include_usage === true,
    promptText,
    // A template adds some twenty tokens to a short conversation.
    promptTokens: countTokens(promptText) + (messages.length > 0 ? 14 + 4 * messages.length : 0),
    stops: typeof stops === 'string' ? [stops] : list(stops).filter((stop) => typeof stop === 'string'),
    tools: readTools(fields.tools),
    toolChoice: readToolChoice(fields.tool_choice),
    hasImages: hasImageParts(messages),
    jsonSchema: readSchema(fields),
  };
}
