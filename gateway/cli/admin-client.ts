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
  readonly json: unknown;
  /** Who answered, as the connection knows it. */
  readonly address: string;
  readonly port: number;
}

function get(target: GatewayTarget, agent: Agent, path: string, headers: Record<string, string>): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const ask = target.scheme === 'https' ? httpsRequest : httpRequest;
  const request = ask({ host: target.host, port: target.port, path, headers, agent, timeout: ANSWER_TIMEOUT_MS });
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
    response.on('end', () =>
      resolve({
        status: response.statusCode ?? 0,
        json: parsed(Buffer.concat(chunks).toString()),
        address: remoteAddress,
        port: remotePort,
      }),
    );
  });
  request.end();
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

/**
 * GETs one path below `/admin` as JSON. Rejects with `NotRunning`, or with an error whose message is what the gateway said.
 */
export async function getAdmin(target: GatewayTarget, path: string): Promise<unknown> {
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
    const challenged = await get(target, agent, `/admin/challenge?nonce=${nonce}`, {}).catch((error: unknown) => {
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
    const answer = await get(target, agent, path, { authorization: `Bearer ${token}` });
    if (answer.status === 200) return answer.json;
    throw new Error(`${target.url}${path} answered ${answer.status}: ${JSON.stringify(answer.json)}`);
  } finally {
    agent.destroy();
  }
}
