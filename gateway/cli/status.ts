// `switchyard status`

import type { AdminStatus } from '../contract.ts';
import { getAdmin, NotRunning } from './admin-client.ts';
import { type CommandInput, exitCode } from './arguments.ts';
import { statusText } from './status-text.ts';
import { findGateway } from './target.ts';

export async function status(input: CommandInput): Promise<number> {
  const target = await findGateway(input);
  try {
    const answer = (await getAdmin(target, '/admin/status')) as AdminStatus;
    console.log(input.isJson ? JSON.stringify(answer, null, 2) : statusText(answer, Date.now()));
    return exitCode.done;
  } catch (error) {
    if (!(error instanceof NotRunning)) throw error;
    process.stderr.write(`switchyard: ${error.message}\n`);
    return exitCode.notRunning;
  }
}
