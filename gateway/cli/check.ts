// `switchyard check`

import { loadSettings } from '../config/load.ts';
import { dataFolder, findConfigFiles } from '../config/paths.ts';
import type { ConfigProblem } from '../config/settings.ts';
import { naming } from '../naming.ts';
import { compileRules } from '../routing/rules.ts';
import { type CommandInput, exitCode } from './arguments.ts';
import { problemLine } from './problem-line.ts';

function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}

export async function check({ config, files, data, isStrict }: CommandInput): Promise<number> {
  const cwd = process.cwd();
  const found = findConfigFiles({ given: [...config, ...files], env: process.env, cwd });
  if (found.files.length === 0) {
    process.stderr.write(`switchyard: there is no configuration to check: name a file, or write ${found.writeTo}\n`);
    return exitCode.failed;
  }
  const { problems } = loadSettings({
    files: found.files,
    env: process.env,
    dataFolder: dataFolder(data),
    cwd,
    verify: (settings) => compileRules(settings, naming).problems,
  });
  for (const problem of problems) console.log(problemLine(problem, cwd));
  const of = (severity: ConfigProblem['severity']) =>
    problems.filter((problem) => problem.severity === severity).length;
  const counts = [counted(of('error'), 'error'), counted(of('warning'), 'warning'), counted(of('lint'), 'lint')];
  process.stderr.write(`${counts.join(', ')}\n`);
  const isBad = isStrict ? problems.length > 0 : of('error') > 0;
  return isBad ? exitCode.failed : exitCode.done;
}
