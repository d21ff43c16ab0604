// Decides a request that is not sent, by the functions that decide those that are.

import { didYouMean } from '../config/nearest.ts';
import { clientOf } from '../dispatch/request-facts.ts';
import { GatewayError } from '../errors.ts';
import { endpointTraits } from '../protocols/endpoints.ts';
import { readFacts } from '../routing/facts.ts';
import type { RouteState } from '../routing/question.ts';
import { route } from '../routing/route.ts';
import type { Rules } from '../routing/rules.ts';
import type { Decision, ProviderSnapshot, RequestFacts, Snapshot } from '../types.ts';
import type { DryQuestion } from './question.ts';

/** What to decide by. Nothing in it is changed. */
export interface DryWorld {
  readonly rules: Rules;
  readonly snapshot: Snapshot;
  /** As live traffic would meet it. */
  readonly state: RouteState;
  readonly dice: () => number;
  /** Learned for the model. */
  readonly charactersPerToken: (model: string | null) => number;
  readonly conversationSecret: string;
  readonly nowMs: number;
}

/** Throws `GatewayError`: `invalid_request` as live traffic would get it, `unknown_provider` for one that is to be down. */
export function explain(question: DryQuestion, world: DryWorld): Decision {
  const facts = factsOf(question, world);
  return route(facts, world.rules, withDown(world.snapshot, question.down), world.dice, world.state);
}

function factsOf({ endpoint, headers, body, client, bodyPath }: DryQuestion, world: DryWorld): RequestFacts {
  const agent = headers['user-agent'];
  try {
    return readFacts({
      id: 'explain',
      receivedAtMs: world.nowMs,
      endpoint,
      protocol: endpointTraits[endpoint].protocol,
      headers,
      body,
      bodyBytes: Buffer.byteLength(JSON.stringify(body)),
      client: client ?? clientOf(typeof agent === 'string' ? agent : agent?.[0]),
      conversationSecret: world.conversationSecret,
      charactersPerToken: world.charactersPerToken(typeof body.model === 'string' ? body.model : null),
    });
  } catch (error) {
    if (!(error instanceof GatewayError) || error.param === null) throw error;
    throw new GatewayError(error.code, `${bodyPath}${error.message}`, { param: `${bodyPath}${error.param}` });
  }
}

/** The snapshot with some providers down. Throws `unknown_provider`. */
function withDown(snapshot: Snapshot, down: readonly string[]): Snapshot {
  if (down.length === 0) return snapshot;
  const providers = new Map(snapshot.providers);
  for (const [index, name] of down.entries()) {
    const provider = providers.get(name);
    if (!provider) {
      const near = didYouMean(name, [...providers.keys()]);
      const message = `down[${index}]: there is no provider ${JSON.stringify(name.slice(0, 100))}${near}`;
      throw new GatewayError('unknown_provider', message, { param: `down[${index}]` });
    }
    providers.set(name, asDown(provider));
  }
  return { ...snapshot, providers };
}

/** As the catalog shows a provider that refuses connections. */
function asDown(provider: ProviderSnapshot): ProviderSnapshot {
  return {
    ...provider,
    observed: 'down',
    cause: { class: 'refused', message: 'assumed to be down' },
    isListStale: true,
    busy: null,
  };
}
