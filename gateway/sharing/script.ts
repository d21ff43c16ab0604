// Scripts that Redis runs: known by their hash, sent whole only when Redis does not know them (it forgets at a restart).

import { createHash } from 'node:crypto';
import type { RedisConnection, RedisReply } from './connection.ts';

const hashes = new Map<string, string>();

function hashOf(script: string): string {
  let hash = hashes.get(script);
  if (hash === undefined) {
    hash = createHash('sha1').update(script).digest('hex');
    hashes.set(script, hash);
  }
  return hash;
}

/**
 * Runs one of our scripts (a constant: its hash is kept for good).
 * Rejects with Redis' own error, or when the connection ends.
 */
export async function scriptCall(
  connection: RedisConnection,
  script: string,
  keys: readonly string[],
  args: readonly string[],
): Promise<RedisReply> {
  const rest = [String(keys.length), ...keys, ...args];
  try {
    return await connection.send(['EVALSHA', hashOf(script), ...rest], false);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
    return await connection.send(['EVAL', script, ...rest], false);
  }
}
