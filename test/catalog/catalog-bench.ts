// A catalog in front of stand-ins, and ways to wait for what it learns.

import { Catalog, type CatalogChange, type CatalogOptions } from '../../gateway/catalog/catalog.ts';
import { discoveredProvider } from '../../gateway/catalog/discovery-rules.ts';
import { StateFile } from '../../gateway/catalog/state-file.ts';
import { emptySettings } from '../../gateway/config/defaults.ts';
import type { ProviderSettings, Settings } from '../../gateway/config/settings.ts';
import type { Attempt, FailureKind, ProviderKind, ProviderSnapshot } from '../../gateway/types.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { TestLog } from './test-log.ts';

/** A provider as a file names it. */
export function provider(
  name: string,
  kind: ProviderKind,
  baseUrl: string,
  more: Partial<ProviderSettings> = {},
): ProviderSettings {
  const position = { file: '/etc/switchyard.yaml', line: 1, column: 1 };
  return {
    ...discoveredProvider({ name, kind, baseUrl }),
    isDiscovered: false,
    isNamedInFile: true,
    position,
    ...more,
  };
}

export function settingsWith(...providers: readonly ProviderSettings[]): Settings {
  return { ...emptySettings(), providers: new Map(providers.map((each) => [each.name, each])) };
}

export interface Bench {
  readonly catalog: Catalog;
  readonly clock: FakeClock;
  readonly log: TestLog;
  readonly state: StateFile;
  readonly changes: CatalogChange[];
  see(name: string): ProviderSnapshot;
  /** Ends when the snapshot shows it. */
  until(isSo: () => boolean): Promise<void>;
  untilObserved(name: string, observed: ProviderSnapshot['observed']): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export function bench(settings: Settings, options: Partial<CatalogOptions> = {}): Bench {
  const clock = new FakeClock();
  const log = new TestLog();
  const state = options.state ?? new StateFile({ path: null, clock, log });
  const catalog = new Catalog({ settings, clock, state, log, random: () => 0.5, discovery: null, ...options });
  const changes: CatalogChange[] = [];
  catalog.onChange((change) => changes.push(change));
  const until = (isSo: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      if (isSo()) {
        resolve();
        return;
      }
      const forget = catalog.onChange(() => {
        if (!isSo()) return;
        forget();
        // What told it is still to finish: its next timer is set by then.
        setImmediate(resolve);
      });
    });
  const see = (name: string): ProviderSnapshot => {
    const found = catalog.snapshot().providers.get(name);
    if (!found) throw new Error(`no provider ${name}`);
    return found;
  };
  return {
    catalog,
    clock,
    log,
    state,
    changes,
    see,
    until,
    untilObserved: (name, observed) => until(() => catalog.snapshot().providers.get(name)?.observed === observed),
    [Symbol.asyncDispose]: () => catalog.close(),
  };
}

export function attempt(name: string, failure: FailureKind | null, more: Partial<Attempt> = {}): Attempt {
  return {
    provider: name,
    model: 'm',
    via: 'catalog',
    because: null,
    variant: null,
    startedAtMs: 0,
    failure:
      failure === null ? null : { kind: failure, message: `it was ${failure}`, status: null, retryAfterMs: null },
    status: null,
    headersAfterMs: null,
    contentAfterMs: null,
    endedAfterMs: 1,
    isCold: false,
    changes: [],
    ...more,
  };
}
