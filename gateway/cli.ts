// The command `switchyard`. What is needed by one command only is loaded by that command.

import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

// Stripping types and compiling are half of a start. They are kept beside the packages, where only those can write who
// could change the code itself: node's own default is a folder for temporary files that anybody may have made.
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/switchyard', import.meta.url)));

const { run } = await import('./cli/run.ts');
process.exitCode = await run(process.argv.slice(2));
