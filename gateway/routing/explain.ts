// A decision for machines, for people and for the log.

import type { Candidate, Decision, DecisionStep, RequestFacts } from '../types.ts';

/** The shape of a decision wherever it is JSON. */
export interface DecisionJson {
  readonly rule: string | null;
  readonly chosen: { readonly provider: string; readonly model: string } | null;
  readonly candidates: readonly Pick<
    Candidate,
    'provider' | 'model' | 'place' | 'kept' | 'reason' | 'order' | 'terms'
  >[];
  readonly steps: readonly DecisionStep[];
  readonly considered: number;
  readonly error: Decision['error'];
}

export function decisionToJson(decision: Decision): DecisionJson {
  const first = chosen(decision);
  return {
    rule: decision.rule,
    chosen: first && { provider: first.provider, model: first.model },
    candidates: decision.candidates.map(({ provider, model, place, kept, reason, order, terms }) => ({
      provider,
      model,
      place,
      kept,
      reason,
      order,
      terms,
    })),
    steps: decision.steps.map(({ step, result, why }) => ({ step, result, why })),
    considered: decision.considered,
    error: decision.error,
  };
}

/** A tree of lines: what was asked, the steps, the candidates with their figures, the end. No final line break. */
export function decisionToText(decision: Decision): string {
  const lines = [`model ${decision.model ?? '(none)'}`, ...stepLines(decision.steps), ...candidateLines(decision)];
  const rest = decision.considered - decision.candidates.length;
  if (rest > 0)
    lines.push(
      `│  ${rest} more ${rest === 1 ? 'deployment belongs' : 'deployments belong'} to no step that was reached`,
    );
  const first = chosen(decision);
  if (first) lines.push(`└─ ${first.provider} is asked for ${first.model} by ${decision.rule ?? 'no rule'}`);
  else lines.push(`└─ ${decision.error?.code ?? 'nobody'}: ${decision.error?.message ?? 'nobody is asked'}`);
  return lines.join('\n');
}

/** `[ROUTER] Model: llama3.1:8b -> Provider: ollama (exact match)`, or what the request was refused with. */
export function logLine(facts: RequestFacts, decision: Decision): string {
  const model = singleLine(facts.model ?? decision.model ?? '(none)');
  const first = chosen(decision);
  if (!first) return `[ROUTER] Model: ${model} -> refused (${decision.error?.code ?? 'nobody is asked'})`;
  return `[ROUTER] Model: ${model} -> Provider: ${first.provider} (${ruleWords(decision, first)})`;
}

/** `[ROUTER] Fallback triggered: ollama -> llama_cpp_python` */
export function fallbackLine(from: string, to: string): string {
  return `[ROUTER] Fallback triggered: ${from} -> ${to}`;
}

function chosen(decision: Decision): Candidate | null {
  const [first] = decision.candidates;
  return first?.kept ? first : null;
}

/** How the guides name the step that decided. */
function ruleWords(decision: Decision, first: Candidate): string {
  const via = stepOf(first.via);
  if (via === 'fallback' || via === 'chain') return 'fallback chain';
  switch (stepOf(decision.rule ?? '')) {
    case 'exact':
      return 'exact match';
    case 'pattern':
      return 'pattern match';
    case 'capability':
      return 'capability match';
    case 'size':
      return 'size match';
    case 'metadata':
      return 'metadata match';
    case 'pin':
      return 'pin';
    case 'default':
      return 'default provider';
    default:
      return 'load balancing';
  }
}

function stepOf(rule: string): string {
  const colon = rule.indexOf(':');
  return colon < 0 ? rule : rule.slice(0, colon);
}

function stepLines(steps: readonly DecisionStep[]): readonly string[] {
  return [
    '├─ steps',
    ...steps.map(({ step, result, why }) =>
      `│  ${step.padEnd(10)} ${result.replace('_', ' ').padEnd(11)} ${why}`.trimEnd(),
    ),
  ];
}

function candidateLines({ candidates }: Decision): readonly string[] {
  if (candidates.length === 0) return ['├─ no candidates'];
  return ['├─ candidates', ...candidates.map(candidateLine)];
}

function candidateLine(candidate: Candidate): string {
  const { provider, model, place, order, reason, source, terms, notes, via } = candidate;
  const position = order === null ? ' -' : String(order).padStart(2);
  const details = [
    place,
    via,
    ...(source === null ? [] : [`source ${source}`]),
    ...(reason === null ? [] : [reason]),
    ...Object.entries(terms).map(([name, value]) => `${name} ${Math.round(value * 1000) / 1000}`),
    ...notes,
  ];
  return `│  ${position}  ${provider}/${model}  (${details.join(', ')})`;
}

/** A client's text in a log is one line, and not a long one. */
function singleLine(text: string): string {
  let clean = '';
  for (const character of text.slice(0, LONGEST_LOGGED))
    clean += character < ' ' || character === '\u007f' ? '?' : character;
  return text.length > LONGEST_LOGGED ? `${clean}...` : clean;
}

const LONGEST_LOGGED = 200;
