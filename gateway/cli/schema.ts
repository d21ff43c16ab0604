// `switchyard schema`

import { configJsonSchema } from '../config/schema/root.ts';
import { exitCode } from './arguments.ts';

export async function schema(): Promise<number> {
  console.log(JSON.stringify(configJsonSchema(), null, 2));
  return exitCode.done;
}
