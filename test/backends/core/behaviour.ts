// What every stand-in can be told about the work it pretends to do.

import type { Asked } from './asked.ts';
import { describeModel, type ModelInput, type StandInModel } from './models.ts';
import type { Chunking } from './outlets.ts';

/** A tool call the stand-in makes when tools are offered. */
export interface ToolCall {
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** Text, ready-made tokens (kept as they are), or either worked out from the request. */
export type Answer = string | readonly string[];

export interface BehaviourOptions {
  /** 0 or none: any free port. */
  readonly port?: number;
  readonly host?: string;
  readonly models?: readonly ModelInput[];
  readonly answer?: Answer | ((asked: Asked) => Answer);
  /** The model's thoughts before the answer, where the kind has a field for them. */
  readonly reasoning?: Answer;
  /** Made whenever tools are offered and the kind would obey; `first`: the first tool, with arguments made from its schema. */
  readonly toolCall?: ToolCall | 'first';
  readonly tokenDelayMs?: number;
  /** From getting a slot to the first token. */
  readonly prefillDelayMs?: number;
  readonly loadDelayMs?: number;
  /** Overrides the loaded context of every model. */
  readonly contextLength?: number;
  readonly apiKey?: string;
  /** Where the HTTP chunks of a stream are cut; the default is as the real server cuts them. */
  readonly chunking?: Chunking;
  /** How many requests are remembered in `requests`; the rest are only counted. */
  readonly keepRequests?: number;
}

/** The same with every default filled in. */
export interface Behaviour {
  readonly models: readonly StandInModel[];
  readonly answer: Answer | ((asked: Asked) => Answer);
  readonly reasoning: Answer | null;
  readonly toolCall: ToolCall | 'first' | null;
  readonly tokenDelayMs: number;
  readonly prefillDelayMs: number;
  readonly loadDelayMs: number;
  readonly apiKey: string | null;
}

const DEFAULT_ANSWER =
  'A switchyard is where trains are put on the right track: every car that comes in leaves behind the right engine.';

/** Fills in the defaults; `defaultModels` is what this kind serves when nothing is said. */
export function readBehaviour(options: BehaviourOptions, defaultModels: readonly ModelInput[]): Behaviour {
  const models = (options.models ?? defaultModels).map(describeModel);
  const { contextLength } = options;
  return {
    models: contextLength === undefined ? models : models.map((model) => ({ ...model, contextLoaded: contextLength })),
    answer: options.answer ?? DEFAULT_ANSWER,
    reasoning: options.reasoning ?? null,
    toolCall: options.toolCall ?? null,
    tokenDelayMs: options.tokenDelayMs ?? 0,
    prefillDelayMs: options.prefillDelayMs ?? 0,
    loadDelayMs: options.loadDelayMs ?? 0,
    apiKey: options.apiKey ?? null,
  };
}
