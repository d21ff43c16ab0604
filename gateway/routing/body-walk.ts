// One walk over a request's body: how much there is to read, and what it takes to read it.
// Knows the shapes of all three protocols at once, because their content parts never contradict each other.

type JsonObject = Readonly<Record<string, unknown>>;

/** What the walk has seen so far; one object per request, filled in place. */
export interface BodyTally {
  /** Characters of text, tool definitions and system text; never base64 data. */
  characters: number;
  /** Tokens that the client counted itself by sending token numbers. */
  tokens: number;
  images: number;
  hasAudio: boolean;
}

/** Deeper than any real request and shallower than the stack: what lies below is not counted. */
const DEEPEST = 256;
/** What a chat template and JSON's punctuation add around each entry, in characters: a guess that errs on the small side. */
const ENTRY_CHARACTERS = 4;

/** Keys whose strings are data, references or signatures, not text that a model reads. */
const UNREAD_KEYS: ReadonlySet<string> = new Set([
  'data',
  'file_data',
  'b64_json',
  'image_url',
  'video_url',
  'audio_url',
  'encrypted_content',
  'signature',
  'file_id',
  'id',
  'call_id',
  'tool_call_id',
  'tool_use_id',
  'cache_control',
  'type',
  'role',
]);

/** @returns an empty tally */
export function emptyTally(): BodyTally {
  return { characters: 0, tokens: 0, images: 0, hasAudio: false };
}

/** Whether the value is a JSON object (no array, no null). */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Walks everything in a body that a model will read, whatever the endpoint. Total: never throws, whatever the body holds. */
export function walkBody(body: JsonObject, tally: BodyTally): void {
  if (body.messages !== undefined) walkMessages(body.messages, tally);
  if (body.system !== undefined) walkText(body.system, tally, 1);
  if (body.instructions !== undefined) walkText(body.instructions, tally, 1);
  if (body.prompt !== undefined) walkInput(body.prompt, tally);
  if (body.input !== undefined) walkInput(body.input, tally);
  if (body.query !== undefined) walkText(body.query, tally, 1);
  if (body.documents !== undefined) walkText(body.documents, tally, 1);
  if (body.suffix !== undefined) walkText(body.suffix, tally, 1);
  if (body.tools !== undefined) walkDefinition(body.tools, tally, 1);
  if (body.functions !== undefined) walkDefinition(body.functions, tally, 1);
  if (Array.isArray(body.images)) tally.images += body.images.length;
  if (Array.isArray(body.context)) tally.tokens += body.context.length;
}

function walkMessages(messages: unknown, tally: BodyTally): void {
  if (!Array.isArray(messages)) return;
  for (const message of messages) {
    if (!isObject(message)) continue;
    tally.characters += ENTRY_CHARACTERS;
    const content = message.content;
    if (typeof content === 'string') tally.characters += content.length;
    else if (content !== undefined && content !== null) walkText(content, tally, 2);
    if (Array.isArray(message.images)) tally.images += message.images.length;
    if (message.tool_calls !== undefined) walkText(message.tool_calls, tally, 2);
    if (typeof message.reasoning_content === 'string') tally.characters += message.reasoning_content.length;
    else if (typeof message.reasoning === 'string') tally.characters += message.reasoning.length;
    else if (typeof message.thinking === 'string') tally.characters += message.thinking.length;
  }
}

/** `prompt` and `input`: a string, strings, token numbers, lists of those, or items of the Responses API. */
function walkInput(input: unknown, tally: BodyTally): void {
  if (Array.isArray(input) && typeof input[0] === 'number') {
    tally.tokens += input.length;
    return;
  }
  if (!Array.isArray(input)) {
    walkText(input, tally, 1);
    return;
  }
  for (const entry of input) {
    if (typeof entry === 'string') tally.characters += entry.length;
    else if (Array.isArray(entry)) tally.tokens += entry.length;
    else walkText(entry, tally, 2);
  }
}

/** Content in any protocol's shape: strings, parts, blocks, tool calls and what is nested in them. */
function walkText(value: unknown, tally: BodyTally, depth: number): void {
  if (typeof value === 'string') {
    tally.characters += value.length;
    return;
  }
  if (typeof value !== 'object' || value === null || depth > DEEPEST) return;
  if (Array.isArray(value)) {
    for (const entry of value) walkText(entry, tally, depth + 1);
    return;
  }
  walkPart(value as JsonObject, tally, depth);
}

function walkPart(part: JsonObject, tally: BodyTally, depth: number): void {
  switch (part.type) {
    case 'text':
    case 'input_text':
    case 'output_text':
      if (typeof part.text === 'string') tally.characters += part.text.length;
      // A plain text document of Anthropic's is a `text` too, under another key.
      else if (typeof part.data === 'string') tally.characters += part.data.length;
      return;
    case 'image_url':
    case 'image':
    case 'input_image':
    case 'video_url':
    case 'input_video':
    case 'computer_screenshot':
    case 'image_generation_call':
      tally.images += 1;
      return;
    case 'input_audio':
    case 'audio_url':
    case 'audio':
      tally.hasAudio = true;
      return;
    default:
      for (const key in part) {
        if (UNREAD_KEYS.has(key)) continue;
        // Arguments of a tool call are the user's own keys: none of them is special.
        if ((key === 'input' || key === 'arguments') && isObject(part[key]))
          walkDefinition(part[key], tally, depth + 1);
        else walkText(part[key], tally, depth + 1);
      }
  }
}

/** Tool definitions: names, descriptions and schemas, keys included, since the model reads them all. */
function walkDefinition(value: unknown, tally: BodyTally, depth: number): void {
  if (typeof value === 'string') {
    tally.characters += value.length + ENTRY_CHARACTERS;
    return;
  }
  if (typeof value !== 'object' || value === null || depth > DEEPEST) {
    tally.characters += ENTRY_CHARACTERS;
    return;
  }
  if (Array.isArray(value)) {
    for (const entry of value) walkDefinition(entry, tally, depth + 1);
    return;
  }
  const definition = value as JsonObject;
  for (const key in definition) {
    tally.characters += key.length + ENTRY_CHARACTERS;
    walkDefinition(definition[key], tally, depth + 1);
  }
}
