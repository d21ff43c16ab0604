// Works on the bytes of a JSON text: finds values, and changes single ones while every other byte stays as it was.
// Everything but `jsonDepthExceeds` expects bytes that `JSON.parse` has accepted.

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
/** Longer strings (base64 images, whole documents) are left to the native search. */
const SHORT_STRING_BYTES = 48;

/** Bytes `[start, end)` of a value. */
export interface ValueRange {
  readonly start: number;
  readonly end: number;
}

/** A member of an object; `start` and `end` are its value's. */
interface Member extends ValueRange {
  readonly key: string;
  readonly keyStart: number;
  readonly keyEnd: number;
}

export type JsonPath = readonly (string | number)[];

/**
 * One change. `replace`, `remove` and `rename` need the path to exist, `add` needs its last key to be absent; values
 * are written by `JSON.stringify`. Where a key stands twice, `replace` and `remove` take all of them, so that no reader
 * with other rules than ours sees the old one; on the way to a value the last one counts, as in `JSON.parse`.
 */
export type JsonEdit =
  | { readonly op: 'replace'; readonly path: JsonPath; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: JsonPath }
  | { readonly op: 'rename'; readonly path: JsonPath; readonly to: string }
  | { readonly op: 'add'; readonly path: JsonPath; readonly value: unknown };

/** Whether brackets nest deeper than `limit`, for any bytes at all: asked before a parser that recurses sees them. */
export function jsonDepthExceeds(bytes: Buffer, limit: number): boolean {
  let depth = 0;
  for (let i = 0; i < bytes.length; i += 1) {
    const byte = bytes[i];
    if (byte === QUOTE) i = skipString(bytes, i) - 1;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      depth += 1;
      if (depth > limit) return true;
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth -= 1;
  }
  return false;
}

/** Where the value at `path` stands, below the value that begins at or after `from`; null when there is none. */
export function locate(bytes: Buffer, path: JsonPath, from = 0): ValueRange | null {
  const start = skipSpace(bytes, from);
  let range: ValueRange = { start, end: skipValue(bytes, start) };
  for (const step of path) {
    const first = bytes[range.start];
    let next: ValueRange | undefined;
    if (typeof step === 'number') {
      next = first === OPEN_BRACKET ? elementsOf(bytes, range.start)[step] : undefined;
    } else {
      next = first === OPEN_BRACE ? membersOf(bytes, range.start).findLast(({ key }) => key === step) : undefined;
    }
    if (next === undefined) return null;
    range = { start: next.start, end: next.end };
  }
  return range;
}

/** The elements of the list whose `[` stands at `start`. */
export function elementsOf(bytes: Buffer, start: number): ValueRange[] {
  const elements: ValueRange[] = [];
  let at = skipSpace(bytes, start + 1);
  while (at < bytes.length && bytes[at] !== CLOSE_BRACKET) {
    const end = skipValue(bytes, at);
    elements.push({ start: at, end });
    at = skipSpace(bytes, end);
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1);
  }
  return elements;
}

/**
 * The text with the edits made; with no edits, the very same buffer.
 * Throws a TypeError for an edit whose path is not there: edits are planned on the parsed text.
 */
export function applyEdits(bytes: Buffer, edits: readonly JsonEdit[]): Buffer {
  if (edits.length === 0) return bytes;
  const splices: Splice[] = [];
  editValue(bytes, skipSpace(bytes, 0), edits, 0, splices);
  splices.sort((a, b) => a.start - b.start);
  const parts: Buffer[] = [];
  let at = 0;
  for (const { start, end, text } of splices) {
    parts.push(bytes.subarray(at, start));
    if (text !== '') parts.push(Buffer.from(text));
    at = end;
  }
  parts.push(bytes.subarray(at));
  return Buffer.concat(parts);
}

