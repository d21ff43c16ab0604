// Switching a provider: the wish is kept first, where it outlives a restart, and then takes effect.

import type { Catalog } from './catalog/catalog.ts';
import { setProviderEnabled } from './config/edit.ts';
import type { SettingsStore } from './config/store.ts';
import { GatewayError } from './errors.ts';

export interface ProviderSwitchOptions {
  readonly store: SettingsStore;
  readonly catalog: Catalog;
  readonly dataFolder: string;
}

/**
 * Returns what switches a provider by its name.
 * It rejects with `GatewayError`: `not_found` for an unknown name, `conflict` when the file changed meanwhile.
 */
export function providerSwitch({ store, catalog, dataFolder }: ProviderSwitchOptions) {
  return async (name: string, isEnabled: boolean): Promise<void> => {
    const settings = store.current.providers.get(name);
    if (settings?.isNamedInFile === true && settings.position !== null) {
      const { file } = settings.position;
      setProviderEnabled(file, name, isEnabled, { dataFolder, expectedDigest: store.digestOf(file) });
    }
    if (catalog.setEnabled(name, isEnabled) === null) {
      throw new GatewayError('not_found', `there is no provider ${name}`);
    }
    // The watcher would notice too; what the answer says must hold at once.
    store.reload();
  };
}
