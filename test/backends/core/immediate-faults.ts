// Faults that need nothing of the real answer: they happen instead of it.

import type { Exchange } from './exchange.ts';
import type { Fault, FaultKind } from './faults.ts';
import type { Situation, StandInKind } from './kind.ts';

const SITUATIONS: Readonly<Partial<Record<FaultKind, Situation>>> = {
  unauthorized: 'unauthorized',
  not_found: 'not_found',
  server_error: 'server_error',
  loading: 'loading',
  overloaded: 'overloaded',
  rate_limited: 'rate_limited',
};

const BAD_GATEWAY =
  '<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n';
const PAGE = '<!doctype html><html><head><title>Welcome</title></head><body><h1>It works!</h1></body></html>\n';

function html(exchange: Exchange, status: number, page: string): void {
  const headers = ['Content-Type', 'text/html', 'Content-Length', String(Buffer.byteLength(page))];
  exchange.wire.answer(status, headers, page);
}

function redirect(exchange: Exchange, fault: Fault): void {
  const location = fault.location ?? `http://127.0.0.1:9${exchange.path}`;
  exchange.wire.answer(fault.status ?? 307, ['Location', location, 'Content-Length', '0'], '');
}

function describe(exchange: Exchange, kind: StandInKind, situation: Situation, fault: Fault): void {
  const { status, headers, body } = kind.describe(situation, exchange, fault.message ?? null);
  const retryAfter = fault.retryAfter ?? (situation === 'rate_limited' ? '1' : '');
  exchange.wire.answer(status, retryAfter === '' ? headers : ['Retry-After', retryAfter, ...headers], body);
}

/** Carries the fault out if it is one of these; false when the kind has to answer (and spoil it on the way). */
export function happensInstead(exchange: Exchange, kind: StandInKind, fault: Fault): boolean {
  const situation = SITUATIONS[fault.kind];
  if (situation) {
    describe(exchange, kind, situation, fault);
    return true;
  }
  switch (fault.kind) {
    case 'hang':
      return true;
    case 'close':
      exchange.wire.response.socket?.destroySoon();
      return true;
    case 'reset':
      exchange.wire.response.socket?.resetAndDestroy();
      return true;
    case 'close_on_reuse':
      if (exchange.reuseCount === 0) return false;
      exchange.wire.response.socket?.destroySoon();
      return true;
    case 'bad_gateway':
      html(exchange, 502, BAD_GATEWAY);
      return true;
    case 'html':
      html(exchange, 200, PAGE);
      return true;
    case 'redirect':
      redirect(exchange, fault);
      return true;
    default:
      return false;
  }
}
