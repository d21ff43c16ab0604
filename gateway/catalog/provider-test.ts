// Tries an address as a provider, step by step: what a person sees fill while adding one. Reads only.

import { lookup } from 'node:dns/promises';
import { connect } from 'node:net';
import type { Clock } from '../clock.ts';
import { parseBaseUrl } from '../config/address.ts';
import type { AdminTestedProvider, AdminTestStep } from '../contract.ts';
import { fingerprint, type RecognisedServer } from '../providers/fingerprint.ts';
import { adapters } from '../providers/index.ts';
import { ProbeError } from '../providers/provider.ts';
import { ProbeConnection } from './probe-client.ts';
import { transportCause } from './transport-cause.ts';

export interface ProviderTestOptions {
  readonly clock: Clock;
  /** For each step. */
  readonly timeoutMs: number;
  /** Ends it: the next step is not begun. */
  readonly signal: AbortSignal;
}

type StepName = AdminTestStep['step'];

const order: readonly StepName[] = [
  'address',
  'resolves',
  'connects',
  'tls',
  'answers',
  'recognised',
  'accepted',
  'models',
];

/** A step that failed: those behind it make no sense. */
class StepFailed extends Error {}

/** Yields each step as it ends; after the first that failed all others are skipped. Never throws. */
export async function* testProvider(
  draft: AdminTestedProvider,
  options: ProviderTestOptions,
): AsyncGenerator<AdminTestStep, void, void> {
  const trial = new Trial(draft, options);
  let hasFailed = false;
  try {
    for (const step of order) {
      if (options.signal.aborted) return;
      const startedAt = options.clock.monotonic();
      const told: Told = hasFailed ? SKIPPED : await trial.take(step);
      hasFailed ||= told.is === 'failed';
      yield { step, ...told, durationMs: options.clock.monotonic() - startedAt, kind: trial.kind };
    }
  } finally {
    await trial.close();
  }
}

type Told = Pick<AdminTestStep, 'is' | 'message'>;

const SKIPPED: Told = { is: 'skipped', message: '' };

function passed(message: string): Told {
  return { is: 'passed', message };
}

class Trial {
  readonly #draft: AdminTestedProvider;
  readonly #options: ProviderTestOptions;
  #address = { baseUrl: '', host: '', port: 0 };
  #connection: ProbeConnection | null = null;
  #recognised: RecognisedServer | null = null;

  constructor(draft: AdminTestedProvider, options: ProviderTestOptions) {
    this.#draft = draft;
    this.#options = options;
  }

  /** The kind it was told to be, else the one that was recognised. */
  get kind(): AdminTestStep['kind'] {
    return this.#draft.kind ?? this.#recognised?.kind ?? null;
  }

  async close(): Promise<void> {
    await this.#connection?.close();
  }

  async take(step: StepName): Promise<Told> {
    try {
      return await this.#steps[step]();
    } catch (error) {
      if (error instanceof StepFailed) return { is: 'failed', message: error.message };
      const cause = error instanceof ProbeError ? error.failure : transportCause(error, this.#server);
      return { is: 'failed', message: cause.message };
    }
  }

  readonly #steps: Readonly<Record<StepName, () => Told | Promise<Told>>> = {
    address: () => this.#readAddress(),
    resolves: () => this.#resolve(),
    connects: () => this.#reach(),
    tls: () => this.#checkTls(),
    answers: () => this.#ask(),
    recognised: () => this.#recognise(),
    accepted: () => this.#authenticate(),
    models: () => this.#list(),
  };

