// The token that opens `/admin`: made once per data folder, readable by its owner alone.

import { createHmac, randomBytes } from 'node:crypto';
import { chmodSync, linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const TOKEN_BYTES = 32;
const TOKEN = /^[A-Za-z0-9_-]{43}$/;

/** Where the token of a data folder lies. */
export function managementTokenFile(dataFolder: string): string {
  return join(dataFolder, 'management-token');
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** The token as it lies there, or null when there is none. Throws when the file holds something else. */
export function readManagementToken(dataFolder: string): string | null {
  const file = managementTokenFile(dataFolder);
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
  if (TOKEN.test(text)) return text;
  throw new Error(`${file} holds no management token: delete the file, and the next start makes a new one`);
}

/**
 * The token of that data folder, made now if there is none: 32 random bytes as base64url, the file readable by its
 * owner alone (a wider mode is narrowed). Throws what the file system says when it can neither be read nor made.
 */
export function ensureManagementToken(dataFolder: string): string {
  const file = managementTokenFile(dataFolder);
  if (readManagementToken(dataFolder) === null) {
    mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
    create(file);
  }
  if (process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0) chmodSync(file, 0o600);
  const token = readManagementToken(dataFolder);
  if (token === null) throw new Error(`${file} was removed the moment it was made`);
  return token;
}

/** Written aside and linked into place: whoever reads it, also a second gateway starting now, finds all of it or nothing. */
function create(file: string): void {
  const aside = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  writeFileSync(aside, `${randomBytes(TOKEN_BYTES).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
  try {
    linkSync(aside, file);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

/** A nonce as the challenge takes it: at least 16 characters, so that no proof can be collected beforehand. */
export const CHALLENGE_NONCE = /^[A-Za-z0-9_-]{16,128}$/;

/**
 * What proves that a listener knows the token, without telling it: HMAC-SHA256 in hex. The listener's own address is in
 * it, so that another program cannot pass the challenge on to the real gateway and show its answer as its own.
 */
export function challengeProof(token: string, nonce: string, address: string, port: number): string {
  const plainAddress = address.replace(/^::ffff:/, '');
  return createHmac('sha256', token).update(`switchyard challenge ${plainAddress} ${port} ${nonce}`).digest('hex');
}
