// Cron expressions are checked by the library that will run them, loaded only when there is one to check.

import { createRequire } from 'node:module';
import type { DocumentPath, ProblemList } from './problems.ts';
import type { FilePosition } from './settings.ts';

const require = createRequire(import.meta.url);

/** Reports a cron expression that would never run. */
export function checkCron(problems: ProblemList, at: FilePosition, path: DocumentPath, expression: string): void {
  const cron: typeof import('node-cron') = require('node-cron');
  if (cron.validate(expression)) return;
  problems.error(at, path, {
    code: 'invalid_cron',
    message: `expected a cron expression such as "0 8 * * 1-5" or "*/30 * * * * *", got ${JSON.stringify(expression)}`,
  });
}
