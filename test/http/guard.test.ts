import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { describe, expect, test } from 'vitest';
import { defaultServer } from '../../gateway/config/defaults.ts';
import type { ServerSettings } from '../../gateway/config/settings.ts';
import { Guard, type GuardOptions, type Verdict } from '../../gateway/http/guard.ts';
import { areaOf, readTarget } from '../../gateway/http/paths.ts';

const TOKEN = 'the-management-token';
const KEY = 'sk-secret';
const keys = [
  { name: 'other', sha256: createHash('sha256').update('another').digest('hex') },
  { name: 'laptop', sha256: createHash('sha256').update(KEY).digest('hex') },
];

interface Ask {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: IncomingHttpHeaders;
  readonly from?: string;
  readonly at?: string;
  readonly server?: Partial<ServerSettings>;
  readonly options?: Partial<GuardOptions>;
}

function ask({
  method = 'GET',
  path = '/v1/models',
  headers = {},
  from = '127.0.0.1',
  at,
  server,
  options,
}: Ask): Verdict {
  const guard = new Guard({
    server: { ...defaultServer, ...server },
    boundHost: '127.0.0.1',
    isTls: false,
    hostname: 'Workstation.example.net',
    managementToken: TOKEN,
    sessions: { find: () => null },
    instance: 'this-instance',
    ...options,
  });
  const target = readTarget(path);
  return guard.check(
    {
      method,
      headers: { host: 'localhost:4000', ...headers },
      socket: { remoteAddress: from, localAddress: at ?? from, localPort: 4000 },
    },
    areaOf(target?.path ?? path),
    target?.authority ?? null,
  );
}

/** `allowed`, `preflight`, or the code of the refusal. */
function inWord(verdict: Verdict): string {
  return verdict.is === 'refused' ? verdict.error.code : verdict.is;
}

const lan = { options: { boundHost: '0.0.0.0' }, server: { apiKeys: keys } } as const;

describe('Host', () => {
  test.each([
    ['localhost', 'allowed'],
    ['localhost:4000', 'allowed'],
    ['LOCALHOST:1', 'allowed'],
    ['localhost.', 'allowed'],
    ['app.localhost:4000', 'allowed'],
    ['127.0.0.1:4000', 'allowed'],
    ['127.1.2.3', 'allowed'],
    ['[::1]:4000', 'allowed'],
    ['workstation.example.net', 'allowed'],
    ['workstation', 'allowed'],
    ['workstation.local:4000', 'allowed'],
    ['host.docker.internal:4000', 'allowed'],
    ['host.containers.internal', 'allowed'],
    ['evil.example', 'host_not_allowed'],
    ['localhost.evil.example', 'host_not_allowed'],
    ['127.0.0.1.evil.example', 'host_not_allowed'],
    ['127.evil.example', 'host_not_allowed'],
    ['192.168.1.5:4000', 'host_not_allowed'],
    ['localhost:4000@evil.example', 'host_not_allowed'],
    ['localhost, evil.example', 'host_not_allowed'],
    ['evil.example/localhost', 'host_not_allowed'],
    ['', 'host_not_allowed'],
    [' ', 'host_not_allowed'],
  ])('%j is %s', (host, expected) => {
    for (const path of ['/v1/models', '/api/tags', '/', '/health/readiness', '/admin/challenge', '/ui/'])
      expect([path, inWord(ask({ path, headers: { host } }))]).toEqual([path, expected]);
  });

  test('a request without one is no valid request', () => {
    const verdict = new Guard({
      server: defaultServer,
      boundHost: '127.0.0.1',
      isTls: false,
      hostname: 'w',
      managementToken: TOKEN,
      sessions: { find: () => null },
      instance: 'i',
    }).check({ method: 'GET', headers: {}, socket: { remoteAddress: '127.0.0.1' } }, 'api');
    expect(inWord(verdict)).toBe('invalid_request');
  });

  test('configured names and ends of names are allowed, a bare star is not', () => {
    const server = { allowedHosts: ['gpu.lan', 'Box.lan:4000', '*.tail.example', '*'] };
    const verdicts = [
      'gpu.lan:4000',
      'box.lan',
      'a.tail.example',
      'tail.example',
      'evil.example',
      'eviltail.example',
    ].map((host) => inWord(ask({ headers: { host }, server })));
    expect(verdicts).toEqual([
      'allowed',
      'allowed',
      'allowed',
      'host_not_allowed',
      'host_not_allowed',
      'host_not_allowed',
    ]);
  });

  test('the very address a connection came in on is allowed, any other is not', () => {
    const from = '192.168.1.9';
    const headers = { authorization: `Bearer ${KEY}` };
    const verdicts = ['192.168.1.5:4000', '192.168.1.6:4000'].map((host) =>
      inWord(ask({ ...lan, from, at: '::ffff:192.168.1.5', headers: { ...headers, host } })),
    );
    expect(verdicts).toEqual(['allowed', 'host_not_allowed']);
  });

  test('a whole URL as target counts in place of the header', () => {
    const verdicts = ['http://evil.example/v1/models', 'http://localhost:4000/v1/models'].map((path) =>
      inWord(ask({ path })),
    );
    expect(verdicts).toEqual(['host_not_allowed', 'allowed']);
  });

  test('remembering spellings does not change answers after a flood of them', () => {
    const guard = new Guard({
      server: defaultServer,
      boundHost: '127.0.0.1',
      isTls: false,
      hostname: 'w',
      managementToken: TOKEN,
      sessions: { find: () => null },
      instance: 'i',
    });
    const check = (host: string) =>
      inWord(guard.check({ headers: { host }, socket: { remoteAddress: '127.0.0.1' } }, 'api'));
    for (let index = 0; index < 1_000; index++) expect(check(`evil${index}.example`)).toBe('host_not_allowed');
    expect([check('localhost:4000'), check('evil999.example')]).toEqual(['allowed', 'host_not_allowed']);
  });
});

