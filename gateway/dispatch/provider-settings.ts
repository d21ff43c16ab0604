// Where the settings of a provider are: in the configuration, or with the catalog for one that was discovered.

import type { Catalog } from '../catalog/catalog.ts';
import type { ProviderSettings, Settings } from '../config/settings.ts';
import { GatewayError } from '../errors.ts';

/** @throws GatewayError `internal`: a decision named a provider that nobody knows */
export function providerSettings(settings: Settings, catalog: Catalog, name: string): ProviderSettings {
  const provider = settings.providers.get(name) ?? catalog.providerSettings(name);
  if (provider !== undefined) return provider;
  throw new GatewayError('internal', `provider ${name} was decided for but is not configured`);
}