  get #server(): string {
    return `${this.#address.host}:${this.#address.port}`;
  }

  get #isTls(): boolean {
    return this.#address.baseUrl.startsWith('https:');
  }

  #readAddress(): Told {
    const text = this.#draft.baseUrl.trim();
    const address = parseBaseUrl(text.includes('://') ? text : `http://${text}`);
    if (typeof address === 'string') throw new StepFailed(address);
    this.#address = address;
    this.#connection = this.#connect({});
    return passed(address.baseUrl);
  }

  async #resolve(): Promise<Told> {
    const found = await lookup(this.#address.host, { all: true });
    return passed([...new Set(found.map(({ address }) => address))].join(', '));
  }

  /** The first address that takes a connection, as the connections of requests find it. */
  async #reach(): Promise<Told> {
    const { host, port } = this.#address;
    const { clock, timeoutMs } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const socket = connect({ host, port, autoSelectFamily: true }, resolve);
    socket.on('error', reject);
    const cancel = clock.after(timeoutMs, () =>
      reject(new StepFailed(`${this.#server} did not take the connection within ${timeoutMs} ms`)),
    );
    try {
      await promise;
    } finally {
      cancel();
      socket.destroy();
    }
    return passed(this.#server);
  }

  async #checkTls(): Promise<Told> {
    if (!this.#isTls) return SKIPPED;
    try {
      await this.#get('/');
    } catch (error) {
      // A server without TLS breaks the handshake off; whatever else is wrong is another step's.
      const isHandshake = error instanceof ProbeError && ['tls', 'network'].includes(error.failure.class);
      if (isHandshake) throw error;
    }
    return passed(this.#draft.isTlsInsecure === true ? 'any certificate is accepted' : 'the certificate is valid');
  }

  /** The one page that no kind of server minds being asked for. */
  async #ask(): Promise<Told> {
    const { status } = await this.#get('/openapi.json');
    return passed(`HTTP ${status}`);
  }

  async #recognise(): Promise<Told> {
    const found = await fingerprint((path) => this.#get(path), this.#address.port);
    const { kind } = this.#draft;
    if (found === null) {
      if (kind === 'openai') return passed('taken for a server that speaks OpenAI');
      throw new StepFailed('something answers, but not as any server that is known here');
    }
    if ('notOurs' in found) throw new StepFailed(`it is not to be used: ${found.notOurs}`);
    this.#recognised = found;
    const name = found.version === null ? found.product : `${found.product} ${found.version}`;
    if (kind === undefined || kind === found.kind || kind === 'openai') return passed(`${name} (${found.evidence})`);
    throw new StepFailed(`something answers, but as ${name}, not as ${kind}`);
  }

  async #authenticate(): Promise<Told> {
    const { observed, cause } = await this.#probe();
    if (observed === 'auth') throw new StepFailed(cause?.message ?? 'the key was refused');
    return passed(this.#draft.apiKey === undefined ? 'no key is asked for' : 'the key was accepted');
  }

  async #list(): Promise<Told> {
    const { observed, cause, models } = await this.#probe();
    if (observed === 'down' && cause !== null) throw new StepFailed(cause.message);
    if (observed === 'warming') return passed(cause?.message ?? 'it is loading still');
    return passed(models === null ? 'it tells no list' : `${models.length} listed`);
  }

  async #probe() {
    const adapter = adapters[this.kind ?? 'openai'];
    const { apiKey } = this.#draft;
    const { clock, timeoutMs } = this.#options;
    const connection = this.#connect(apiKey === undefined ? {} : adapter.authHeaders(apiKey));
    try {
      const context = { nowMs: clock.now(), inFlight: 0, abandonedAtMs: null, isFirst: true };
      return await adapter.probe(connection.client({ timeoutMs, wholeMs: timeoutMs * 5 }), context, null);
    } finally {
      await connection.close();
    }
  }

  async #get(path: string) {
    const { timeoutMs } = this.#options;
    if (this.#connection === null) throw new TypeError('the address comes first');
    return await this.#connection.client({ timeoutMs, wholeMs: timeoutMs }).get(path);
  }

  #connect(authHeaders: Readonly<Record<string, string>>): ProbeConnection {
    const { headers = {}, caFile = null, isTlsInsecure = false } = this.#draft;
    const target = { baseUrl: this.#address.baseUrl, headers, caFile, isTlsInsecure };
    return new ProbeConnection({ target, authHeaders, clock: this.#options.clock });
  }
}
