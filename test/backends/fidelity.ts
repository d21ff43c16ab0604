// Compares a stand-in's answer with a recorded one: status, header names with order and case, framing, and the shape of
// the body. What cannot be equal (ids, times, texts, counts) is reduced to what it looks like.

import type { RawAnswer } from '../support/raw-http.ts';
import { isFields } from './core/asked.ts';
import type { Recording } from './recordings.ts';

/** Headers whose value is never the same twice. */
const VARYING =
  /^(date|content-length|x-request-id|openai-processing-ms|process-start-time-unix|location|endpoint-load-metrics)$/i;

/** Numbers that mean the same everywhere; all others are only numbers. */
const EXACT_NUMBERS =
  /^(index|output_index|content_index|sequence_number|code|level|n_ctx|n_ctx_train|max_model_len|total_slots|context_length|n_params)$/;

const IDS = /^(id|item_id|request_id|call_id|media_marker|digest)$/;
const TEXTS =
  /^(content|text|delta|response|arguments|reasoning|thinking|partial_json|prompt|modelfile|template|parameters|chat_template|preset|system)$/;
const TIMES = /(_at|created)$/;
/** Long lists of no interest. */
const LISTS = /^(tensors|args|context|tokens|generation_settings|samplers)$/;

/** What an id looks like: its prefix and the sort of signs after it. */
function shapeOfId(id: string): string {
  const [, prefix = '', rest = ''] =
    /^(chatcmpl-tool-|chatcmpl-|cmpl-|modelperm-|msg_|resp_|req_|call_+|<__media_)?(.*)$/s.exec(id) ?? [];
  if (/^[0-9a-f]{64}$/.test(id)) return 'sha256';
  if (id.startsWith('call__0_')) return id.replace(/cmpl-.*/, 'cmpl-uuid');
  if (prefix === '') return id;
  if (/^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(rest)) return `${prefix}uuid`;
  if (/^\d{1,6}$/.test(rest)) return `${prefix}digits`;
  if (/^[0-9a-f]+$/.test(rest)) return `${prefix}hex${rest.length}`;
  return /^[A-Za-z0-9]{32}/.test(rest) ? `${prefix}letters` : id;
}

const withoutPaths = (value: string) =>
  value
    .replace(/"?(<path>|https?:\/\/|\/|[\w.]+\/)[\w./:<>-]*"?/g, '<path>')
    .replace(/lookup \S+(?: on <path>)?/, 'lookup');

function normalize(value: unknown, key: string): unknown {
  if (LISTS.test(key)) return '<list>';
  if (typeof value === 'number') return EXACT_NUMBERS.test(key) ? value : 0;
  if (typeof value === 'string') return normalizeText(value, key);
  if (Array.isArray(value)) {
    if (value.length > 8 && value.every((entry) => typeof entry === 'number')) return '<numbers>';
    const entries = value.map((entry) => normalize(entry, key));
    return key === 'embedding' ? ['<vectors>'] : entries;
  }
  if (!isFields(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, normalize(entry, name)]));
}

