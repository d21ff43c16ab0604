// Actions on the models of stand-ins, behind a catalog that probes them.

import { Catalog } from '../../gateway/catalog/catalog.ts';
import { StateFile } from '../../gateway/catalog/state-file.ts';
import { systemClock } from '../../gateway/clock.ts';
import { defaultProbe } from '../../gateway/config/defaults.ts';
import type { ProviderSettings, Settings } from '../../gateway/config/settings.ts';
import type { AdminModel, AdminModelAction, AdminModelActionResult } from '../../gateway/contract.ts';
import type { ProviderKind } from '../../gateway/types.ts';
import { ModelActions } from '../../gateway/warm/model-actions.ts';
import { provider, settingsWith } from '../catalog/catalog-bench.ts';
import { TestLog } from '../catalog/test-log.ts';

export interface WarmBench extends AsyncDisposable {
  readonly catalog: Catalog;
  readonly actions: ModelActions;
  readonly ended: AdminModelActionResult[];
  readonly log: TestLog;
  readonly settings: Settings;
  /** By the user, without waiting, unless told otherwise. */
  run(
    action: 'load' | 'unload',
    model: string,
    more?: { readonly by?: AdminModelAction['by']; readonly waitMs?: number },
  ): Promise<AdminModelActionResult>;
  model(id: string): AdminModel | undefined;
}

export async function warmBench(
  kind: ProviderKind,
  url: string,
  more: Partial<ProviderSettings> = {},
): Promise<WarmBench> {
  const log = new TestLog();
  const settings = settingsWith(
    provider('p', kind, url, { probe: { ...defaultProbe, intervalMs: 3_600_000 }, ...more }),
  );
  const state = new StateFile({ path: null, clock: systemClock, log });
  const catalog = new Catalog({ settings, clock: systemClock, state, log, random: () => 0.5, discovery: null });
  const ended: AdminModelActionResult[] = [];
  const actions = new ModelActions({ clock: systemClock, catalog, log, onEnded: (each) => ended.push(each) });
  catalog.start();
  await catalog.whenListed();
  return {
    catalog,
    actions,
    ended,
    log,
    settings,
    run: (action, model, { by = 'user', waitMs = 0 } = {}) =>
      actions.run({ provider: 'p', model, action, by }, { waitMs }),
    model: (id) => catalog.status()[0]?.models.find((each) => each.id === id),
    [Symbol.asyncDispose]: async () => {
      await actions.close();
      await catalog.close();
    },
  };
}