describe('Origin', () => {
  const everywhere = ['/v1/models', '/api/tags', '/models', '/health', '/metrics', '/health/liveliness'];

  test.each([
    ['http://localhost', 'allowed'],
    ['http://localhost:3000', 'allowed'],
    ['https://localhost:8443', 'allowed'],
    ['http://127.0.0.1:5173', 'allowed'],
    ['http://[::1]:5173', 'allowed'],
    ['http://tauri.localhost', 'allowed'],
    ['app://obsidian.md', 'allowed'],
    ['tauri://localhost', 'allowed'],
    ['vscode-webview://0a1b', 'allowed'],
    ['vscode-file://vscode-app', 'allowed'],
    ['http://evil.example', 'origin_not_allowed'],
    ['https://localhost.evil.example', 'origin_not_allowed'],
    ['http://127.0.0.1.evil.example', 'origin_not_allowed'],
    ['null', 'origin_not_allowed'],
    ['file://', 'origin_not_allowed'],
    ['chrome-extension://abc', 'origin_not_allowed'],
    ['xapp://obsidian.md', 'origin_not_allowed'],
    ['*', 'origin_not_allowed'],
    ['', 'origin_not_allowed'],
  ])('%j is %s', (origin, expected) => {
    for (const path of everywhere) expect([path, inWord(ask({ path, headers: { origin } }))]).toEqual([path, expected]);
  });

  test('/admin and /ui are for our own page only, which may also call the rest', () => {
    const verdict = (path: string, origin: string, host = 'localhost:4000') =>
      inWord(ask({ path, headers: { origin, host, authorization: `Bearer ${TOKEN}` } }));
    expect(verdict('/admin/status', 'http://localhost:4000')).toBe('allowed');
    expect(verdict('/admin/status', 'http://workstation:4000', 'workstation:4000')).toBe('allowed');
    expect(verdict('/v1/models', 'http://workstation:4000', 'workstation:4000')).toBe('allowed');
    expect(verdict('/admin/status', 'http://localhost:3000')).toBe('origin_not_allowed');
    expect(verdict('/admin/status', 'http://127.0.0.1:4000')).toBe('origin_not_allowed');
    expect(verdict('/admin/status', 'https://localhost:4000')).toBe('origin_not_allowed');
    expect(verdict('/admin/challenge', 'http://localhost:3000')).toBe('origin_not_allowed');
    expect(verdict('/ui/', 'vscode-webview://0a1b')).toBe('origin_not_allowed');
  });

  test('configured origins are allowed, by name, by scheme or below a domain; a bare star is nothing', () => {
    const server = {
      allowedOrigins: ['https://chat.example', 'chrome-extension://*', 'https://*.corp.example', 'null', '*'],
    };
    const verdicts = [
      'https://chat.example',
      'https://CHAT.example',
      'chrome-extension://abc',
      'https://a.corp.example',
      'null',
      'https://corp.example',
      'http://chat.example',
      'https://evil.example',
      'https://evil-corp.example',
    ].map((origin) => inWord(ask({ headers: { origin }, server })));
    expect(verdicts).toEqual([
      'allowed',
      'allowed',
      'allowed',
      'allowed',
      'allowed',
      'origin_not_allowed',
      'origin_not_allowed',
      'origin_not_allowed',
      'origin_not_allowed',
    ]);
    expect(inWord(ask({ path: '/admin/status', headers: { origin: 'https://chat.example' }, server }))).toBe(
      'origin_not_allowed',
    );
  });

  test('a preflight of an allowed page is granted without a key, what it asks for and no other origin', () => {
    const headers = {
      origin: 'http://localhost:3000',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,x-stainless-os',
      'access-control-request-private-network': 'true',
    };
    expect(ask({ method: 'OPTIONS', path: '/v1/chat/completions', headers, server: { apiKeys: keys } })).toEqual({
      is: 'preflight',
      headers: {
        'access-control-allow-origin': 'http://localhost:3000',
        'access-control-allow-methods': 'GET, HEAD, POST, PATCH, DELETE, OPTIONS',
        'access-control-allow-headers': 'authorization,x-stainless-os',
        'access-control-allow-private-network': 'true',
        'access-control-max-age': '43200',
        vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
      },
    });
    expect(inWord(ask({ method: 'OPTIONS', headers: { ...headers, origin: 'http://evil.example' } }))).toBe(
      'origin_not_allowed',
    );
  });
});

