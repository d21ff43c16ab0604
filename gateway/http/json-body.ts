// Turns the bytes of a request into JSON, or says where they stop being any.

import { GatewayError } from '../errors.ts';
import { jsonDepthExceeds } from '../protocols/json-text.ts';
import { describePosition, jsonErrorOffset } from './json-error.ts';

/**
 * The object a request's body is, whatever its Content-Type says.
 * Throws `invalid_json` (naming line and column, never quoting the body), `json_too_deep`, or `invalid_request` for
 * JSON that is no object.
 */
export function parseJsonObject(body: Buffer, maxDepth: number): Record<string, unknown> {
  // Each level takes an opening bracket of its own, so a shorter body cannot be too deep.
  if (body.length > maxDepth && jsonDepthExceeds(body, maxDepth))
    throw new GatewayError('json_too_deep', `The request body nests objects and lists more than ${maxDepth} deep.`);
  const value = parse(body);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new GatewayError(
    'invalid_request',
    `The request body is ${Array.isArray(value) ? 'a JSON list' : 'JSON'} but not an object: send {"model": ...}.`,
  );
}

function parse(body: Buffer): unknown {
  const text = body.toString('utf8');
  try {
    return JSON.parse(text);
  } catch (error) {
    if (text.trim() === '')
      throw new GatewayError('invalid_json', 'The request has no body: send a JSON object.', { cause: error });
    const offset = jsonErrorOffset(text);
    const where = offset < 0 ? '' : ` at ${describePosition(text, offset)}`;
    const what = offset === text.length ? 'ends too soon' : 'is not valid JSON';
    // The parser's own words quote the body, so they go nowhere.
    throw new GatewayError('invalid_json', `The request body ${what}${where}.`);
  }
}
