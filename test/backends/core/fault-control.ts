// `/__fault` on every stand-in: a person with curl, or a script, can break a running server and mend it.
//   curl -d '{"kind":"rate_limited","times":3}' http://127.0.0.1:11434/__fault
//   curl -X DELETE http://127.0.0.1:11434/__fault

import { type Fields, isFields, list, number, text } from './asked.ts';
import type { Exchange } from './exchange.ts';
import { type FaultKind, type FaultRule, faultKinds } from './faults.ts';

export const FAULT_PATH = '/__fault';

/** A port closed by a command over that same port would stay closed for good. */
const REFUSE_FOR_MS = 10_000;

function isKind(value: unknown): value is FaultKind {
  return typeof value === 'string' && Object.hasOwn(faultKinds, value);
}

function readRule(fields: Fields): FaultRule | null {
  const { kind, nth } = fields;
  if (!isKind(kind)) return null;
  const only = (['generation', 'probes', 'all'] as const).find((scope) => scope === fields.only);
  const encoding = (['gzip', 'deflate', 'br'] as const).find((name) => name === fields.encoding);
  const numbers = Object.fromEntries(
    ['afterContents', 'bytes', 'delayMs', 'forMs', 'status', 'times'].flatMap((name) => {
      const value = number(fields[name]);
      return value === null ? [] : [[name, value]];
    }),
  );
  const texts = Object.fromEntries(
    ['retryAfter', 'location', 'message', 'path'].flatMap((name) => {
      const value = text(fields[name]) ?? number(fields[name])?.toString();
      return value === undefined ? [] : [[name, value]];
    }),
  );
  const counts = typeof nth === 'number' ? nth : list(nth).filter((entry) => typeof entry === 'number');
  return {
    kind,
    ...(kind === 'refuse' ? { forMs: REFUSE_FOR_MS } : {}),
    ...numbers,
    ...texts,
    ...(only ? { only } : {}),
    ...(encoding ? { encoding } : {}),
    ...(nth === undefined ? {} : { nth: counts }),
  };
}

/** The rules in a body: one rule, a list, or nothing (`null`, empty) to mend everything; null when it makes no sense. */
function readRules(exchange: Exchange): readonly FaultRule[] | null {
  const body = exchange.body.toString().trim();
  if (exchange.method === 'DELETE' || body === '' || body === 'null') {
    const kind = exchange.query.get('kind');
    return isKind(kind) && exchange.method === 'POST' ? [{ kind }] : [];
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return null;
  }
  const rules = (Array.isArray(parsed) ? parsed : [parsed]).map((entry) => (isFields(entry) ? readRule(entry) : null));
  return rules.every((rule) => rule !== null) ? rules : null;
}

/** Answers a request to `/__fault`; `apply` puts the rules in force. */
export async function controlFaults(
  exchange: Exchange,
  current: () => readonly FaultRule[],
  apply: (rules: readonly FaultRule[]) => Promise<void>,
): Promise<void> {
  const rules = exchange.method === 'GET' ? null : readRules(exchange);
  const isBad = exchange.method !== 'GET' && rules === null;
  const answer = isBad
    ? { error: `expected {"kind": ...} with a kind of: ${Object.keys(faultKinds).join(', ')}` }
    : { faults: rules ?? current(), kinds: faultKinds };
  const body = `${JSON.stringify(answer, null, 2)}\n`;
  const headers = [
    'Content-Type',
    'application/json',
    'Content-Length',
    String(Buffer.byteLength(body)),
    'Connection',
    'close',
  ];
  exchange.wire.answer(isBad ? 400 : 200, headers, body);
  if (rules !== null) await apply(rules);
}