describe('API keys', () => {
  const server = { apiKeys: keys };

  test('are asked for everywhere but at liveliness, readiness, the root, /ui and /admin', () => {
    const paths = {
      '/v1/models': 'invalid_api_key',
      '/v1/chat/completions': 'invalid_api_key',
      '/chat/completions': 'invalid_api_key',
      '/api/tags': 'invalid_api_key',
      '/models': 'invalid_api_key',
      '/model/info': 'invalid_api_key',
      '/metrics': 'invalid_api_key',
      '/health': 'invalid_api_key',
      '/health/': 'invalid_api_key',
      '/nothing': 'invalid_api_key',
      '/health/liveliness': 'allowed',
      '/health/liveness': 'allowed',
      '/health/readiness': 'allowed',
      '/': 'allowed',
      '/ui/': 'allowed',
      '/admin/challenge': 'allowed',
      '/admin/status': 'management_token_required',
      // Other spellings never open what is closed.
      '//v1/models': 'invalid_api_key',
      '/health/readiness/../../v1/models': 'invalid_api_key',
      '/Health/readiness': 'invalid_api_key',
    };
    const found = Object.fromEntries(Object.keys(paths).map((path) => [path, inWord(ask({ path, server }))]));
    expect(found).toEqual(paths);
  });

  test.each([
    [{ authorization: `Bearer ${KEY}` }, 'laptop'],
    [{ authorization: `bearer  ${KEY} ` }, 'laptop'],
    [{ 'x-api-key': KEY }, 'laptop'],
    [{ 'x-api-key': 'another' }, 'other'],
    [{ authorization: 'Bearer wrong', 'x-api-key': KEY }, 'laptop'],
    [{ authorization: 'Bearer wrong' }, null],
    [{ authorization: `Basic ${KEY}` }, null],
    [{ authorization: KEY }, null],
    [{ authorization: 'Bearer ' }, null],
    [{ 'x-api-key': '' }, null],
    [{ authorization: `Bearer ${TOKEN}` }, null],
    [{ authorization: `Bearer ${keys[1]?.sha256}` }, null],
  ])('%j names the key %j', (headers: IncomingHttpHeaders, name) => {
    const verdict = ask({ headers, server });
    expect(verdict.is === 'allowed' ? verdict.apiKeyName : null).toBe(name);
  });

  test('are no concern of a gateway that has none: whatever a client sends is fine', () => {
    expect(ask({ headers: { authorization: 'Bearer ollama' } })).toMatchObject({ is: 'allowed', apiKeyName: null });
  });

  test('taken away while other machines can connect close the gateway instead of opening it', () => {
    expect(inWord(ask({ options: { boundHost: '0.0.0.0' }, from: '192.168.1.9' }))).toBe('invalid_api_key');
    expect(inWord(ask({ options: { boundHost: '0.0.0.0' } }))).toBe('invalid_api_key');
  });

  test('do not open /admin', () => {
    expect(inWord(ask({ path: '/admin/status', headers: { authorization: `Bearer ${KEY}` }, server }))).toBe(
      'management_token_required',
    );
  });
});

