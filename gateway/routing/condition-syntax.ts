// The little language of `condition:` read into a tree. Comparisons, `&& || !`, parentheses; nothing is ever executed.

export type Field =
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'text'; readonly name: 'model' | 'endpoint' | 'capability' | 'client' }
  | { readonly kind: 'number'; readonly name: 'batch_size' | 'model_size' | 'prompt_tokens' }
  | { readonly kind: 'flag'; readonly name: 'stream' | 'has_images' | 'has_tools' };

export type ComparisonOperator = '==' | '!=' | '<' | '<=' | '>' | '>=';
export type Literal = string | number | boolean;

/** A condition as a tree; `text` of a leaf is how the file wrote it. */
export type Condition =
  | { readonly is: 'always' }
  | { readonly is: 'never' }
  | { readonly is: 'unavailable'; readonly provider: string; readonly text: string }
  | { readonly is: 'flag'; readonly field: Extract<Field, { kind: 'flag' }>; readonly text: string }
  | {
      readonly is: 'comparison';
      readonly field: Field;
      readonly operator: ComparisonOperator;
      readonly value: Literal;
      readonly text: string;
    }
  | { readonly is: 'not'; readonly inner: Condition }
  | { readonly is: 'and' | 'or'; readonly left: Condition; readonly right: Condition };

export type ParsedCondition =
  | { readonly ok: true; readonly condition: Condition }
  | {
      readonly ok: false;
      readonly message: string;
      /** Where the offending token begins, counted from 0 in UTF-16 code units. */
      readonly offset: number;
    };

type TokenKind = 'word' | 'text' | 'number' | 'operator' | 'end';

interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly value: Literal;
  readonly offset: number;
}

