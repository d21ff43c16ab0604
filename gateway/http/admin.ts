// What `/admin` answers: the state of everything, one stored request, and the proof of who we are.

import type { AdminStatus, AdminStoredRequest } from '../contract.ts';
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
