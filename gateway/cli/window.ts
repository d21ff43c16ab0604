// `switchyard ui`

import { spawn } from 'node:child_process';
import type { AdminWindowLink } from '../contract.ts';
import { NotRunning, withAdmin } from './admin-client.ts';
import { type CommandInput, exitCode } from './arguments.ts';
import { findGateway } from './target.ts';

/** Prints the link, which works once; with `--open` the browser of this desktop opens it as well. */
export async function openWindow(input: CommandInput): Promise<number> {
  const target = await findGateway(input);
  try {
    const { status, json, text } = await withAdmin(target, (session) =>
      session.post('/admin/ui-links', {}, 'application/json'),
    );
    if (status !== 200) throw new Error(`${target.url}/admin/ui-links answered ${status}: ${text}`);
    const link = `${target.url}${(json as AdminWindowLink).path}`;
    console.log(link);
    if (input.isToOpen && !(await isOpened(link)))
      process.stderr.write('switchyard: no browser could be opened here: open the link above within a minute\n');
    return exitCode.done;
  } catch (error) {
    if (!(error instanceof NotRunning)) throw error;
    process.stderr.write(`switchyard: ${error.message}\n`);
    return exitCode.notRunning;
  }
}

/** The desktop's own way to open an address, as a program and its arguments. */
function opener(link: string): readonly [string, ...string[]] {
  if (process.platform === 'darwin') return ['open', link];
  // Not `start`, which is the shell's and would read the link as its own text.
  if (process.platform === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler', link];
  return ['xdg-open', link];
}

/** How long an opener is watched: some stay for as long as the browser does. */
const OPENING_MS = 3_000;

function isOpened(link: string): Promise<boolean> {
  const [command, ...args] = opener(link);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const child = spawn(command, args, { stdio: 'ignore', detached: true });
  const limit = setTimeout(() => resolve(true), OPENING_MS);
  child.once('error', () => resolve(false));
  child.once('exit', (code) => resolve(code === 0));
  child.unref();
  return promise.finally(() => clearTimeout(limit));
}