class SyntaxProblem extends Error {
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

const DEEPEST = 50;
const LONGEST = 2_000;
const NUMBER_FIELDS: ReadonlySet<string> = new Set(['batch_size', 'model_size', 'prompt_tokens']);
const TEXT_FIELDS: ReadonlySet<string> = new Set(['model', 'endpoint', 'capability', 'client']);
const FLAG_FIELDS: ReadonlySet<string> = new Set(['stream', 'has_images', 'has_tools']);
const FIELD_WORDS =
  'header.NAME, stream, batch_size, model, model_size, prompt_tokens, endpoint, capability, client, has_images, has_tools';
const UNAVAILABLE = '_unavailable';
const TOKEN =
  /\s*(?:("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(\d+(?:\.\d+)?[a-zA-Z]*)|(&&|\|\||==|!=|<=|>=|[<>!()])|([A-Za-z_][\w.@:#-]*))/y;
const SIZE_UNITS: Readonly<Record<string, number>> = { k: 1e3, m: 1e6, b: 1e9, t: 1e12 };

/**
 * Parses a condition. Never throws.
 * @param text as the file has it
 */
export function parseCondition(text: string): ParsedCondition {
  try {
    const parser = new Parser(tokenize(text));
    return { ok: true, condition: parser.whole() };
  } catch (error) {
    if (error instanceof SyntaxProblem) return { ok: false, message: error.message, offset: error.offset };
    throw error;
  }
}

/** `13B`, `0.5b`, `350M` as a number of parameters; null for anything else. */
export function parseSize(text: string): number | null {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([kmbt])\s*$/i.exec(text);
  if (!match) return null;
  return Number(match[1]) * (SIZE_UNITS[(match[2] ?? '').toLowerCase()] ?? Number.NaN);
}

/** Headers that carry credentials: no rule may read them. */
function isSecretHeader(name: string): boolean {
  return /^(?:proxy-)?authorization$|cookie|api-?key|-key$|token|secret/.test(name);
}

function tokenize(text: string): Token[] {
  if (text.length > LONGEST) throw new SyntaxProblem(`a condition has at most ${LONGEST} characters`, LONGEST);
  const tokens: Token[] = [];
  const end = text.trimEnd().length;
  let offset = 0;
  while (offset < end) {
    TOKEN.lastIndex = offset;
    const match = TOKEN.exec(text);
    if (!match) throw unreadable(text, offset);
    const [all, quoted, number, operator, word] = match;
    const start = offset + all.length - all.trimStart().length;
    offset += all.length;
    if (quoted !== undefined) tokens.push(token('text', quoted, unquote(quoted), start));
    else if (number !== undefined) tokens.push(token('number', number, readNumber(number, start), start));
    else if (operator !== undefined) tokens.push(token('operator', operator, operator, start));
    else tokens.push(token('word', word ?? '', word ?? '', start));
  }
  tokens.push(token('end', '', '', end));
  return tokens;
}

function token(kind: TokenKind, text: string, value: Literal, offset: number): Token {
  return { kind, text, value, offset };
}

function unreadable(text: string, from: number): SyntaxProblem {
  const offset = from + text.slice(from).length - text.slice(from).trimStart().length;
  const character = text.charAt(offset);
  if (character === '"' || character === "'") return new SyntaxProblem('this text is not closed', offset);
  if (character === '=') return new SyntaxProblem('"=" compares nothing: write "=="', offset);
  if (character === '&' || character === '|') {
    return new SyntaxProblem(`write "${character}${character}" for ${character === '&' ? 'and' : 'or'}`, offset);
  }
  return new SyntaxProblem(`"${character}" is not part of the language of conditions`, offset);
}

function unquote(quoted: string): string {
  return quoted.slice(1, -1).replace(/\\(.)/g, '$1');
}

function readNumber(text: string, offset: number): number {
  const plain = Number(text);
  if (!Number.isNaN(plain)) return plain;
  const size = parseSize(text);
  if (size === null) throw new SyntaxProblem(`"${text}" is neither a number nor a size such as 13B`, offset);
  return size;
}

/** Recursive descent: or, and, not, leaf. */
class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  whole(): Condition {
    const condition = this.#or();
    const rest = this.#peek();
    if (rest.kind !== 'end') throw new SyntaxProblem(`expected && or || or the end, found "${rest.text}"`, rest.offset);
    return condition;
  }

  #or(): Condition {
    let left = this.#and();
    while (this.#take('||')) left = { is: 'or', left, right: this.#and() };
    return left;
  }

  #and(): Condition {
    let left = this.#not();
    while (this.#take('&&')) left = { is: 'and', left, right: this.#not() };
    return left;
  }

  #not(): Condition {
    this.#depth += 1;
    const start = this.#peek();
    if (this.#depth > DEEPEST) throw new SyntaxProblem(`nested deeper than ${DEEPEST}`, start.offset);
    let condition: Condition;
    if (this.#take('!')) condition = { is: 'not', inner: this.#not() };
    else if (this.#take('(')) {
      condition = this.#or();
      const close = this.#peek();
      if (!this.#take(')')) throw new SyntaxProblem('expected ")"', close.offset);
    } else condition = this.#leaf();
    this.#depth -= 1;
    return condition;
  }

  #leaf(): Condition {
    const first = this.#next();
    if (first.kind === 'word') {
      const whole = readWholeWord(first);
      if (whole) return whole;
    }
    if (first.kind === 'end' || first.kind === 'operator') {
      throw new SyntaxProblem(
        first.kind === 'end' ? 'a condition is missing here' : `"${first.text}" stands for nothing here`,
        first.offset,
      );
    }
    const operator = this.#operator();
    if (operator === null) return bareField(first);
    const second = this.#next();
    return comparison(first, operator, second);
  }

  #operator(): ComparisonOperator | null {
    const { kind, text } = this.#peek();
    if (kind !== 'operator') return null;
    switch (text) {
      case '==':
      case '!=':
      case '<':
      case '<=':
      case '>':
      case '>=':
        this.#at += 1;
        return text;
      default:
        return null;
    }
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? token('end', '', '', 0);
  }

  #next(): Token {
    const next = this.#peek();
    this.#at += 1;
    return next;
  }

  #take(operator: string): boolean {
    const { kind, text } = this.#peek();
    if (kind !== 'operator' || text !== operator) return false;
    this.#at += 1;
    return true;
  }
}

