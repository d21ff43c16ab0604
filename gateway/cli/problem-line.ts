// How a problem of the configuration is printed; editors and scripts read it.

import { relative } from 'node:path';
import type { ConfigProblem } from '../config/settings.ts';

/** `file:line:col severity code message`, the file as it is seen from the working folder. */
export function problemLine(problem: ConfigProblem, cwd: string): string {
  const near = relative(cwd, problem.file);
  const file = near === '' || near.startsWith('..') ? problem.file : near;
  return `${file}:${problem.line}:${problem.column} ${problem.severity} ${problem.code} ${problem.message}`;
}
