// The `model` field of an upload (multipart/form-data, RFC 7578), read and replaced in the bytes of the form.

import { GatewayError } from '../errors.ts';

const HEADER_END = '\r\n\r\n';

interface Part {
  readonly name: string | null;
  readonly isFile: boolean;
  /** Bytes `[start, end)` of its content. */
  readonly start: number;
  readonly end: number;
}

function boundaryOf(contentType: string): string | null {
  if (!/^\s*multipart\/form-data\b/i.test(contentType)) return null;
  const match = /;\s*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType);
  return match?.[1] ?? match?.[2] ?? null;
}

/** The first line that is a delimiter; what stands before it is no part (RFC 2046 section 5.1.1). */
function firstDelimiter(bytes: Buffer, delimiter: string): number {
  if (bytes.subarray(0, delimiter.length).equals(Buffer.from(delimiter))) return 0;
  const at = bytes.indexOf(`\r\n${delimiter}`);
  return at === -1 ? -1 : at + 2;
}

function partsOf(bytes: Buffer, boundary: string): Part[] {
  const delimiter = `--${boundary}`;
  const parts: Part[] = [];
  let at = firstDelimiter(bytes, delimiter);
  while (at !== -1) {
    const headerStart = at + delimiter.length;
    const headerEnd = bytes.indexOf(HEADER_END, headerStart);
    if (headerEnd === -1 || bytes.toString('latin1', headerStart, headerStart + 2) === '--') break;
    const start = headerEnd + HEADER_END.length;
    const end = bytes.indexOf(`\r\n${delimiter}`, start);
    if (end === -1) break;
    parts.push({ ...dispositionOf(bytes.toString('utf8', headerStart, headerEnd)), start, end });
    at = end + 2;
  }
  return parts;
}

function dispositionOf(headers: string): Pick<Part, 'name' | 'isFile'> {
  const line = /\r\ncontent-disposition:\s*form-data([^\r\n]*)/i.exec(headers)?.[1] ?? '';
  let name: string | null = null;
  let isFile = false;
  // In order, so that a quoted file name cannot pass for a parameter.
  for (const match of line.matchAll(/;\s*([\w*-]+)=(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))/g)) {
    const parameter = match[1]?.toLowerCase();
    if (parameter === 'name') name = match[2] ?? match[3] ?? '';
    else if (parameter === 'filename' || parameter === 'filename*') isFile = true;
  }
  return { name, isFile };
}

/**
 * The value of a text field of a form, or null when it has none (or the bytes are no form).
 * Where it stands twice the last one counts, as in the frameworks of the servers behind us.
 */
export function formField(bytes: Buffer, contentType: string, name: string): string | null {
  const boundary = boundaryOf(contentType);
  if (boundary === null) return null;
  const part = partsOf(bytes, boundary).findLast((field) => field.name === name && !field.isFile);
  return part === undefined ? null : bytes.toString('utf8', part.start, part.end);
}

/** The model an upload asks for, or null. */
export function formModel(bytes: Buffer, contentType: string): string | null {
  return formField(bytes, contentType, 'model');
}

/**
 * The form with its `model` fields replaced, or one added as the first field; all other bytes stay.
 * Throws `invalid_request` when the bytes are no form of that content type.
 */
export function replaceFormModel(bytes: Buffer, contentType: string, model: string): Buffer {
  // A line break could end the field early and begin another one.
  if (/[\r\n]/.test(model)) throw new GatewayError('internal', 'a model name with a line break fits in no form');
  const boundary = boundaryOf(contentType);
  const first = boundary === null ? -1 : firstDelimiter(bytes, `--${boundary}`);
  if (boundary === null || first === -1) {
    throw new GatewayError('invalid_request', 'The upload is no multipart/form-data body with the boundary it names.');
  }
  const fields = partsOf(bytes, boundary).filter((field) => field.name === 'model' && !field.isFile);
  if (fields.length === 0) {
    const field = `--${boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\n${model}\r\n`;
    return Buffer.concat([bytes.subarray(0, first), Buffer.from(field), bytes.subarray(first)]);
  }
  const pieces: Buffer[] = [];
  let at = 0;
  for (const field of fields) {
    pieces.push(bytes.subarray(at, field.start), Buffer.from(model));
    at = field.end;
  }
  pieces.push(bytes.subarray(at));
  return Buffer.concat(pieces);
}
