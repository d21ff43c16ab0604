// What somebody wants explained: read from JSON of any origin, checked field by field.

import { didYouMean } from '../config/nearest.ts';
import { GatewayError } from '../errors.ts';
import { endpointTraits, matchEndpoint } from '../protocols/endpoints.ts';
import type { Endpoint, RequestHeaders } from '../types.ts';

type JsonObject = Readonly<Record<string, unknown>>;

/** A request that is not sent, and the circumstances to decide it under. */
export interface DryQuestion {
  readonly endpoint: Endpoint;
  /** In lower case. */
  readonly headers: RequestHeaders;
  readonly body: JsonObject;
  /** Null: the User-Agent names the client. */
  readonly client: string | null;
  readonly down: readonly string[];
  /** YAML in place of the first configuration file; null: the rules in force. */
  readonly rules: string | null;
  /** What stands before the paths of the body in errors: `body.` where the body is a part of what was sent. */
  readonly bodyPath: '' | 'body.';
}

/** The call itself, for a body that is the request's own. */
export interface CallContext {
  readonly headers: RequestHeaders;
  readonly query: URLSearchParams;
}

const ENVELOPE_KEYS = ['endpoint', 'headers', 'body', 'client', 'down', 'rules'] as const;
const QUERY_KEYS = ['endpoint', 'down'] as const;

/** Reads the body of `POST /admin/explain` (`AdminExplainRequest`). Throws `invalid_request` with the path of what is wrong. */
export function readDryQuestion(json: JsonObject, { headers, query }: CallContext): DryQuestion {
  for (const key of query.keys())
    if (!isOneOf(key, QUERY_KEYS)) throw wrong(`?${key}`, `there is no such parameter${didYouMean(key, QUERY_KEYS)}`);
  const down = query.getAll('down');
  const endpoint = query.get('endpoint');
  if (!ENVELOPE_KEYS.some((key) => Object.hasOwn(json, key))) {
    const read = endpointOf(endpoint ?? 'chat', '?endpoint');
    return { endpoint: read, headers, body: json, client: null, down, rules: null, bodyPath: '' };
  }
  refuseOthers(json, ENVELOPE_KEYS);
  return {
    endpoint: endpointOf(json.endpoint ?? endpoint ?? 'chat', 'endpoint'),
    headers: headersOf(json.headers ?? {}),
    body: objectOf(json.body ?? {}, 'body'),
    client: json.client == null ? null : textOf(json.client, 'client'),
    down: [...namesOf(json.down ?? [], 'down'), ...down],
    rules: json.rules == null ? null : textOf(json.rules, 'rules'),
    bodyPath: 'body.',
  };
}

/** What is asked of a replay. */
export interface ReplayQuestion {
  readonly limit: number;
  readonly rules: string | null;
}

/** The worker's memory holds so many easily. */
const MOST_REPLAYED = 10_000;
const USUALLY_REPLAYED = 1_000;

/** Reads the body of `POST /admin/replay`. Throws `invalid_request` with the path of what is wrong. */
export function readReplayQuestion(json: JsonObject): ReplayQuestion {
  refuseOthers(json, ['limit', 'rules']);
  const { limit = USUALLY_REPLAYED, rules } = json;
  if (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 1 || limit > MOST_REPLAYED)
    throw wrong('limit', `expected a whole number from 1 to ${MOST_REPLAYED}, not ${shown(limit)}`);
  return { limit, rules: rules == null ? null : textOf(rules, 'rules') };
}

/** An endpoint by its name or by a path. Throws `invalid_request`. */
export function endpointOf(value: unknown, path: string): Endpoint {
  const name = textOf(value, path);
  const byPath = matchEndpoint('POST', name);
  if (byPath !== null) return byPath;
  if (isEndpoint(name)) return name;
  const names = Object.keys(endpointTraits);
  const near = didYouMean(name, names);
  throw wrong(path, `there is no endpoint ${shown(name)}${near === '' ? `; there are ${names.join(', ')}` : near}`);
}

function isEndpoint(name: string): name is Endpoint {
  return Object.hasOwn(endpointTraits, name);
}

function isOneOf(key: string, keys: readonly string[]): boolean {
  return keys.includes(key);
}

function refuseOthers(json: JsonObject, known: readonly string[]): void {
  for (const key of Object.keys(json))
    if (!known.includes(key)) throw wrong(key, `there is no such field${didYouMean(key, known)}`);
}

function headersOf(value: unknown): RequestHeaders {
  const headers: Record<string, string> = {};
  for (const [name, text] of Object.entries(objectOf(value, 'headers')))
    headers[name.toLowerCase()] = textOf(text, `headers.${name}`);
  return headers;
}

function objectOf(value: unknown, path: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw wrong(path, `expected an object, not ${shown(value)}`);
}

function textOf(value: unknown, path: string): string {
  if (typeof value === 'string') return value;
  throw wrong(path, `expected a text, not ${shown(value)}`);
}

function namesOf(value: unknown, path: string): readonly string[] {
  if (!Array.isArray(value)) throw wrong(path, `expected a list of names, not ${shown(value)}`);
  return value.map((name: unknown, index) => textOf(name, `${path}[${index}]`));
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 100);
}

function wrong(path: string, message: string): GatewayError {
  return new GatewayError('invalid_request', `${path}: ${message}`, { param: path });
}