function readWholeWord({ text }: Token): Condition | null {
  if (text === 'always' || text === 'true') return { is: 'always' };
  if (text === 'never' || text === 'false') return { is: 'never' };
  if (text.endsWith(UNAVAILABLE) && text.length > UNAVAILABLE.length) {
    return { is: 'unavailable', provider: text.slice(0, -UNAVAILABLE.length), text };
  }
  return null;
}

function bareField(word: Token): Condition {
  const field = word.kind === 'word' ? readField(word) : null;
  if (field?.kind === 'flag') return { is: 'flag', field, text: word.text };
  throw new SyntaxProblem(`"${word.text}" must be compared with something (== != < <= > >=)`, word.offset);
}

function comparison(left: Token, operator: ComparisonOperator, right: Token): Condition {
  if (right.kind === 'end' || right.kind === 'operator') {
    throw new SyntaxProblem(`a value is missing after "${operator}"`, right.offset);
  }
  const isTurned = left.kind !== 'word' || isBooleanWord(left);
  const [fieldToken, valueToken] = isTurned ? [right, left] : [left, right];
  if (fieldToken.kind !== 'word') {
    throw new SyntaxProblem(`one side of a comparison must be one of ${FIELD_WORDS}`, fieldToken.offset);
  }
  const field = readField(fieldToken);
  const direction = isTurned ? turn(operator) : operator;
  const value = readValue(field, direction, valueToken);
  return { is: 'comparison', field, operator: direction, value, text: `${left.text} ${operator} ${right.text}` };
}

function isBooleanWord({ text }: Token): boolean {
  return text === 'true' || text === 'false';
}

function turn(operator: ComparisonOperator): ComparisonOperator {
  switch (operator) {
    case '<':
      return '>';
    case '<=':
      return '>=';
    case '>':
      return '<';
    case '>=':
      return '<=';
    default:
      return operator;
  }
}

function readField({ text, offset }: Token): Field {
  if (text.startsWith('header.')) {
    const name = text.slice('header.'.length).toLowerCase();
    if (name === '') throw new SyntaxProblem('the name of a header is missing after "header."', offset);
    if (isSecretHeader(name))
      throw new SyntaxProblem(`the header "${name}" carries credentials and cannot be read`, offset);
    return { kind: 'header', name };
  }
  if (NUMBER_FIELDS.has(text)) return { kind: 'number', name: text as Extract<Field, { kind: 'number' }>['name'] };
  if (TEXT_FIELDS.has(text)) return { kind: 'text', name: text as Extract<Field, { kind: 'text' }>['name'] };
  if (FLAG_FIELDS.has(text)) return { kind: 'flag', name: text as Extract<Field, { kind: 'flag' }>['name'] };
  throw new SyntaxProblem(`"${text}" is not known here: use ${FIELD_WORDS}, or put text in quotes`, offset);
}

function readValue(field: Field, operator: ComparisonOperator, found: Token): Literal {
  const isOrdering = operator !== '==' && operator !== '!=';
  switch (field.kind) {
    case 'flag':
      if (isOrdering)
        throw new SyntaxProblem(`"${field.name}" is true or false: compare it with == or !=`, found.offset);
      if (found.kind === 'word' && isBooleanWord(found)) return found.text === 'true';
      throw new SyntaxProblem(`"${field.name}" is compared with true or false`, found.offset);
    case 'number': {
      if (found.kind === 'number') return found.value;
      const size = found.kind === 'text' && field.name === 'model_size' ? parseSize(String(found.value)) : null;
      if (size !== null) return size;
      const expected = field.name === 'model_size' ? 'a size such as "13B"' : 'a number';
      throw new SyntaxProblem(`"${field.name}" is compared with ${expected}`, found.offset);
    }
    case 'text':
    case 'header':
      if (found.kind === 'number' && field.kind === 'header') return found.value;
      if (found.kind === 'word') throw new SyntaxProblem(`text stands in quotes: "${found.text}"`, found.offset);
      if (found.kind !== 'text')
        throw new SyntaxProblem(`"${field.name}" is compared with text in quotes`, found.offset);
      if (isOrdering) throw new SyntaxProblem('text is compared with == or != only', found.offset);
      return found.value;
  }
}
