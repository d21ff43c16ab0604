// What `/admin` answers: the state of everything, one switch and one reset per provider, one stored request, and the proof of who we are.

import { didYouMean } from '../config/nearest.ts';
import type {
  AdminProvider,
  AdminProviderPatch,
  AdminProviderReset,
  AdminProviderResetResult,
  AdminStatus,
  AdminStoredRequest,
} from '../contract.ts';
import { GatewayError } from '../errors.ts';
import { decisionToJson } from '../routing/explain.ts';
import type { HttpDependencies } from './dependencies.ts';
import { CHALLENGE_NONCE, challengeProof } from './management-token.ts';
import type { WindowFiles } from './window-files.ts';
import type { WindowSessions } from './window-sessions.ts';

/** What the listening side knows. */
export interface ServerState {
  isDraining(): boolean;
  inFlight(): number;
  url(): string;
  readonly isTls: boolean;
  /** Browsers that are signed in. */
  readonly sessions: WindowSessions;
  readonly windowFiles: WindowFiles;
}

/** `GET /admin/status`. `onlookers`: requests that only ask how it is: this one, and streams of events. */
export function adminStatus(
  deps: HttpDependencies,
  server: ServerState,
  onlookers = 1 + deps.events.subscribers,
): AdminStatus {
  return {
    product: 'switchyard',
    version: deps.version,
    instance: deps.instance,
    startedAtMs: deps.startedAtMs,
    url: server.url(),
    isDraining: server.isDraining(),
    config: deps.configState(),
    dataFolder: deps.dataFolder,
    history: deps.historyStatus(),
    providers: deps.catalog.status(),
    inFlight: Math.max(0, server.inFlight() - onlookers),
    traffic: deps.traffic(),
  };
}

/** Reads the body of `PATCH /admin/providers/NAME`. Throws `invalid_request` naming the path of what is wrong. */
function readProviderPatch(body: Readonly<Record<string, unknown>>): AdminProviderPatch {
  for (const key of Object.keys(body)) {
    if (key === 'enabled') continue;
    throw new GatewayError('invalid_request', `${key}: there is no such field${didYouMean(key, ['enabled'])}`, {
      param: key,
    });
  }
  if (typeof body.enabled === 'boolean') return { enabled: body.enabled };
  const found = body.enabled === undefined ? 'it is missing' : `not ${JSON.stringify(body.enabled).slice(0, 100)}`;
  throw new GatewayError('invalid_request', `enabled: expected true or false, ${found}`, { param: 'enabled' });
}

/** Switches a provider and answers how it stands now: with requests still running there it is draining. */
export async function switchProvider(
  deps: HttpDependencies,
  name: string,
  body: Readonly<Record<string, unknown>>,
): Promise<AdminProvider> {
  requireProvider(deps, name);
  const { enabled } = readProviderPatch(body);
  await deps.setProviderEnabled(name, enabled);
  const after = deps.catalog.status().find((provider) => provider.name === name);
  if (after) return after;
  throw new GatewayError('conflict', `The provider ${name} was taken out of the configuration meanwhile.`);
}

function requireProvider(deps: HttpDependencies, name: string): AdminProvider {
  const providers = deps.catalog.status();
  const found = providers.find((provider) => provider.name === name);
  if (found) return found;
  const near = didYouMean(
    name,
    providers.map((provider) => provider.name),
  );
  throw new GatewayError('not_found', `There is no provider ${JSON.stringify(name)}${near}`, { param: 'name' });
}

/** Reads the body of `POST /admin/providers/NAME/reset`. Throws `invalid_request` naming the path of what is wrong. */
function readProviderReset(body: Readonly<Record<string, unknown>>): AdminProviderReset {
  for (const key of Object.keys(body)) {
    if (key === 'model') continue;
    throw new GatewayError('invalid_request', `${key}: there is no such field${didYouMean(key, ['model'])}`, {
      param: key,
    });
  }
  const { model } = body;
  if (model === undefined) return {};
  if (typeof model === 'string') return { model };
  const found = JSON.stringify(model).slice(0, 100);
  throw new GatewayError('invalid_request', `model: expected the id of a model, not ${found}`, { param: 'model' });
}

/** Forgets what live traffic has against a provider, or one deployment of it: the next request may go there. */
export function resetProvider(
  deps: HttpDependencies,
  name: string,
  body: Readonly<Record<string, unknown>>,
): AdminProviderResetResult {
  requireProvider(deps, name);
  const { model } = readProviderReset(body);
  const forgotten = deps.resetProvider(name, model);
  return { provider: requireProvider(deps, name), forgotten };
}

/** `GET /admin/requests/ID`. */
export async function storedRequest(deps: HttpDependencies, id: string): Promise<AdminStoredRequest> {
  const outcome = await deps.findRequest(id);
  if (outcome) {
    const { decision } = outcome;
    return { ...outcome, decision: decision && { ...decision, chosen: decisionToJson(decision).chosen } };
  }
  throw new GatewayError(
    'not_found',
    `No request ${JSON.stringify(id.slice(0, 100))} is known: it runs still, is older than the history keeps, or the history is off.`,
  );
}

export interface ChallengeAnswer {
  readonly product: 'switchyard';
  readonly instance: string;
  /** See `challengeProof`. */
  readonly proof: string;
}

/** `GET /admin/challenge?nonce=NONCE`: address and port are the listening ones, as the connection knows them. */
export function answerChallenge(
  deps: Pick<HttpDependencies, 'instance' | 'managementToken'>,
  nonce: string | null,
  address: string,
  port: number,
): ChallengeAnswer {
  if (nonce === null || !CHALLENGE_NONCE.test(nonce)) {
    throw new GatewayError('invalid_request', 'nonce: expected 16 to 128 characters of A-Z, a-z, 0-9, _ and -', {
      param: 'nonce',
    });
  }
  const { instance, managementToken } = deps;
  return { product: 'switchyard', instance, proof: challengeProof(managementToken, nonce, address, port) };
}
