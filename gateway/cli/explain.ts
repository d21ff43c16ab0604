// `switchyard explain`

import { readFileSync, realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import type { AdminDraftError, AdminExplainRequest, AdminStatus } from '../contract.ts';
import { type AdminSession, NotRunning, withAdmin } from './admin-client.ts';
import { type CommandInput, exitCode, UsageError } from './arguments.ts';
import { explainRequest } from './explain-request.ts';
import { harmless } from './harmless.ts';
import { findGateway } from './target.ts';

/** Asks the running gateway; where there is none, or it runs on other files than the named ones, decides here. */
export async function explain(input: CommandInput): Promise<number> {
  const request = explainRequest(input.asked, bodyOf(input.asked.body));
  const target = await findGateway(input);
  let why: string;
  try {
    const code = await withAdmin(target, async (session) => {
      const status = (await session.get('/admin/status')) as AdminStatus;
      return isMeant(input.config, status) ? explainedBy(session, request, input.isJson) : null;
    });
    if (code !== null) return code;
    why = `the gateway at ${target.url} runs on other files`;
  } catch (error) {
    if (!(error instanceof NotRunning)) throw error;
    why = error.message;
  }
  process.stderr.write(
    `switchyard: ${harmless(why)}\nswitchyard: explained without a gateway, by what one probe finds\n`,
  );
  return (await import('./explain-here.ts')).explainHere(input, request);
}

function bodyOf(file: string | null): Buffer | null {
  if (file === null) return null;
  try {
    return readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    throw new UsageError(`--body ${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Without `--config` any gateway is; with it one that runs on these files. */
function isMeant(config: readonly string[], status: AdminStatus): boolean {
  const named = config.map((file) => realPath(resolve(file)));
  const running = status.config.files.map(realPath);
  return named.length === 0 || (named.length === running.length && named.every((file, at) => file === running[at]));
}

function realPath(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}

async function explainedBy(session: AdminSession, request: AdminExplainRequest, isJson: boolean): Promise<number> {
  const accept = isJson ? 'application/json' : 'text/plain';
  const { status, text, json } = await session.post('/admin/explain', request, accept);
  if (status !== 200) throw new Error(`the request cannot be explained: ${messageIn(json) ?? text}`);
  if (isJson) console.log(JSON.stringify(json, null, 2));
  else for (const line of text.split('\n')) console.log(harmless(line));
  return exitCode.done;
}

function messageIn(json: unknown): string | null {
  const { error } = (json ?? {}) as Partial<AdminDraftError>;
  return typeof error?.message === 'string' ? error.message : null;
}
