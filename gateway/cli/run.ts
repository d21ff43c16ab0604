// Finds the command that is meant, runs it, and turns what goes wrong into a sentence and an exit code.

import { type CommandInput, type CommandName, exitCode, helpText, parseCommandLine, UsageError } from './arguments.ts';

/** Each loads what it needs when it is run: `start` must not wait for what only `discover` uses. */
const runners: Readonly<Record<CommandName, (input: CommandInput) => Promise<number>>> = {
  start: async (input) => (await import('./start.ts')).start(input),
  check: async (input) => (await import('./check.ts')).check(input),
  status: async (input) => (await import('./status.ts')).status(input),
  ui: async (input) => (await import('./window.ts')).openWindow(input),
  explain: async (input) => (await import('./explain.ts')).explain(input),
  discover: async (input) => (await import('./discover.ts')).discoverServers(input),
  token: async (input) => (await import('./token.ts')).token(input),
  schema: async () => (await import('./schema.ts')).schema(),
};

/** Runs one command line to its end and returns the exit code. Never rejects. */
export async function run(args: readonly string[]): Promise<number> {
  // Whoever reads the output may have seen enough (`switchyard schema | head`).
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  try {
    const parsed = parseCommandLine(args);
    switch (parsed.is) {
      case 'help':
        process.stdout.write(helpText);
        return exitCode.done;
      case 'version':
        console.log((await import('../version.ts')).version);
        return exitCode.done;
      case 'command':
        return await runners[parsed.name](parsed.input);
    }
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`switchyard: ${error.message}\n\n${helpText}`);
      return exitCode.usage;
    }
    process.stderr.write(`switchyard: ${error instanceof Error ? error.message : String(error)}\n`);
    return exitCode.failed;
  }
}
