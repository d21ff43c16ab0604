// The format of `learned.json` and its reader and writer, without any I/O.

import { z } from 'zod';
import type { Parsed } from './kept-file.ts';

const formatVersion = 1;

/** A measurement and when it was taken, epoch ms. */
export type SavedSample = readonly [atMs: number, value: number];

/** What was counted, and per how much. */
export type SavedRatio = readonly [amount: number, per: number];

/** What was learned of one deployment. Rates are kept as amount and measure: tokens and ms, ms and requests. */
export interface SavedDeployment {
  readonly provider: string;
  readonly model: string;
  readonly learnedAtMs: number;
  readonly firstContent: readonly SavedSample[];
  readonly perToken: readonly SavedSample[];
  readonly successes: readonly SavedSample[];
  readonly prefill: SavedRatio;
  readonly speed: SavedRatio;
  readonly load: SavedRatio;
  readonly service: SavedRatio;
}

export interface SavedLearning {
  readonly deployments: readonly SavedDeployment[];
  /** By the model's name as clients write it: characters and tokens. */
  readonly prompts: Readonly<Record<string, SavedRatio>>;
}

const pair = z.tuple([z.number().nonnegative(), z.number().nonnegative()]);
const samples = z.array(pair);

const learningSchema = z.object({
  version: z.literal(formatVersion),
  deployments: z.array(
    z.object({
      provider: z.string(),
      model: z.string(),
      learnedAtMs: z.number(),
      firstContent: samples,
      perToken: samples,
      successes: samples,
      prefill: pair,
      speed: pair,
      load: pair,
      service: pair,
    }),
  ),
  prompts: z.record(z.string(), pair),
});

/** Reads the text of a `learned.json`. Never throws. */
export function parseLearning(text: string): Parsed<SavedLearning> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { is: 'unreadable' };
  }
  if (z.object({ version: z.number().gt(formatVersion) }).safeParse(json).success) return { is: 'newer' };
  const parsed = learningSchema.safeParse(json);
  if (!parsed.success) return { is: 'unreadable' };
  const { deployments, prompts } = parsed.data;
  return { is: 'read', state: { deployments, prompts } };
}

/** The text of a `learned.json`: a line for each deployment. */
export function serializeLearning({ deployments, prompts }: SavedLearning): string {
  const lines = deployments.map((deployment) => JSON.stringify(deployment)).join(',\n');
  return `{"version":${formatVersion},"prompts":${JSON.stringify(prompts)},"deployments":[\n${lines}\n]}\n`;
}
