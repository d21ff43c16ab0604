// Who may ask for what, decided from the head of a request alone, before a byte of its body is read. Pure.

import type { IncomingHttpHeaders } from 'node:http';
import type { ServerSettings } from '../config/settings.ts';
import { GatewayError } from '../errors.ts';
import { bearerToken, isSameSecret, KeyRing } from './api-keys.ts';
import { hostNameOf, isLoopbackAddress, isLoopbackName, machineNames } from './local-names.ts';
import { isAllowedOrigin, preflightHeaders } from './origins.ts';
import type { Area } from './paths.ts';
import type { WindowSessions } from './window-sessions.ts';

/** The part of a request the guard looks at; an `IncomingMessage` is one. */
export interface GuardedRequest {
  readonly method?: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly socket: {
    readonly remoteAddress?: string | undefined;
    readonly localAddress?: string | undefined;
    readonly localPort?: number | undefined;
  };
}

/** What the guard found. `refused` carries the error to answer with. */
export type Verdict =
  | {
      readonly is: 'allowed';
      /** The name of the API key that was presented; null where none is asked for. */
      readonly apiKeyName: string | null;
      /** The client sits on this machine and nothing says that it only passes a request on. */
      readonly isLoopback: boolean;
      /** The web page's origin, to be told in the answer; null for what is no web page. */
      readonly origin: string | null;
    }
  | { readonly is: 'preflight'; readonly headers: Readonly<Record<string, string>> }
  | { readonly is: 'refused'; readonly error: GatewayError; readonly origin: string | null };

export interface GuardOptions {
  readonly server: ServerSettings;
  /** The host that is really bound, which a changed setting does not move. */
  readonly boundHost: string;
  readonly isTls: boolean;
  /** This machine's name. */
  readonly hostname: string;
  readonly managementToken: string;
  /** What our own requests to providers carry in `x-switchyard-hop`. */
  readonly instance: string;
  /** Browsers that a one-time link let in. */
  readonly sessions: Pick<WindowSessions, 'find'>;
}

const FORWARDING_HEADERS = [
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-port',
  'x-forwarded-server',
  'x-real-ip',
  'x-client-ip',
  'true-client-ip',
  'cf-connecting-ip',
  'via',
] as const;

/** How many spellings of Host and Origin are remembered: enough for every client of one machine, nothing for a flood. */
const REMEMBERED_SPELLINGS = 64;

const ALLOWED_LOCALLY: Verdict = Object.freeze({ is: 'allowed', apiKeyName: null, isLoopback: true, origin: null });

function isForwarded(headers: IncomingHttpHeaders): boolean {
  for (const name of FORWARDING_HEADERS) if (headers[name] !== undefined) return true;
  return false;
}

/** Remembers answers of a pure question for its first few different inputs. */
class Remembered {
  readonly #answers = new Map<string, boolean>();
  readonly #ask: (input: string) => boolean;

  constructor(ask: (input: string) => boolean) {
    this.#ask = ask;
  }

  get(input: string): boolean {
    const known = this.#answers.get(input);
    if (known !== undefined) return known;
    const answer = this.#ask(input);
    if (this.#answers.size < REMEMBERED_SPELLINGS) this.#answers.set(input, answer);
    return answer;
  }
}

/** One set of server settings turned into decisions; made anew when the settings change. */
export class Guard {
  readonly #options: GuardOptions;
  readonly #keys: KeyRing;
  readonly #hosts: Remembered;
  readonly #origins: Remembered;
  /** Off this machine the gateway never runs open, also when the last key is taken out of the file while it runs. */
  readonly #needsKey: boolean;

