// Switching a provider: the wish is kept first, where it outlives a restart, and then takes effect. And giving one a new chance.

import type { Catalog } from './catalog/catalog.ts';
import { setProviderEnabled } from './config/edit.ts';
import type { SettingsStore } from './config/store.ts';
import type { AdminCooldown } from './contract.ts';
import type { Cooldowns } from './dispatch/cooldowns.ts';
import { GatewayError } from './errors.ts';
import { adminCooldown } from './traffic-status.ts';

export interface ProviderSwitchOptions {
  readonly store: SettingsStore;
  readonly catalog: Catalog;
  readonly dataFolder: string;
  /** What live traffic had against a provider is out of date when the user switches it on. */
  readonly forgetFailures: (provider: string) => void;
}

/**
 * Returns what switches a provider by its name.
 * It rejects with `GatewayError`: `not_found` for an unknown name, `conflict` when the file changed meanwhile.
 */
export function providerSwitch({ store, catalog, dataFolder, forgetFailures }: ProviderSwitchOptions) {
  return async (name: string, isEnabled: boolean): Promise<void> => {
    const settings = store.current.providers.get(name);
    if (settings?.isNamedInFile === true && settings.position !== null) {
      const { file } = settings.position;
      setProviderEnabled(file, name, isEnabled, { dataFolder, expectedDigest: store.digestOf(file) });
    }
    if (catalog.setEnabled(name, isEnabled) === null) {
      throw new GatewayError('not_found', `there is no provider ${name}`);
    }
    if (isEnabled) forgetFailures(name);
    // The watcher would notice too; what the answer says must hold at once.
    store.reload();
  };
}

/** Returns what forgets cooldowns and breakers of a provider, or of one model there; it returns what was taken out. */
export function providerReset(cooldowns: Cooldowns) {
  return (provider: string, model?: string): readonly AdminCooldown[] => {
    const concerned = cooldowns
      .list()
      .filter((one) => one.provider === provider && (model === undefined || one.model === model));
    cooldowns.reset(provider, model);
    return concerned.map(adminCooldown);
  };
}
