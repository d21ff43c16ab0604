// Everything a configuration can be told about, collected while it is read: never only the first mistake.

import type { ConfigProblem, FilePosition } from './settings.ts';

/** The closed list of what can be said; `ConfigProblem.code` is one of these. */
export const problemCodes = [
  // The file itself.
  'file_missing',
  'file_unreadable',
  'yaml_syntax',
  'too_large',
  'include_missing',
  'include_cycle',
  'duplicate_key',
  'duplicate_root_key',
  // Shape.
  'bare_entry',
  'unknown_key',
  'missing_key',
  'wrong_type',
  'invalid_value',
  'value_corrected',
  'conflicting_keys',
  // Meaning.
  'variable_missing',
  'secret_missing',
  'secrets_readable',
  'invalid_regex',
  // Told by the parser of conditions.
  'invalid_condition',
  'invalid_cron',
  'invalid_url',
  'own_address',
  'lan_without_keys',
  'duplicate_name',
  'reserved_name',
  'tls_insecure',
  // Remarks.
  'unknown_provider',
  'provider_disabled',
  'unknown_target',
  'unreachable_rule',
  // Told by the rules as they are compiled.
  'alias_hides_model',
  'alias_cycle',
  'matches_no_model',
  'plain_secret',
  'unused_key',
  'litellm_differs',
] as const;

type ProblemCode = (typeof problemCodes)[number];

/** Where in the document: keys and list indexes from the root. */
export type DocumentPath = readonly (string | number)[];

const plainKey = /^[\w-]+$/;

/** `providers.ollama.base_url`, `patterns[2].pattern`, `exact_matches."llama3.1:8b"`. */
export function pathText(path: DocumentPath): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else text += `${text === '' ? '' : '.'}${plainKey.test(step) ? step : JSON.stringify(step)}`;
  }
  return text;
}

/** A problem before it is known where it stands. */
export interface Remark {
  readonly code: ProblemCode;
  readonly message: string;
}

/** Collects problems; one is kept once, however often it is found. */
export class ProblemList {
  readonly #problems = new Map<string, ConfigProblem>();
  readonly #files: string[] = [];

  /** The order in which files are reported; others follow as they are met. */
  expectFile(file: string): void {
    if (!this.#files.includes(file)) this.#files.push(file);
  }

  add(severity: ConfigProblem['severity'], at: FilePosition, path: DocumentPath, remark: Remark): void {
    const { file, line, column } = at;
    const key = `${file}\0${line}\0${column}\0${remark.code}\0${remark.message}`;
    if (this.#problems.has(key)) return;
    this.#problems.set(key, Object.freeze({ severity, file, line, column, path: pathText(path), ...remark }));
  }

  error(at: FilePosition, path: DocumentPath, remark: Remark): void {
    this.add('error', at, path, remark);
  }

  warning(at: FilePosition, path: DocumentPath, remark: Remark): void {
    this.add('warning', at, path, remark);
  }

  lint(at: FilePosition, path: DocumentPath, remark: Remark): void {
    this.add('lint', at, path, remark);
  }

  addAll(problems: Iterable<ConfigProblem>): void {
    for (const problem of problems) {
      const { file, line, column, code, message } = problem;
      this.#problems.set(`${file}\0${line}\0${column}\0${code}\0${message}`, problem);
    }
  }

  /** All of them by file (in the order they are read), line and column, without those that only follow from another. */
  list(): readonly ConfigProblem[] {
    return Object.freeze(sorted(withoutConsequences([...this.#problems.values()]), this.#files));
  }
}

/** What a broken file or an unset variable makes wrong besides is noise until that is mended. */
function withoutConsequences(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  const brokenFrom = new Map<string, number>();
  const unresolved = new Set<string>();
  for (const { code, severity, file, line, column } of problems) {
    if (severity !== 'error') continue;
    if (code === 'yaml_syntax') brokenFrom.set(file, Math.min(line, brokenFrom.get(file) ?? Number.POSITIVE_INFINITY));
    if (code === 'variable_missing' || code === 'secret_missing') unresolved.add(`${file}\0${line}\0${column}`);
  }
  return problems.filter((problem) => {
    const { code, file, line, column } = problem;
    if (code === 'yaml_syntax' || code === 'variable_missing' || code === 'secret_missing') return true;
    if (unresolved.has(`${file}\0${line}\0${column}`)) return false;
    const brokenLine = brokenFrom.get(file);
    return brokenLine === undefined || (line < brokenLine && code !== 'missing_key' && problem.severity !== 'lint');
  });
}

function sorted(problems: readonly ConfigProblem[], files: readonly string[]): ConfigProblem[] {
  const order = new Map(files.map((file, index) => [file, index]));
  for (const { file } of problems) if (!order.has(file)) order.set(file, order.size);
  const fileOf = (problem: ConfigProblem): number => order.get(problem.file) ?? 0;
  return [...problems].sort((a, b) => fileOf(a) - fileOf(b) || a.line - b.line || a.column - b.column);
}

/** True when these problems keep a configuration from being used. */
export function hasErrors(problems: readonly ConfigProblem[]): boolean {
  return problems.some((problem) => problem.severity === 'error');
}

/** `file:line:col severity code message`, as editors and terminals know it. */
export function formatProblem(problem: ConfigProblem): string {
  const { file, line, column, severity, code, message } = problem;
  return `${file}:${line}:${column} ${severity} ${code} ${message}`;
}
