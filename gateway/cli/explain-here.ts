// Explains a request without a gateway: the configuration is loaded, its providers are probed once, and all is closed.

import { Catalog } from '../catalog/catalog.ts';
import { StateFile } from '../catalog/state-file.ts';
import { systemClock } from '../clock.ts';
import { loadSettings } from '../config/load.ts';
import { dataFolder, findConfigFiles } from '../config/paths.ts';
import type { Settings } from '../config/settings.ts';
import type { AdminExplainRequest } from '../contract.ts';
import { explain } from '../dry-run/explain.ts';
import { readDryQuestion } from '../dry-run/question.ts';
import { naming } from '../naming.ts';
import { decisionToJson, decisionToText } from '../routing/explain.ts';
import { freshState } from '../routing/question.ts';
import { compileRules, type Rules } from '../routing/rules.ts';
import type { Log } from '../telemetry/log.ts';
import type { Snapshot } from '../types.ts';
import { type CommandInput, exitCode } from './arguments.ts';
import { harmless } from './harmless.ts';
import { keptState } from './kept-state.ts';
import { problemLine } from './problem-line.ts';

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };
/** What a gateway takes for a model it has learned nothing of. */
const CHARACTERS_PER_TOKEN = 4;

export async function explainHere(input: CommandInput, request: AdminExplainRequest): Promise<number> {
  const loaded = load(input);
  if (loaded === null) return exitCode.failed;
  const { settings, rules } = loaded;
  const question = readDryQuestion({ ...request }, { headers: {}, query: new URLSearchParams() });
  const decision = explain(question, {
    rules,
    snapshot: await probedOnce(settings, dataFolder(input.data)),
    state: freshState,
    dice: Math.random,
    charactersPerToken: () => CHARACTERS_PER_TOKEN,
    conversationSecret: '',
    nowMs: systemClock.now(),
  });
  if (input.isJson) console.log(JSON.stringify(decisionToJson(decision), null, 2));
  else for (const line of decisionToText(decision).split('\n')) console.log(harmless(line));
  return exitCode.done;
}

/** Null: it has errors, which are printed. */
function load({ config, data }: CommandInput): { readonly settings: Settings; readonly rules: Rules } | null {
  const cwd = process.cwd();
  const { files } = findConfigFiles({ given: config, env: process.env, cwd });
  const { settings, problems } = loadSettings({
    files,
    env: process.env,
    dataFolder: dataFolder(data),
    cwd,
    verify: (read) => compileRules(read, naming).problems,
  });
  if (settings !== null) return { settings, rules: compileRules(settings, naming) };
  for (const problem of problems) process.stderr.write(`${problemLine(problem, cwd)}\n`);
  process.stderr.write('switchyard: the configuration has errors, so nothing can be explained\n');
  return null;
}

/** What a gateway would know two seconds after its start, the lists of former runs included. */
async function probedOnce(settings: Settings, folder: string): Promise<Snapshot> {
  const state = new StateFile({ path: null, clock: systemClock, log: silent });
  const kept = keptState(folder);
  if (kept !== null) state.update(kept);
  const discovery = { ollamaHost: process.env.OLLAMA_HOST, ownPorts: () => [] };
  const catalog = new Catalog({ settings, clock: systemClock, state, log: silent, random: Math.random, discovery });
  try {
    catalog.start();
    await catalog.whenListed();
    return catalog.snapshot();
  } finally {
    await catalog.close();
  }
}
