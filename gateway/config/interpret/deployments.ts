// The providers behind `model_list`: found from its entries, named, and joined with those of `providers`.

import { comparableUrl, parseBaseUrl } from '../address.ts';
import { defaultProvider, noTimeLimits } from '../defaults.ts';
import type { DocumentPath } from '../problems.ts';
import type { LitellmParamsValues } from '../schema/litellm.ts';
import type { FilePosition, ProbeSettings, ProviderSettings } from '../settings.ts';
import { checkedAddress, remarkOnPlainSecret } from './providers.ts';
import { entryAt, missingAt, type Reading, scalarAt } from './reading.ts';
import { type Upstream, upstreamOf } from './vendors.ts';

/** Keys of `litellm_params` that tell one account from another, besides key and headers. */
const accountKeys = [
  'api_version',
  'organization',
  'region_name',
  'aws_region_name',
  'aws_access_key_id',
  'aws_secret_access_key',
  'aws_session_token',
  'aws_profile_name',
  'aws_role_name',
  'aws_bedrock_runtime_endpoint',
  'vertex_project',
  'vertex_location',
  'vertex_credentials',
  'azure_ad_token',
  'tenant_id',
  'client_id',
  'client_secret',
  'litellm_credential_name',
] as const;

/** Gives each entry its provider, the same one for the same server and account. */
export class DerivedProviders {
  readonly #reading: Reading;
  readonly #probe: ProbeSettings;
  readonly #byName: Map<string, ProviderSettings>;
  readonly #byIdentity = new Map<string, string>();

  /** `providers`: those of the section of that name; they lend their names, and the derived ones are added to them. */
  constructor(reading: Reading, providers: Map<string, ProviderSettings>, probe: ProbeSettings) {
    this.#reading = reading;
    this.#probe = probe;
    this.#byName = providers;
    for (const { name, baseUrl, apiKey, headers } of providers.values())
      this.#byIdentity.set(serverIdentity(baseUrl, apiKey, headers), name);
  }

  /** The provider's name and the model as that provider knows it; null after saying what is wrong. */
  find(params: LitellmParamsValues, path: DocumentPath): { readonly provider: string; readonly model: string } | null {
    const reading = this.#reading;
    const baseKey = params.api_base != null ? 'api_base' : 'base_url';
    const written = params.api_base ?? params.base_url ?? null;
    const upstream = upstreamOf(params, written, reading.env);
    const addressText = written ?? upstream.defaultAddress;
    const addressPath = written === null ? path : [...path, baseKey];
    if (addressText === null && upstream.kind !== 'cloud') {
      const message = `${params.model} needs an "api_base": the address of the server`;
      reading.problems.error(entryAt(reading, path), [...path, 'api_base'], { code: 'missing_key', message });
      return null;
    }
    const address = addressText === null ? noAddress : checkedAddress(reading, addressText, addressPath);
    if (!address) return null;
    remarkOnPlainSecret(reading, params.api_key, [...path, 'api_key']);
    const provider = this.#provider(upstream, address, params, path);
    return { provider, model: upstream.model };
  }