interface Splice {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

function editValue(bytes: Buffer, start: number, edits: readonly JsonEdit[], depth: number, splices: Splice[]): void {
  const groups = new Map<string | number, JsonEdit[]>();
  for (const edit of edits) {
    const step = edit.path[depth];
    if (step === undefined) throw new TypeError('an edit needs a path');
    const group = groups.get(step);
    if (group === undefined) groups.set(step, [edit]);
    else group.push(edit);
  }
  if (bytes[start] === OPEN_BRACE) editObject(bytes, start, groups, depth, splices);
  else if (bytes[start] === OPEN_BRACKET) editList(bytes, start, groups, depth, splices);
  else throw new TypeError('an edit leads into a value that has no parts');
}

type Groups = ReadonlyMap<string | number, readonly JsonEdit[]>;

function editList(bytes: Buffer, start: number, groups: Groups, depth: number, splices: Splice[]): void {
  const elements = elementsOf(bytes, start);
  for (const [step, edits] of groups) {
    const element = typeof step === 'number' ? elements[step] : undefined;
    if (element === undefined) throw new TypeError(`no element ${step} to edit`);
    editValue(bytes, element.start, edits, depth + 1, splices);
  }
}

function editObject(bytes: Buffer, start: number, groups: Groups, depth: number, splices: Splice[]): void {
  const members = membersOf(bytes, start);
  const removed = new Set<Member>();
  const added: string[] = [];
  for (const [step, edits] of groups) {
    const same = members.filter(({ key }) => key === step);
    const deeper = edits.filter(({ path }) => path.length > depth + 1);
    if (deeper.length > 0) editValue(bytes, lastOf(same, step).start, deeper, depth + 1, splices);
    for (const edit of edits) {
      if (edit.path.length > depth + 1) continue;
      if (edit.op === 'add') added.push(`${JSON.stringify(step)}:${JSON.stringify(edit.value)}`);
      else editMember(same, lastOf(same, step), edit, splices, removed);
    }
  }
  const isEmptied = removed.size === members.length;
  if (added.length > 0) {
    splices.unshift({ start: start + 1, end: start + 1, text: added.join(',') + (isEmptied ? '' : ',') });
  }
  if (removed.size > 0) removeMembers(members, removed, splices);
}

function lastOf(same: readonly Member[], key: string | number): Member {
  const last = same.at(-1);
  if (last === undefined) throw new TypeError(`no member ${key} to edit`);
  return last;
}

function editMember(
  same: readonly Member[],
  last: Member,
  edit: Exclude<JsonEdit, { readonly op: 'add' }>,
  splices: Splice[],
  removed: Set<Member>,
): void {
  switch (edit.op) {
    case 'replace': {
      const text = JSON.stringify(edit.value);
      for (const { start, end } of same) splices.push({ start, end, text });
      return;
    }
    case 'rename':
      splices.push({ start: last.keyStart, end: last.keyEnd, text: JSON.stringify(edit.to) });
      for (const member of same) if (member !== last) removed.add(member);
      return;
    case 'remove':
      for (const member of same) removed.add(member);
  }
}

/** Takes each removed member out with the comma before it, or behind it where no member stays before it. */
function removeMembers(members: readonly Member[], removed: ReadonlySet<Member>, splices: Splice[]): void {
  let staysBefore = false;
  for (const [i, member] of members.entries()) {
    if (!removed.has(member)) {
      staysBefore = true;
      continue;
    }
    const before = members[i - 1];
    const after = members[i + 1];
    if (staysBefore && before !== undefined) splices.push({ start: before.end, end: member.end, text: '' });
    else splices.push({ start: member.keyStart, end: after?.keyStart ?? member.end, text: '' });
  }
}

function membersOf(bytes: Buffer, start: number): Member[] {
  const members: Member[] = [];
  let at = skipSpace(bytes, start + 1);
  while (at < bytes.length && bytes[at] !== CLOSE_BRACE) {
    const keyEnd = skipString(bytes, at);
    const valueStart = skipSpace(bytes, skipSpace(bytes, keyEnd) + 1);
    const end = skipValue(bytes, valueStart);
    members.push({ key: keyText(bytes, at, keyEnd), keyStart: at, keyEnd, start: valueStart, end });
    at = skipSpace(bytes, end);
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1);
  }
  return members;
}

function keyText(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString('utf8', start + 1, end - 1);
  return text.includes('\\') ? String(JSON.parse(`"${text}"`)) : text;
}

/** The offset of the first byte from there on that is no white space. */
export function skipSpace(bytes: Buffer, from: number): number {
  let at = from;
  while (at < bytes.length) {
    const byte = bytes[at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
    at += 1;
  }
  return at;
}

function skipValue(bytes: Buffer, start: number): number {
  const first = bytes[start];
  if (first === QUOTE) return skipString(bytes, start);
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return skipNested(bytes, start);
  let at = start;
  // Numbers, true, false and null end where a separator or space begins: all of those are below '-' or brackets.
  while (at < bytes.length) {
    const byte = bytes[at];
    if (byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET) break;
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) break;
    at += 1;
  }
  return at;
}

function skipNested(bytes: Buffer, start: number): number {
  let depth = 0;
  let at = start;
  while (at < bytes.length) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = skipString(bytes, at);
      continue;
    }
    at += 1;
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth += 1;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth -= 1;
      if (depth === 0) return at;
    }
  }
  return at;
}

/** The offset behind the string whose opening quote stands at `start`; the end of the bytes when it never closes. */
export function skipString(bytes: Buffer, start: number): number {
  let at = start + 1;
  const shortEnd = Math.min(at + SHORT_STRING_BYTES, bytes.length);
  while (at < shortEnd) {
    const byte = bytes[at];
    if (byte === QUOTE) return at + 1;
    at += byte === BACKSLASH ? 2 : 1;
  }
  for (;;) {
    const quote = at < bytes.length ? bytes.indexOf(QUOTE, at) : -1;
    if (quote === -1) return bytes.length;
    let slash = quote - 1;
    while (slash >= at && bytes[slash] === BACKSLASH) slash -= 1;
    const isEscaped = (quote - 1 - slash) % 2 === 1;
    at = quote + 1;
    if (!isEscaped) return at;
  }
}