describe('/admin', () => {
  const bearer = { authorization: `Bearer ${TOKEN}` };

  test.each([
    ['/admin/status', bearer, 'allowed'],
    ['/admin', bearer, 'allowed'],
    ['/admin/anything', {}, 'management_token_required'],
    ['/admin/status', { authorization: `Bearer ${TOKEN}x` }, 'management_token_required'],
    ['/admin/status', { 'x-api-key': TOKEN }, 'management_token_required'],
    ['/admin/status', { cookie: `token=${TOKEN}` }, 'management_token_required'],
    ['/admin/challenge', {}, 'allowed'],
    ['/admin/challenge/x', {}, 'management_token_required'],
    ['//admin/status', {}, 'management_token_required'],
  ])('%s with %j is %s', (path, headers: IncomingHttpHeaders, expected) => {
    expect(inWord(ask({ path, headers }))).toBe(expected);
  });

  test.each([
    ['by its own page', {}, 'GET', 'allowed'],
    [
      'by its own page, to change something',
      { origin: 'http://localhost:4000', 'sec-fetch-site': 'same-origin' },
      'PATCH',
      'allowed',
    ],
    ['typed into the address bar', { 'sec-fetch-site': 'none' }, 'GET', 'allowed'],
    [
      'by a page on another port of this machine',
      { 'sec-fetch-site': 'same-site' },
      'GET',
      'management_token_required',
    ],
    ['by a page elsewhere', { 'sec-fetch-site': 'cross-site' }, 'GET', 'management_token_required'],
    ['by a form that was sent without an Origin', {}, 'POST', 'management_token_required'],
    ['by a foreign Origin', { origin: 'http://localhost:3000' }, 'GET', 'origin_not_allowed'],
    ['beside a wrong token', { authorization: 'Bearer nonsense' }, 'GET', 'management_token_required'],
  ])(
    'a session opens /admin when it is used %s only if that is the window: %j %s',
    (_how, headers, method, expected) => {
      const sessions = {
        find: (cookies: string | undefined, port: number) =>
          cookies === 'the-session' && port === 4000 ? { isAgeing: false } : null,
      };
      const asked = {
        path: '/admin/status',
        method,
        headers: { cookie: 'the-session', ...headers },
        options: { sessions },
      };
      expect(inWord(ask(asked))).toBe(expected);
      const other = { ...asked, headers: { ...headers, cookie: 'another' } };
      expect(inWord(ask(other))).not.toBe('allowed');
    },
  );

  test('and /ui answer other machines only with remote_admin, and then the token counts all the same', () => {
    const from = '192.168.1.9';
    for (const path of ['/admin/status', '/admin/challenge', '/ui/', '/ui']) {
      expect([path, inWord(ask({ ...lan, path, from, at: '127.0.0.1', headers: bearer }))]).toEqual([
        path,
        'remote_admin_disabled',
      ]);
    }
    const server = { ...lan.server, isRemoteAdminAllowed: true };
    expect(inWord(ask({ ...lan, server, path: '/admin/status', from, headers: bearer }))).toBe('allowed');
    expect(inWord(ask({ ...lan, server, path: '/admin/status', from }))).toBe('management_token_required');
  });

  test.each([
    'forwarded',
    'x-forwarded-for',
    'x-forwarded-host',
    'x-forwarded-proto',
    'x-real-ip',
    'via',
    'cf-connecting-ip',
  ])('behind a proxy on this machine (%s) is another machine', (name) => {
    expect(inWord(ask({ path: '/admin/status', headers: { ...bearer, [name]: '127.0.0.1' } }))).toBe(
      'remote_admin_disabled',
    );
    expect(ask({ headers: { [name]: '127.0.0.1' } })).toMatchObject({ is: 'allowed', isLoopback: false });
  });

  test.each(['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1'])('%s is this machine', (from) => {
    expect(ask({ from })).toMatchObject({ is: 'allowed', isLoopback: true });
  });

  test.each(['192.168.1.9', '10.0.0.1', '::ffff:10.0.0.1', 'fe80::1', '127evil', ''])('%j is not', (from) => {
    expect(ask({ from })).toMatchObject({ is: 'allowed', isLoopback: false });
  });
});

describe('loops', () => {
  test.each([
    ['this-instance', 'loop_detected'],
    ['other, this-instance', 'loop_detected'],
    ['other-instance', 'allowed'],
    ['this-instance-2', 'allowed'],
  ])('a hop header of %j is %s', (hop, expected) => {
    expect(inWord(ask({ headers: { 'x-switchyard-hop': hop } }))).toBe(expected);
    expect(inWord(ask({ path: '/health/readiness', headers: { 'x-switchyard-hop': hop } }))).toBe(expected);
  });
});

test('every refusal is a sentence that says what to do', () => {
  const refusals = [
    ask({ headers: { host: 'evil.example' } }),
    ask({ headers: { origin: 'http://evil.example' } }),
    ask({ path: '/admin/status' }),
    ask({ path: '/admin/status', from: '10.0.0.1' }),
    ask({ server: { apiKeys: keys } }),
    ask({ headers: { 'x-switchyard-hop': 'this-instance' } }),
  ];
  for (const verdict of refusals) {
    expect(verdict.is).toBe('refused');
    if (verdict.is === 'refused') expect(verdict.error.message).toMatch(/: |\. /);
  }
});
