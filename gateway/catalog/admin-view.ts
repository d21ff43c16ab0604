// Parts of the catalog as the admin API shows them.

import type { AdminModel } from '../contract.ts';
import type { ModelFacts } from '../types.ts';

/** One model for the admin API. */
export function adminModel(facts: ModelFacts): AdminModel {
  return {
    id: facts.id,
    size: facts.size,
    activeSize: facts.activeSize,
    quantization: facts.quantization,
    contextTrained: facts.contextTrained,
    contextLoaded: facts.contextLoaded,
    capabilities: facts.capabilities === null ? null : [...facts.capabilities],
    isLoaded: facts.isLoaded,
    isCloud: facts.remoteHost !== null,
  };
}

/** A base URL as it may be shown: user name and password left out. */
export function withoutCredentials(baseUrl: string): string {
  const url = URL.parse(baseUrl);
  if (url === null || (url.username === '' && url.password === '')) return baseUrl;
  url.username = '';
  url.password = '';
  return url.href.replace(/\/$/, '');
}
