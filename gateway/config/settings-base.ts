// What all parts of the settings are made of.

/** A place in a configuration file; lines and columns count from 1. */
export interface FilePosition {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** One thing to tell about a configuration; printed as `file:line:col severity code message`. */
export interface ConfigProblem extends FilePosition {
  readonly severity: 'error' | 'warning' | 'lint';
  /** A closed list of snake_case words, kept in `problems.ts`. */
  readonly code: string;
  readonly message: string;
  /** Where in the document, as `providers.ollama.base_url`. */
  readonly path: string;
}

/** How an order among kept candidates is chosen; every spelling of a file ends as one of these. */
export type StrategyName =
  | 'shuffle'
  | 'round_robin'
  | 'weighted_round_robin'
  | 'least_busy'
  | 'latency'
  | 'fastest_response'
  | 'usage'
  | 'usage_based'
  | 'cost'
  | 'most_capacity'
  | 'predicted';

/** A `condition` as written, and where its first character stands. */
export interface ConditionText {
  readonly text: string;
  readonly position: FilePosition;
}

/** Null: not configured; then first content is predicted and the others take the kind's default. */
export interface TimeLimits {
  readonly connectMs: number | null;
  readonly firstByteMs: number | null;
  readonly idleMs: number | null;
  readonly totalMs: number | null;
}

/** A rule's `fallback`: names of providers, chains or model groups in order. `none` also switches the default chain off. */
export type FallbackTargets =
  | { readonly kind: 'default' }
  | { readonly kind: 'none' }
  | { readonly kind: 'list'; readonly targets: readonly string[] };
