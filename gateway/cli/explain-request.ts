// The request that the command line describes, put together.

import type { AdminExplainRequest } from '../contract.ts';
import { endpointOf } from '../dry-run/question.ts';
import { GatewayError } from '../errors.ts';
import { parseJsonObject } from '../http/json-body.ts';
import { type AskedRequest, UsageError } from './arguments.ts';

/** A token and a value (RFC 9110 section 5.1). */
const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/s;
/** Deeper than any gateway is set to read. */
const JSON_DEPTH = 10_000;

/**
 * @param body what the file of `--body` holds; null: there is none
 * Throws `UsageError` naming the flag.
 */
export function explainRequest(asked: AskedRequest, body: Buffer | null): AdminExplainRequest {
  const { model, down } = asked;
  const sent = body === null ? {} : jsonOf(asked.body ?? '', body);
  if (body === null && model === null && asked.headers.length === 0)
    throw new UsageError('explain needs a request: give --model, --body or --header');
  return {
    endpoint: inWords('--endpoint', () => endpointOf(asked.endpoint ?? 'chat', '--endpoint')),
    headers: headersOf(asked.headers),
    body: model === null ? sent : { ...sent, model },
    down,
  };
}

function jsonOf(file: string, body: Buffer): Record<string, unknown> {
  return inWords(`--body ${file}`, () => parseJsonObject(body, JSON_DEPTH));
}

function inWords<Value>(flag: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    throw new UsageError(error.message.startsWith(flag) ? error.message : `${flag}: ${error.message}`);
  }
}

function headersOf(written: readonly string[]): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const text of written) {
    const [, name, value] = HEADER.exec(text) ?? [];
    if (name === undefined || value === undefined || /[\r\n\0]/.test(value))
      throw new UsageError(`--header ${JSON.stringify(text)}: expected 'NAME: VALUE'`);
    headers[name.toLowerCase()] = value;
  }
  return headers;
}