  constructor(options: GuardOptions) {
    this.#options = options;
    this.#keys = new KeyRing(options.server.apiKeys);
    this.#needsKey = options.server.apiKeys.length > 0 || !isLoopbackName(options.boundHost);
    const names = new Set([...machineNames(options.hostname), ...options.server.allowedHosts.map(configuredHost)]);
    const suffixes = [...names].filter((name) => name.startsWith('*.')).map((name) => name.slice(1));
    this.#hosts = new Remembered((authority) => {
      const name = hostNameOf(authority);
      if (name === null) return false;
      return isLoopbackName(name) || names.has(name) || suffixes.some((suffix) => name.endsWith(suffix));
    });
    this.#origins = new Remembered((origin) => isAllowedOrigin(origin, options.server.allowedOrigins));
  }

  /**
   * `authority` is the host a whole URL in the request line named, else null.
   * Order: Host, loop, Origin, preflight, other machines at `/admin` and `/ui`, then keys and the token.
   */
  check(request: GuardedRequest, area: Area, authority: string | null = null): Verdict {
    const { headers } = request;
    const host = authority ?? headers.host;
    if (host === undefined || !this.#isAllowedHost(host, request)) return refused(hostError(host));
    if (headers['x-switchyard-hop'] !== undefined && this.#isOurHop(headers['x-switchyard-hop']))
      return refused(loop());

    const origin = headers.origin ?? null;
    if (origin !== null) {
      if (!this.#isAllowedPage(origin, host, area)) return refused(originError(origin, area));
      if (request.method === 'OPTIONS' && headers['access-control-request-method'] !== undefined)
        return { is: 'preflight', headers: preflightHeaders(origin, headers) };
    }

    const isLoopback = isLoopbackAddress(request.socket.remoteAddress ?? '') && !isForwarded(headers);
    if (area === 'api') return this.#checkKey(headers, isLoopback, origin);
    if (area !== 'open') {
      const error = this.#managementError(request, area, isLoopback);
      if (error) return refused(error, origin);
    }
    if (isLoopback && origin === null) return ALLOWED_LOCALLY;
    return { is: 'allowed', apiKeyName: null, isLoopback, origin };
  }

  #isAllowedHost(host: string, request: GuardedRequest): boolean {
    if (this.#hosts.get(host)) return true;
    // The very address the connection came in on is no name, so no foreign DNS can have pointed it here.
    const address = request.socket.localAddress;
    return address !== undefined && hostNameOf(host) === address.replace(/^::ffff:/, '');
  }

  #isOurHop(value: string | string[]): boolean {
    return String(value)
      .split(',')
      .some((instance) => instance.trim() === this.#options.instance);
  }

  #isAllowedPage(origin: string, host: string, area: Area): boolean {
    const own = `${this.#options.isTls ? 'https' : 'http'}://${host}`.toLowerCase();
    if (origin.toLowerCase() === own) return true;
    return area === 'api' || area === 'open' ? this.#origins.get(origin) : false;
  }

  #isOurWindow(request: GuardedRequest): boolean {
    const { cookie } = request.headers;
    if (cookie === undefined || !isFromOurPage(request)) return false;
    return this.#options.sessions.find(cookie, request.socket.localPort ?? 0) !== null;
  }

  #checkKey(headers: IncomingHttpHeaders, isLoopback: boolean, origin: string | null): Verdict {
    if (!this.#needsKey) {
      if (isLoopback && origin === null) return ALLOWED_LOCALLY;
      return { is: 'allowed', apiKeyName: null, isLoopback, origin };
    }
    const name = this.#keys.nameFor(headers);
    if (name === null) return refused(keyError(headers, this.#keys.isEmpty), origin);
    return { is: 'allowed', apiKeyName: name, isLoopback, origin };
  }

  #managementError(request: GuardedRequest, area: Area, isLoopback: boolean): GatewayError | null {
    if (!isLoopback && !this.#options.server.isRemoteAdminAllowed)
      return new GatewayError(
        'remote_admin_disabled',
        '/admin and /ui answer this machine only: set server.remote_admin to true to allow other machines, or ask from this one without a proxy in between.',
      );
    if (area !== 'admin') return null;
    const token = bearerToken(request.headers);
    if (token === null && this.#isOurWindow(request)) return null;
    if (token !== null && isSameSecret(token, this.#options.managementToken)) return null;
    return new GatewayError(
      'management_token_required',
      `${token === null ? '/admin needs the management token' : 'The management token is not the right one'}: send Authorization: Bearer TOKEN, where TOKEN is what "switchyard token" prints, or sign a browser in with "switchyard ui".`,
    );
  }
}

/** Whether a browser that says where a request comes from says: from the gateway's own page, or typed by its user. */
function isFromOurPage({ method, headers }: GuardedRequest): boolean {
  // Another port of this machine is the same site to a browser, and gets the cookie sent along.
  const site = headers['sec-fetch-site'];
  if (site === 'same-origin') return true;
  const isReading = method === 'GET' || method === 'HEAD';
  if (site === 'none') return isReading;
  // Browsers say no site to plain HTTP on other machines: there the Origin stands for it, which was looked at already.
  return site === undefined && (isReading || headers.origin !== undefined);
}

/** An entry of `allowed_hosts` as it is compared: a name, or `*.` and the end of one. A port in it means nothing. */
function configuredHost(entry: string): string {
  const lower = entry.toLowerCase();
  return lower.startsWith('*.') ? lower : (hostNameOf(lower) ?? lower);
}

function refused(error: GatewayError, origin: string | null = null): Verdict {
  return { is: 'refused', error, origin };
}

function hostError(host: string | undefined): GatewayError {
  if (host === undefined)
    return new GatewayError(
      'invalid_request',
      'The request has no Host header: send the name you reach this gateway by.',
    );
  return new GatewayError(
    'host_not_allowed',
    `The host ${JSON.stringify(host.slice(0, 200))} is not one this gateway answers to: use localhost, or add the name to server.allowed_hosts.`,
  );
}

function originError(origin: string, area: Area): GatewayError {
  const shown = JSON.stringify(origin.slice(0, 200));
  return new GatewayError(
    'origin_not_allowed',
    area === 'api' || area === 'open'
      ? `Web pages of ${shown} may not call this gateway: add the origin to server.allowed_origins if they should.`
      : `Web pages of ${shown} may not call /admin or /ui: only the gateway's own window may.`,
  );
}

function keyError(headers: IncomingHttpHeaders, isWithoutKeys: boolean): GatewayError {
  if (isWithoutKeys)
    return new GatewayError(
      'invalid_api_key',
      'This gateway listens beyond this machine and has no API keys, so it serves nobody: add server.api_keys, or bind 127.0.0.1.',
    );
  const isPresented = headers.authorization !== undefined || headers['x-api-key'] !== undefined;
  return new GatewayError(
    'invalid_api_key',
    `${isPresented ? 'The API key is not one of those in server.api_keys' : 'This gateway needs an API key'}: send one of them as Authorization: Bearer KEY or as x-api-key.`,
  );
}

function loop(): GatewayError {
  return new GatewayError(
    'loop_detected',
    'This request has already passed through this very gateway: a provider points back here. Correct the base_url of the provider that is this gateway or leads to it.',
  );
}
