// `switchyard check`

import type { SavedState } from '../catalog/saved-state.ts';
import { systemClock } from '../clock.ts';
import { loadSettings } from '../config/load.ts';
import { dataFolder, findConfigFiles } from '../config/paths.ts';
import type { ConfigProblem, Settings } from '../config/settings.ts';
import { unprobed } from '../dry-run/unprobed.ts';
import { naming } from '../naming.ts';
import { lintRules } from '../routing/lint.ts';
import { lintAgainstModels } from '../routing/lint-models.ts';
import { compileRules } from '../routing/rules.ts';
import { type CommandInput, exitCode } from './arguments.ts';
import { keptState } from './kept-state.ts';
import { problemLine } from './problem-line.ts';

function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}

export async function check({ config, files, data, isStrict, isJson }: CommandInput): Promise<number> {
  const cwd = process.cwd();
  const folder = dataFolder(data);
  const found = findConfigFiles({ given: [...config, ...files], env: process.env, cwd });
  if (found.files.length === 0) {
    process.stderr.write(`switchyard: there is no configuration to check: name a file, or write ${found.writeTo}\n`);
    return exitCode.failed;
  }
  let remark: string | null = null;
  const { problems } = loadSettings({
    files: found.files,
    env: process.env,
    dataFolder: folder,
    cwd,
    verify: (settings) => {
      const verified = verify(settings, keptState(folder));
      remark = verified.remark;
      return verified.problems;
    },
  });
  if (isJson) console.log(JSON.stringify(problems, null, 2));
  else for (const problem of problems) console.log(problemLine(problem, cwd));
  const of = (severity: ConfigProblem['severity']) =>
    problems.filter((problem) => problem.severity === severity).length;
  const counts = [counted(of('error'), 'error'), counted(of('warning'), 'warning'), counted(of('lint'), 'lint')];
  if (remark !== null) process.stderr.write(`${remark}\n`);
  process.stderr.write(`${counts.join(', ')}\n`);
  const isBad = isStrict ? problems.length > 0 : of('error') > 0;
  return isBad ? exitCode.failed : exitCode.done;
}

interface Verified {
  readonly problems: readonly ConfigProblem[];
  /** What could not be looked at; null: nothing. */
  readonly remark: string | null;
}

/** What the rules themselves have to say, held against the lists of models that gateways have left in the data folder. */
function verify(settings: Settings, kept: SavedState | null): Verified {
  const rules = compileRules(settings, naming);
  const unlisted = new Set<string>();
  for (const { name, kind, baseUrl } of settings.providers.values()) {
    const list = kept?.lists[name];
    const isKnown = list !== undefined && list.kind === kind && list.baseUrl === baseUrl;
    if (!isKnown && kind !== 'cloud') unlisted.add(name);
  }
  const fromLists = lintAgainstModels(rules, unprobed(settings, systemClock, kept), unlisted);
  const { patterns, sizeRules } = settings.routing;
  const isAsked = [...patterns, ...sizeRules].some(({ provider }) => unlisted.has(provider));
  const remark = `the models of ${[...unlisted].join(', ')} are not known, as no gateway has listed them yet: patterns and size rules for them were not held against models`;
  return { problems: [...rules.problems, ...lintRules(rules), ...fromLists], remark: isAsked ? remark : null };
}
