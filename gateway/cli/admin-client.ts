// Asks a running gateway's `/admin`, but hands it the token only after it has proved that it knows it.

import { randomBytes } from 'node:crypto';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, Agent as TlsAgent } from 'node:https';
import { isSameSecret } from '../http/api-keys.ts';
import { challengeProof, readManagementToken } from '../http/management-token.ts';
import type { GatewayTarget } from './target.ts';

const ANSWER_TIMEOUT_MS = 5_000;
const ANSWER_BYTES = 64 * 1024 * 1024;

/** No gateway with this data folder answers there; the message says what was found instead. */
export class NotRunning extends Error {
  override readonly name = 'NotRunning';
}

interface Answer {
  readonly status: number;
  readonly text: string;
  /** Undefined when it is none. */
  readonly json: unknown;
  /** Who answered, as the connection knows it. */
  readonly address: string;
  readonly port: number;
}

interface Ask {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent as JSON by POST; absent: GET. */
  readonly body?: unknown;
}

function send(target: GatewayTarget, agent: Agent, { path, headers, body }: Ask): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const ask = target.scheme === 'https' ? httpsRequest : httpRequest;
  const { host, port } = target;
  const method = body === undefined ? 'GET' : 'POST';
  const request = ask({ host, port, path, method, headers, agent, timeout: ANSWER_TIMEOUT_MS });
  request.on('timeout', () => request.destroy(new Error(`no answer within ${ANSWER_TIMEOUT_MS / 1000} s`)));
  request.on('error', reject);
  request.on('response', (response: IncomingMessage) => {
    const { remoteAddress = '', remotePort = 0 } = response.socket;
    const chunks: Buffer[] = [];
    let length = 0;
    response.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      if (length > ANSWER_BYTES) request.destroy(new Error('the answer is endless'));
    });
    response.on('error', reject);
    response.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      resolve({
        status: response.statusCode ?? 0,
        text,
        json: parsed(text),
        address: remoteAddress,
        port: remotePort,
      });
    });
  });
  request.end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function proofIn(json: unknown): string | null {
  if (typeof json !== 'object' || json === null || !('proof' in json)) return null;
  return typeof json.proof === 'string' ? json.proof : null;
}

/** A conversation with a gateway that has proved itself. */
export interface AdminSession {
  /** GETs a path as JSON. Rejects with an error whose message is what the gateway said. */
  get(path: string): Promise<unknown>;
  /** POSTs JSON and returns whatever the answer is. */
  post(path: string, body: unknown, accept: string): Promise<Pick<Answer, 'status' | 'text' | 'json'>>;
}

/**
 * GETs one path below `/admin` as JSON. Rejects with `NotRunning`, or with an error whose message is what the gateway said.
 */
export function getAdmin(target: GatewayTarget, path: string): Promise<unknown> {
  return withAdmin(target, (session) => session.get(path));
}

/** Has the gateway prove itself, then talks with it over that connection. Rejects with `NotRunning`. */
export async function withAdmin<Result>(
  target: GatewayTarget,
  talk: (session: AdminSession) => Promise<Result>,
): Promise<Result> {
  const token = readManagementToken(target.dataFolder);
  if (token === null)
    throw new NotRunning(
      `no gateway has run with the data folder ${target.dataFolder}: there is no management token in it`,
    );
  // One connection for both: who proved itself is who gets the token.
  const options = { keepAlive: true, maxSockets: 1 };
  const agent =
    target.certificate === null
      ? new Agent(options)
      : // The very certificate of the configuration is what it must show, whatever name is in it.
        new TlsAgent({ ...options, ca: target.certificate, checkServerIdentity: () => undefined });
  try {
    const nonce = randomBytes(24).toString('base64url');
    const path = `/admin/challenge?nonce=${nonce}`;
    const challenged = await send(target, agent, { path, headers: {} }).catch((error: unknown) => {
      throw new NotRunning(
        `no gateway answers at ${target.url}: ${error instanceof Error ? error.message : String(error)}`,
      );
    });
    const proof = proofIn(challenged.json);
    const expected = challengeProof(token, nonce, challenged.address, challenged.port);
    if (proof === null || !isSameSecret(proof, expected))
      throw new NotRunning(
        `what answers at ${target.url} is not the gateway of the data folder ${target.dataFolder}; the token was not sent to it`,
      );
    const authorization = `Bearer ${token}`;
    return await talk({
      async get(path) {
        const { status, json } = await send(target, agent, { path, headers: { authorization } });
        if (status === 200) return json;
        throw new Error(`${target.url}${path} answered ${status}: ${JSON.stringify(json)}`);
      },
      post(path, body, accept) {
        const headers = { authorization, accept, 'content-type': 'application/json' };
        return send(target, agent, { path, headers, body });
      },
    });
  } finally {
    agent.destroy();
  }
}
