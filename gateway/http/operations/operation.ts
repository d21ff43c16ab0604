// What an operation of the admin API is: its input is validated and described by the same schemas.

import type { IncomingMessage, ServerResponse } from 'node:http';
import * as z from 'zod';
import { didYouMean } from '../../config/nearest.ts';
import { pathText } from '../../config/problems.ts';
import { ConfigError } from '../../config/store.ts';
import type { AdminConfigError } from '../../contract.ts';
import { errorType, GatewayError } from '../../errors.ts';
import { HistoryUnavailable } from '../../history/history.ts';
import type { HttpDependencies } from '../dependencies.ts';
import { sendJson } from '../send.ts';

/** What the handler of an operation gets. */
export interface OperationCall<Body, Query> {
  readonly deps: HttpDependencies;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The decoded variable part of the path, or ''. */
  readonly variable: string;
  readonly body: Body;
  readonly query: Query;
}

export type OperationMethod = 'GET' | 'POST' | 'PATCH' | 'DELETE';

/** How an operation is described. */
export interface OperationAbout {
  readonly summary: string;
  /** The type of `contract.ts` that is answered, or what else it is. */
  readonly answers: string;
  /** JSON unless told otherwise. */
  readonly answerType?: string;
  readonly body?: z.ZodType;
  readonly query?: z.ZodObject;
}

/** One operation: where it is, what it takes, what it does. */
export interface Operation extends OperationAbout {
  readonly method: OperationMethod;
  readonly path: string;
  /** With unread input; throws `GatewayError`. */
  run(call: OperationCall<unknown, URLSearchParams>): Promise<unknown>;
}

interface OperationDefinition<Body, Query> extends Omit<OperationAbout, 'body' | 'query'> {
  readonly method: OperationMethod;
  readonly path: string;
  readonly body?: z.ZodType<Body>;
  readonly query?: z.ZodObject & z.ZodType<Query>;
  /** Returns what is answered as JSON; undefined where it has answered itself. */
  readonly run: (call: OperationCall<Body, Query>) => unknown;
}

/** Binds the schemas to the handler: it gets what they let through, typed. */
export function operation<Body = undefined, Query = undefined>(
  definition: OperationDefinition<Body, Query>,
): Operation {
  const { body, query, run, ...rest } = definition;
  return {
    ...rest,
    ...(body === undefined ? {} : { body }),
    ...(query === undefined ? {} : { query }),
    run: async (call) =>
      await orRefused(call.response, async () =>
        run({
          ...call,
          body: (body === undefined ? undefined : readInput(body, call.body)) as Body,
          query: (query === undefined ? undefined : readInput(query, fieldsOf(call.query))) as Query,
        }),
      ),
  };
}

/** A field that is there several times is a list. */
function fieldsOf(query: URLSearchParams): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = {};
  for (const name of query.keys()) {
    const values = query.getAll(name);
    fields[name] = values.length === 1 ? (values[0] ?? '') : values;
  }
  return fields;
}

/** Throws `invalid_request` whose `param` is the path of the first field at fault; secrets are never repeated. */
function readInput<Value>(schema: z.ZodType<Value>, value: unknown): Value {
  const read = schema.safeParse(value, { reportInput: false });
  if (read.success) return read.data;
  const { issues } = read.error;
  // A slip of the pen explains why another field is missing.
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0];
  if (issue === undefined) throw new TypeError('a refusal without a reason');
  throw inputError(schema, issue);
}

function inputError(schema: z.ZodType, issue: z.core.$ZodIssue): GatewayError {
  const path = issue.path.filter((step) => typeof step !== 'symbol');
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? '';
    const known = path.length === 0 && schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
    const param = pathText([...path, key]);
    return new GatewayError('invalid_request', `${param}: there is no such field${didYouMean(key, known)}`, { param });
  }
  const param = pathText(path);
  return new GatewayError('invalid_request', `${param === '' ? 'the input' : param}: ${wordsOf(issue)}`, { param });
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'keys and values',
  record: 'keys and values',
};

/** What was expected; never what was sent, which may be a secret. */
function wordsOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') {
    const isMissing = issue.message.endsWith('received undefined');
    return `expected ${typeNames[issue.expected] ?? issue.expected}${isMissing ? ', it is missing' : ''}`;
  }
  if (issue.code === 'invalid_value') return `expected ${issue.values.map((value) => String(value)).join(', ')}`;
  return issue.message.charAt(0).toLowerCase() + issue.message.slice(1);
}

/** Tells what those that are asked are refused with. */
async function orRefused(response: ServerResponse, run: () => Promise<unknown>): Promise<unknown> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof ConfigError) {
      sendJson(response, 400, configError(error));
      return undefined;
    }
    if (!(error instanceof HistoryUnavailable)) throw error;
    throw new GatewayError('conflict', `The history cannot be read now: ${error.message}.`, { cause: error });
  }
}

function configError({ problems }: ConfigError): AdminConfigError {
  const errors = problems.filter(({ severity }) => severity === 'error');
  const [first] = errors;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  const message = `Nothing was written: line ${first?.line ?? 1}, column ${first?.column ?? 1}: ${first?.message ?? ''}${more}`;
  const code = 'invalid_configuration';
  return { error: { message, type: errorType('openai', code), param: first?.path ?? '', code, problems } };
}
