// `switchyard token`

import { dataFolder } from '../config/paths.ts';
import { ensureManagementToken } from '../http/management-token.ts';
import { type CommandInput, exitCode } from './arguments.ts';

/** Makes it where no gateway has run yet: the first start will find and use it. */
export async function token({ data }: CommandInput): Promise<number> {
  console.log(ensureManagementToken(dataFolder(data)));
  return exitCode.done;
}