function normalizeText(value: string, key: string): string {
  if (key === 'embedding') return '<base64>';
  if (IDS.test(key)) return withoutPaths(shapeOfId(value));
  if (TIMES.test(key)) return '<time>';
  if (TEXTS.test(key)) return value === '' ? '' : '<text>';
  return withoutPaths(value)
    .replace(/\d+(\.\d+)? tokens/g, 'N tokens')
    .replace(/\(?\b\d+ in /g, 'N in ')
    .replace(/; \d+ for/, '; N for')
    .replace(/, \d+ in/, ', N in')
    .replace(/4802|at least \d+/, 'N');
}

/** One event, line or object, normalised; what is not JSON stays text. */
function normalizePiece(piece: string): unknown {
  const [, event = '', data = piece] = /^(?:event: (\S+)\n)?data: ([\s\S]*)$/.exec(piece) ?? [];
  try {
    const parsed: unknown = JSON.parse(data);
    // The blanks of Python's own `json` are part of the shape.
    const style = /^\{"[^"]+": /.test(data) ? 'spaced' : 'dense';
    return { event, style, data: normalize(parsed, '') };
  } catch {
    return { event, text: data };
  }
}

function collapse(pieces: readonly unknown[]): unknown[] {
  const texts = pieces.map((piece) => JSON.stringify(piece));
  return pieces.filter((_piece, index) => texts[index] !== texts[index - 1]);
}

export interface Shape {
  readonly status: number | null;
  readonly headers: readonly string[];
  readonly framing: string | null;
  readonly isComplete: boolean;
  /** Events per HTTP chunk, runs of the same number as one. */
  readonly flushes?: readonly unknown[];
  readonly body: unknown;
}

function shape(
  status: number | null,
  headers: readonly (readonly [string, string])[],
  framing: string | null,
  isComplete: boolean,
  chunks: readonly string[],
): Shape {
  const lines = headers.map(([name, value]) => (VARYING.test(name) ? name : `${name}: ${value}`));
  const type = headers.find(([name]) => name.toLowerCase() === 'content-type')?.[1] ?? '';
  const text = chunks.join('');
  if (/event-stream|ndjson/.test(type)) {
    const pieces = text
      .split(type.includes('ndjson') ? '\n' : '\n\n')
      .filter((piece) => piece !== '' && !piece.startsWith(':'));
    const flushes = collapse(chunkSizes(chunks.filter((chunk) => !chunk.startsWith(':'))));
    return { status, headers: lines, framing, isComplete, flushes, body: collapse(pieces.map(normalizePiece)) };
  }
  return {
    status,
    headers: lines,
    framing,
    isComplete,
    body: type.startsWith('text/plain; version') ? metricNames(text) : normalizePiece(text),
  };
}

/** Of a page of metrics: the names and types, not the values. */
function metricNames(text: string): string[] {
  return text.split('\n').filter((line) => line.startsWith('# TYPE'));
}

export function shapeOfRecording({ response }: Recording): Shape {
  const chunks = response.chunks.map((chunk) => chunk.text);
  return shape(response.status, response.headers, response.framing, response.end === 'complete', chunks);
}

export function shapeOfAnswer(answer: RawAnswer): Shape {
  return shape(answer.status, answer.headers, answer.framing, answer.isComplete, answer.chunks);
}

/** How many pieces the HTTP chunks hold, in order: where the server flushes. */
function chunkSizes(chunks: readonly string[]): number[] {
  return chunks.map((chunk) => chunk.split(/\n\n|(?<=\})\n/).filter((piece) => piece !== '').length);
}

/** The tokens a recorded answer was made of, to be said again. */
export function tokensOf(recording: Recording): string[] {
  const body = recording.response.chunks.map((chunk) => chunk.text).join('');
  const pieces = body.split(/\n\n|\n/).flatMap((line) => {
    try {
      return [JSON.parse(line.replace(/^data: /, ''))];
    } catch {
      return [];
    }
  });
  const isStream = pieces.length > 1 || /^(data|event):/m.test(body);
  const texts = pieces.flatMap((piece: unknown) => textsIn(piece));
  const tokens = isStream ? texts : texts.flatMap((text) => text.match(/\s*\S+/g) ?? [text]);
  // An answer that was cut by its limit needs more to say than fits, whatever its tokens were.
  const isCut = /"(finish_reason|done_reason|stop_reason)": ?"(length|max_tokens)"|"status":"incomplete"/.test(body);
  return isCut ? [...tokens, ...Array.from({ length: 5_000 }, () => '')] : tokens;
}

/** The text of the first choice in one object of any of the protocols. */
function textsIn(piece: unknown): string[] {
  if (!isFields(piece)) return [];
  if (typeof piece.response === 'string' && piece.done !== undefined) return keep(piece.response, piece.done);
  if (isFields(piece.message))
    return isFields(piece.message) && 'content' in piece.message && typeof piece.message.content === 'string'
      ? keep(piece.message.content, piece.done)
      : [];
  if (isFields(piece.delta)) return typeof piece.delta.text === 'string' ? [piece.delta.text] : [];
  if (typeof piece.delta === 'string') return [piece.delta];
  const [choice] = Array.isArray(piece.choices) ? piece.choices : [];
  if (isFields(choice) && (choice.index ?? 0) === 0) return textsOfChoice(choice);
  const first = Array.isArray(piece.content)
    ? piece.content[0]
    : Array.isArray(piece.output) && isFields(piece.output[0]) && Array.isArray(piece.output[0].content)
      ? piece.output[0].content[0]
      : null;
  if (isFields(first) && typeof first.text === 'string') return [first.text];
  return typeof piece.content === 'string' ? [piece.content] : [];
}

/** The last line of a native stream has an empty text of its own. */
const keep = (text: string, isDone: unknown) => (isDone === true && text === '' ? [] : [text]);

function textsOfChoice(choice: Readonly<Record<string, unknown>>): string[] {
  if (typeof choice.text === 'string') return choice.text === '' && choice.finish_reason ? [] : [choice.text];
  const held = isFields(choice.message) ? choice.message : isFields(choice.delta) ? choice.delta : {};
  if (typeof held.content !== 'string') return [];
  const isOpening = held.role === 'assistant' && held.content === '' && 'delta' in choice;
  const isBareFinish =
    held.content === '' && typeof choice.finish_reason === 'string' && 'delta' in choice && !('stop_reason' in choice);
  return isOpening || isBareFinish ? [] : [held.content];
}
