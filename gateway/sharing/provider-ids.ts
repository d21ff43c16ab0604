// Which providers of two gateways are the same server: each gateway may call it something else.

import { isLoopback, parseBaseUrl } from '../config/address.ts';
import type { ProviderSettings, Settings } from '../config/settings.ts';

/** Names of this gateway's providers, and what they are called between gateways. */
export interface ProviderIds {
  /** Null: not configured here (any more). */
  idOf(name: string): string | null;
  /** Null: a provider this gateway does not have. */
  nameOf(id: string): string | null;
}

/**
 * A provider is known by its kind and address, one without an address by its name. A loopback address means this machine,
 * so it goes by the machine's name: the Ollama of another machine is another one.
 * @param machine name of the machine the gateway runs on
 */
export function providerIds(settings: Settings, machine: string): ProviderIds {
  const providers = [...settings.providers.values()];
  const plain = providers.map((provider) => plainId(provider, machine.toLowerCase()));
  const ids = new Map<string, string>();
  const names = new Map<string, string>();
  for (const [at, { name }] of providers.entries()) {
    const id = plain[at] ?? name;
    // The same address twice differs in its credentials, which are limited and refused each on their own.
    const own = plain.indexOf(id) === plain.lastIndexOf(id) ? id : `${id} ${name}`;
    ids.set(name, own);
    names.set(own, name);
  }
  return { idOf: (name) => ids.get(name) ?? null, nameOf: (id) => names.get(id) ?? null };
}

function plainId({ kind, vendor, baseUrl, name }: ProviderSettings, machine: string): string {
  const url = parseBaseUrl(baseUrl);
  if (typeof url === 'string') return `${vendor ?? kind} ${name}`;
  const host = isLoopback(url.host) ? machine : url.host;
  return `${vendor ?? kind} ${host}:${url.port}${new URL(url.baseUrl).pathname.replace(/\/$/, '')}`;
}