  #provider(
    upstream: Upstream,
    address: Pick<ProviderSettings, 'baseUrl' | 'place'>,
    params: LitellmParamsValues,
    path: DocumentPath,
  ): string {
    const account = accountOf(this.#reading, params, path);
    const headers = params.extra_headers ?? {};
    const plain =
      account === '' && address.baseUrl !== ''
        ? serverIdentity(address.baseUrl, params.api_key || null, headers)
        : null;
    const lent = plain === null ? undefined : this.#byIdentity.get(plain);
    if (lent !== undefined) return lent;
    const kind = upstream.vendor ?? upstream.kind;
    const key = params.api_key || missingName(this.#reading, [...path, 'api_key']);
    const identity = JSON.stringify([kind, comparable(address.baseUrl), key, headers, account]);
    const known = this.#byIdentity.get(identity);
    if (known !== undefined) return known;
    const name = this.#freeName(kind, address.baseUrl);
    this.#byIdentity.set(identity, name);
    this.#byName.set(name, {
      name,
      kind: upstream.kind,
      vendor: upstream.vendor,
      ...address,
      apiKey: params.api_key || null,
      headers: { ...headers },
      notCallableBecause: this.#whyNotCallable(upstream, params, path),
      isEnabled: true,
      ...defaultProvider,
      maxParallelRequests: null,
      caFile: null,
      isTlsInsecure: false,
      rpm: null,
      tpm: null,
      timeouts: noTimeLimits,
      defaultModel: null,
      models: new Map(),
      probe: this.#probe,
      keepWarm: [],
      isDiscovered: false,
      isNamedInFile: false,
      position: this.#position(path),
    });
    return name;
  }

  #position(path: DocumentPath): FilePosition {
    return entryAt(this.#reading, path.slice(0, -1));
  }

  /** `ollama`, then `ollama@HOST:PORT`, then with `#2`, `#3` where only the rest differs. */
  #freeName(kind: string, baseUrl: string): string {
    if (!this.#byName.has(kind)) return kind;
    const url = baseUrl === '' ? null : parseBaseUrl(baseUrl);
    const named = url === null || typeof url === 'string' ? kind : `${kind}@${hostAndPort(url)}`;
    const first = this.#byName.get(kind);
    // The rest alone differs from the one that has the short name already.
    const base = first && sameServer(first.baseUrl, baseUrl) ? kind : named;
    if (!this.#byName.has(base)) return base;
    for (let number = 2; ; number++) {
      const name = `${base}#${number}`;
      if (!this.#byName.has(name)) return name;
    }
  }

  /** The first thing that keeps it from being called; null for a server that only has to be there. */
  #whyNotCallable({ kind, vendor, model }: Upstream, params: LitellmParamsValues, path: DocumentPath): string | null {
    for (const key of Object.keys(params)) {
      const missing = missingAt(this.#reading, [...path, key]);
      if (missing !== null) return missing;
    }
    for (const name of Object.keys(params.extra_headers ?? {})) {
      const missing = missingAt(this.#reading, [...path, 'extra_headers', name]);
      if (missing !== null) return missing;
    }
    if (kind !== 'cloud') return null;
    const hint = params.api_base == null ? '' : `; for a server that speaks OpenAI's protocol write openai/${model}`;
    return `${vendor} is not called yet${hint}`;
  }
}

const noAddress = { baseUrl: '', place: 'cloud' } as const;

function hostAndPort({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function sameServer(a: string, b: string): boolean {
  if (a === '' || b === '') return a === b;
  const [first, second] = [parseBaseUrl(a), parseBaseUrl(b)];
  if (typeof first === 'string' || typeof second === 'string') return false;
  return first.port === second.port && hostOf(a) === hostOf(b);
}

function hostOf(baseUrl: string): string {
  return new URL(comparableUrl(baseUrl)).host;
}

function comparable(baseUrl: string): string {
  return baseUrl === '' ? '' : comparableUrl(baseUrl);
}

function serverIdentity(baseUrl: string, apiKey: string | null, headers: Readonly<Record<string, string>>): string {
  return JSON.stringify([comparable(baseUrl), apiKey, Object.entries(headers).sort()]);
}

/** Region, project and everything else that belongs to the credentials, as one text; '' when there is nothing. */
function accountOf(reading: Reading, params: LitellmParamsValues, path: DocumentPath): string {
  const parts = accountKeys.flatMap((key) => {
    const value = params[key];
    const name = missingName(reading, [...path, key]);
    return value == null && name === null ? [] : [[key, value ?? name]];
  });
  return parts.length === 0 ? '' : JSON.stringify(parts);
}

/** What stands for a value that is missing, so that two missing ones are not taken for the same account. */
function missingName(reading: Reading, path: DocumentPath): string | null {
  return scalarAt(reading, path)?.missing ?? null;
}
