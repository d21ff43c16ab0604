// The shared part of several gateways, each with settings of its own that a test can change.

import type { Clock } from '../../gateway/clock.ts';
import { systemClock } from '../../gateway/clock.ts';
import { emptySettings } from '../../gateway/config/defaults.ts';
import type { ProviderSettings, RedisSettings, Settings } from '../../gateway/config/settings.ts';
import type { CooldownChange } from '../../gateway/dispatch/cooldowns.ts';
import { openSharing, type SharedState, type SharingStatus } from '../../gateway/sharing/sharing.ts';
import type { Log } from '../../gateway/telemetry/log.ts';

export interface SharingGateway {
  readonly sharing: SharedState;
  /** What other gateways found, in the order in which it was told. */
  readonly adopted: readonly CooldownChange[];
  /** Level and message of each line. */
  readonly lines: readonly string[];
  /** Resolves as soon as it is, or next becomes, that. */
  until(is: SharingStatus['is']): Promise<void>;
  /** Resolves when so many changes have been adopted. */
  untilAdopted(count: number): Promise<void>;
  change(settings: Partial<Settings>): void;
}

export interface GatewaySketch {
  readonly instance: string;
  /** Names and base URLs, of the kind `ollama`. */
  readonly providers?: Readonly<Record<string, string>>;
  readonly settings?: Partial<Settings>;
  readonly clock?: Clock;
  readonly machine?: string;
}

/** Settings of a Redis on that port of this machine. */
export function redisAt(port: number, more: Partial<RedisSettings> = {}): RedisSettings {
  return { url: null, host: '127.0.0.1', port, password: null, database: 0, ...more };
}

/** Settings with providers of the kind `ollama`, by name and base URL. */
function withProviders(providers: Readonly<Record<string, string>>): Settings {
  const entries = Object.entries(providers).map(([name, baseUrl]): [string, ProviderSettings] => [
    name,
    { name, baseUrl, kind: 'ollama', vendor: null } as ProviderSettings,
  ]);
  return { ...emptySettings(), providers: new Map(entries) };
}

export function sharingGateway({ instance, providers = {}, settings, clock, machine }: GatewaySketch): SharingGateway {
  let current: Settings = { ...withProviders(providers), ...settings };
  const adopted: CooldownChange[] = [];
  const lines: string[] = [];
  const waiting = new Set<{ readonly holds: () => boolean; readonly resolve: () => void }>();
  const look = (): void => {
    for (const one of waiting) {
      if (!one.holds()) continue;
      waiting.delete(one);
      one.resolve();
    }
  };
  const untilHolds = (holds: () => boolean): Promise<void> =>
    holds() ? Promise.resolve() : new Promise((resolve) => waiting.add({ holds, resolve }));
  const note = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
  const log: Log = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
  const sharing = openSharing({
    settings: () => current,
    clock: clock ?? systemClock,
    log,
    instance,
    dice: () => 0,
    machine: machine ?? 'here',
    onStatus: look,
  });
  sharing.onCooldown((change) => {
    adopted.push(change);
    look();
  });
  return {
    sharing,
    adopted,
    lines,
    until: (is) => untilHolds(() => sharing.status().is === is),
    untilAdopted: (count) => untilHolds(() => adopted.length >= count),
    change: (changes) => {
      current = { ...current, ...changes };
      sharing.applySettings();
    },
  };
}
