// Loading and unloading models by hand.

import type { ControlledProvider } from '../catalog/controlled-provider.ts';
import { didYouMean } from '../config/nearest.ts';
import type {
  AdminKeepWarm,
  AdminModelAction,
  AdminModelActionRequest,
  AdminModelActionResult,
  AdminProvider,
} from '../contract.ts';
import { GatewayError } from '../errors.ts';

/** Part of `HttpDependencies`. */
export interface ModelActionDependencies {
  readonly catalog: {
    whenListed(): Promise<void>;
    status(): readonly AdminProvider[];
    controlled(provider: string): ControlledProvider | null;
  };
  readonly warmth: WarmthOperations;
}

/** What `/admin` asks of whoever loads and unloads models. */
export interface WarmthOperations {
  /** Never rejects. */
  run(action: AdminModelAction, options: { readonly waitMs: number }): Promise<AdminModelActionResult>;
  planned(): readonly AdminKeepWarm[];
}

/**
 * `POST /admin/models/load` and `/admin/models/unload`: answers when it has ended, which may take minutes. What the server
 * made of it is in the answer; throws `not_found` for a provider or a model that nobody knows.
 */
export async function runModelAction(
  deps: ModelActionDependencies,
  action: AdminModelAction['action'],
  { provider, model, waitMs = 0 }: AdminModelActionRequest,
): Promise<AdminModelActionResult> {
  await deps.catalog.whenListed();
  const found = deps.catalog.controlled(provider);
  if (found === null) {
    const names = deps.catalog.status().map(({ name }) => name);
    throw unknownName('provider', provider, names);
  }
  // Where nothing can be done for any model, that is the better answer.
  if (!('because' in found.control) && found.findModel(model) === null) {
    const names = found.models.map(({ id }) => id);
    throw unknownName('model', model, names);
  }
  return deps.warmth.run({ provider, model, action, by: 'user' }, { waitMs });
}

function unknownName(param: 'provider' | 'model', name: string, names: readonly string[]): GatewayError {
  const shown = JSON.stringify(name.slice(0, 200));
  return new GatewayError('not_found', `There is no ${param} ${shown}${didYouMean(name, names)}`, { param });
}
