// The command `switchyard`. What is needed by one command only is loaded by that command.

import { run } from './cli/run.ts';

process.exitCode = await run(process.argv.slice(2));
