// Errors of sockets, TLS and the HTTP client, sorted into the few classes of cause that people are shown.

import { errors } from 'undici';
import type { Cause, CauseClass } from '../types.ts';

const notHttp = 'NOT_HTTP';

/** Codes of Node's system errors, of its DNS resolver and of undici (its `docs/api/Errors.md`). */
const classByCode: Readonly<Record<string, CauseClass>> = {
  ECONNREFUSED: 'refused',
  ENOTFOUND: 'dns',
  EAI_AGAIN: 'dns',
  EAI_NODATA: 'dns',
  EAI_NONAME: 'dns',
  ETIMEDOUT: 'timeout',
  UND_ERR_CONNECT_TIMEOUT: 'timeout',
  UND_ERR_HEADERS_TIMEOUT: 'timeout',
  UND_ERR_BODY_TIMEOUT: 'timeout',
  UND_ERR_RES_EXCEEDED_MAX_SIZE: 'wrong_kind',
  UND_ERR_HEADERS_OVERFLOW: 'wrong_kind',
  [notHttp]: 'wrong_kind',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'tls',
  SELF_SIGNED_CERT_IN_CHAIN: 'tls',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'tls',
  UNABLE_TO_GET_ISSUER_CERT: 'tls',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'tls',
  HOSTNAME_MISMATCH: 'tls',
  EPROTO: 'tls',
};

/** What people read; the server's name stands before it. */
const wordsByClass: Readonly<Partial<Record<CauseClass, string>>> = {
  refused: 'refuses connections: nothing listens there',
  dns: 'cannot be found: its name does not resolve',
  timeout: 'did not answer in time',
  tls: 'could not be reached over TLS',
  network: 'closed the connection or cannot be reached',
  wrong_kind: 'does not answer as a model server does',
};

/**
 * The class and a sentence for an error of a connection or HTTP exchange that brought no answer.
 * `server` is what the sentence names (`127.0.0.1:11434`); the error's own text is never copied, since it can hold a URL with a key.
 */
export function transportCause(error: unknown, server: string): Cause {
  const code = codeOf(error);
  const causeClass = classOf(code);
  const detail = code === '' || causeClass === 'refused' ? '' : ` (${code})`;
  return { class: causeClass, message: `${server} ${wordsByClass[causeClass] ?? 'failed'}${detail}` };
}

function classOf(code: string): CauseClass {
  const known = classByCode[code];
  if (known) return known;
  const isTls = code.startsWith('CERT_') || code.startsWith('ERR_TLS_') || code.startsWith('ERR_SSL_');
  return isTls ? 'tls' : 'network';
}

/** The code of an error; of the first inner one where several addresses of a name were tried. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  // Its own codes are llhttp's and often missing.
  if (error instanceof errors.HTTPParserError) return notHttp;
  if ('code' in error && typeof error.code === 'string') return error.code;
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  return error.cause === undefined ? '' : codeOf(error.cause);
}
