// What a connection error means: whether anything was sent decides what may be done next.

import type { TransportFailure } from '../providers/provider.ts';

/** System and undici error codes before a connection stood: the provider has seen nothing. */
const NOT_CONNECTED: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused the connection: nothing listens there',
  ENOTFOUND: 'the host name is not known',
  EAI_AGAIN: 'the host name cannot be looked up now',
  EHOSTUNREACH: 'the host cannot be reached',
  EHOSTDOWN: 'the host is down',
  ENETUNREACH: 'the network cannot be reached',
  ENETDOWN: 'the network is down',
  EADDRNOTAVAIL: 'no local address is left for the connection',
  EACCES: 'the system does not allow the connection',
  EPERM: 'the system does not allow the connection',
};

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  const { code, errors, cause } = error as { code?: unknown; errors?: unknown; cause?: unknown };
  if (typeof code === 'string') return code;
  // Several addresses were tried (happy eyeballs): they fail alike.
  if (Array.isArray(errors) && errors.length > 0) return codeOf(errors[0]);
  return cause === undefined ? '' : codeOf(cause);
}

/**
 * Names the failure behind an error of the connection.
 * @returns `unreachable` (nothing was sent), `timeout_connect`, or `bad_answer` (the connection was lost, or what came is no HTTP)
 */
export function describeTransportError(error: Error): TransportFailure {
  const code = codeOf(error);
  const known = NOT_CONNECTED[code];
  if (known !== undefined) return { kind: 'unreachable', message: `${known} (${code})` };
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT') {
    return { kind: 'timeout_connect', message: 'did not accept the connection in time' };
  }
  if (code.startsWith('ERR_TLS') || code.startsWith('CERT_') || TLS_CODES.has(code)) {
    return { kind: 'unreachable', message: `the TLS connection failed (${code}): see ca_file and tls_insecure` };
  }
  if (LOST.has(code)) {
    return { kind: 'bad_answer', message: `the connection was lost (${error.message})` };
  }
  return { kind: 'bad_answer', message: `what came is not an HTTP answer (${code || error.message})` };
}

const LOST: ReadonlySet<string> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);

/** The other side ended a connection that stood; nothing came over it that is no HTTP. */
export function isConnectionLoss(error: Error): boolean {
  return LOST.has(codeOf(error));
}

const TLS_CODES = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'EPROTO',
]);
