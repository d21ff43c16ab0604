// Whether a condition holds for a request, and if not, what stood in the way.

import { assertNever } from '../errors.ts';
import type { RequestFacts } from '../types.ts';
import type { ComparisonOperator, Condition, Field, Literal } from './condition-syntax.ts';

/** What a condition may look at besides the request. */
export interface ConditionScope {
  readonly facts: RequestFacts;
  /** After aliases; '' when the client named none. */
  readonly model: string;
  /** Parameters of the model asked for; null when not known. */
  modelSize(): number | null;
  /** It cannot be used now, or failed in this request. */
  isUnavailable(provider: string): boolean;
}

/** Whether it holds. Total: an unknown size or count makes its comparison false. */
export function conditionHolds(condition: Condition, scope: ConditionScope): boolean {
  switch (condition.is) {
    case 'always':
      return true;
    case 'never':
      return false;
    case 'unavailable':
      return scope.isUnavailable(condition.provider);
    case 'flag':
      return readFlag(condition.field.name, scope.facts);
    case 'comparison': {
      const actual = readField(condition.field, scope);
      return actual !== null && compare(actual, condition.operator, condition.value);
    }
    case 'not':
      return !conditionHolds(condition.inner, scope);
    case 'and':
      return conditionHolds(condition.left, scope) && conditionHolds(condition.right, scope);
    case 'or':
      return conditionHolds(condition.left, scope) || conditionHolds(condition.right, scope);
    default:
      return assertNever(condition);
  }
}

/** For a condition that does not hold: its first part that failed, with the value it met (`header.x-priority == "high" (it is "low")`). */
export function firstFailure(condition: Condition, scope: ConditionScope): string {
  switch (condition.is) {
    case 'always':
    case 'never':
      return conditionText(condition);
    case 'unavailable':
      return `${condition.text} (${condition.provider} is available)`;
    case 'flag':
      return `${condition.text} (it is false)`;
    case 'comparison': {
      const actual = readField(condition.field, scope);
      const last = lastMet.get(condition);
      if (last?.actual === actual) return last.text;
      const text = `${condition.text} (${actual === null ? 'not known' : `it is ${quoted(actual)}`})`;
      lastMet.set(condition, { actual, text });
      return text;
    }
    case 'not':
      return `${conditionText(condition)} (it holds)`;
    case 'and':
      return firstFailure(conditionHolds(condition.left, scope) ? condition.right : condition.left, scope);
    case 'or':
      return `${firstFailure(condition.left, scope)}, ${firstFailure(condition.right, scope)}`;
    default:
      return assertNever(condition);
  }
}

/** For each comparison the value it met last, in words: most requests bring the same ones again. */
const lastMet = new WeakMap<Condition, { readonly actual: Literal | null; readonly text: string }>();

/** Text of a client's is escaped where it is not plain. */
function quoted(value: Literal): string {
  return typeof value === 'string' && PLAIN.test(value) ? `"${value}"` : JSON.stringify(value).slice(0, LONGEST_QUOTED);
}

const PLAIN = /^[\w .:/-]{0,40}$/;
const LONGEST_QUOTED = 100;

/** The condition in one line, as close to the file as its tree allows. */
export function conditionText(condition: Condition): string {
  switch (condition.is) {
    case 'always':
      return 'always';
    case 'never':
      return 'false';
    case 'unavailable':
    case 'flag':
    case 'comparison':
      return condition.text;
    case 'not':
      return `!(${conditionText(condition.inner)})`;
    case 'and':
    case 'or':
      return `(${conditionText(condition.left)} ${condition.is === 'and' ? '&&' : '||'} ${conditionText(condition.right)})`;
    default:
      return assertNever(condition);
  }
}

function compare(actual: Literal, operator: ComparisonOperator, value: Literal): boolean {
  // A header is text: it is compared with a number as a number, and one that is none fails.
  const left = typeof value === 'number' && typeof actual === 'string' ? readNumber(actual) : actual;
  if (typeof left === 'number' && Number.isNaN(left)) return false;
  switch (operator) {
    case '==':
      return left === value;
    case '!=':
      return left !== value;
    case '<':
      return left < value;
    case '<=':
      return left <= value;
    case '>':
      return left > value;
    case '>=':
      return left >= value;
    default:
      return assertNever(operator);
  }
}

function readNumber(text: string): number {
  return text.trim() === '' ? Number.NaN : Number(text);
}

function readField(field: Field, scope: ConditionScope): Literal | null {
  const { facts } = scope;
  switch (field.kind) {
    case 'header': {
      const value = facts.headers[field.name];
      return typeof value === 'string' ? value : (value?.[0] ?? '');
    }
    case 'flag':
      return readFlag(field.name, facts);
    case 'number':
      if (field.name === 'batch_size') return facts.batchSize;
      return field.name === 'prompt_tokens' ? facts.promptTokens : scope.modelSize();
    case 'text':
      if (field.name === 'model') return scope.model;
      if (field.name === 'endpoint') return facts.endpoint;
      return field.name === 'client' ? facts.client : (facts.capabilityHint ?? '');
    default:
      return assertNever(field);
  }
}

function readFlag(name: Extract<Field, { kind: 'flag' }>['name'], facts: RequestFacts): boolean {
  switch (name) {
    case 'stream':
      return facts.isStream;
    case 'has_images':
      return facts.needs.includes('vision');
    case 'has_tools':
      return facts.needs.includes('tools');
    default:
      return assertNever(name);
  }
}
