// A guide as its reader tries it: the printed configuration, a gateway on it, servers behind it, and who answered.

import { readFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { isMap, isSeq, parseDocument } from 'yaml';
import type { Candidate, Outcome } from '../../gateway/types.ts';
import type { StandIn } from '../backends/core/server.ts';
import { startOpenAi } from '../backends/openai.ts';
import { type TestGateway, testGateway } from '../support/gateway.ts';
import { type HttpAnswer, send } from '../support/http.ts';

const BLOCKS = join(import.meta.dirname, '../config/guides');

/** Variables that the guides' blocks name. */
const guideVariables: Readonly<Record<string, string>> = {
  ANTHROPIC_API_KEY: 'a key',
  OPENAI_API_KEY: 'a key',
  AZURE_API_KEY: 'a key',
  AZURE_KEY_EAST: 'a key of the east',
  AZURE_KEY_WEST: 'a key of the west',
  VERTEX_PROJECT_ID: 'a project',
  REDIS_PASSWORD: 'a password',
};

/** A block as it is printed: `routing-overview-01`. */
export function block(name: string): string {
  return readFileSync(join(BLOCKS, `${name}.yaml`), 'utf8');
}

/** A block that is printed without its section, put under it. */
export function under(section: string, name: string): string {
  const lines = block(name).split('\n');
  return `${section}:\n${lines.map((line) => (line === '' ? '' : `  ${line}`)).join('\n')}\n`;
}

/** What came back, and who it came from: every stand-in answers with its own name. */
export interface Said {
  readonly status: number;
  readonly by: string | null;
  readonly provider: string | null;
  readonly model: string | null;
  readonly rule: string | null;
  readonly requestId: string;
  readonly answer: HttpAnswer;
}

export interface Asked {
  readonly model?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** More fields of the body. */
  readonly body?: Readonly<Record<string, unknown>>;
  readonly path?: string;
}

/** A gateway with what stands behind it; closing it closes all of it. */
export interface Guided extends AsyncDisposable {
  readonly gateway: TestGateway;
  ask(asked: string | Asked): Promise<Said>;
  /** Asks so many times, one after the other, and counts who answered. */
  share(asked: string | Asked, times: number): Promise<Readonly<Record<string, number>>>;
  /** Asks so many times, one after the other: who answered each. */
  turns(asked: string | Asked, times: number): Promise<readonly string[]>;
  /** The candidates of a request's decision as `PROVIDER/MODEL`, kept ones in their order, and the others with their reasons. */
  decisionOf(said: Said): Promise<{ readonly kept: readonly string[]; readonly skipped: readonly string[] }>;
  outcomeOf(said: Said): Promise<Outcome>;
}

/** Starts a gateway on that text in front of servers that are closed together with it. */
export async function guided(yaml: string, servers: readonly StandIn[] = []): Promise<Guided> {
  const gateway = await testGateway(yaml, { env: guideVariables });
  const agent = new Agent({ keepAlive: true });
  const ask = async (asked: string | Asked): Promise<Said> => {
    const { model, headers = {}, body = {}, path = '/v1/chat/completions' } = named(asked);
    const answer = await send(gateway.url + path, {
      method: 'POST',
      agent,
      headers,
      body: { ...(model === undefined ? {} : { model }), messages: [{ role: 'user', content: 'Hi' }], ...body },
    });
    const header = (name: string): string | null => {
      const value = answer.headers[name];
      return typeof value === 'string' ? decodeURIComponent(value) : null;
    };
    return {
      status: answer.status,
      by: textOf(answer),
      provider: header('x-switchyard-provider'),
      model: header('x-switchyard-model'),
      rule: header('x-switchyard-rule'),
      requestId: header('x-request-id') ?? '',
      answer,
    };
  };
  const turns = async (asked: string | Asked, times: number): Promise<readonly string[]> => {
    const all: string[] = [];
    for (let time = 0; time < times; time += 1) {
      const said = await ask(asked);
      all.push(said.by ?? `${said.status} ${said.answer.text}`);
    }
    return all;
  };
  return {
    gateway,
    ask,
    turns,
    share: async (asked, times) => countOf(await turns(asked, times)),
    outcomeOf: (said) => gateway.outcome(said.requestId),
    decisionOf: async (said) => decisionOf(await gateway.outcome(said.requestId)),
    [Symbol.asyncDispose]: async () => {
      agent.destroy();
      await gateway.close();
      await Promise.all(servers.map((server) => server.close()));
    },
  };
}

/**
 * A block whose `model_list` has a server of this machine behind each entry in place of the vendor's: all else stays as printed.
 * Each server answers `entry 1`, `entry 2` and so on, in the order of the list.
 * @param change what is done to the text first
 */
export async function guidedWithServers(
  name: string,
  change: (text: string) => string = (text) => text,
): Promise<Guided> {
  const { yaml, servers } = await withServers(change(block(name)));
  return guided(yaml, servers);
}

export async function withServers(
  text: string,
): Promise<{ readonly yaml: string; readonly servers: readonly StandIn[] }> {
  const document = parseDocument(text, { uniqueKeys: false });
  const list = document.get('model_list');
  if (!isSeq(list)) throw new Error('the block has no model_list');
  const servers: StandIn[] = [];
  for (const [index, item] of list.items.entries()) {
    const params = isMap(item) ? item.get('litellm_params') : null;
    if (!isMap(item) || !isMap(params)) continue;
    const model = String(params.get('model')).replace(/^(anthropic|bedrock|vertex_ai|azure|openai)\//, '');
    const server = await startOpenAi({ models: [{ name: model }], answer: [`entry ${index + 1}`] });
    servers.push(server);
    for (const key of VENDOR_KEYS) params.delete(key);
    params.set('model', `openai/${model}`);
    params.set('api_base', server.url);
  }
  return { yaml: document.toString(), servers };
}

const VENDOR_KEYS = ['api_key', 'api_version', 'aws_region_name', 'vertex_project', 'vertex_location'];

/** Whether so many of `times` are what chance gives at that probability: within five standard deviations (one in 1.7 million is not). */
export function isFairShare(count: number | undefined, times: number, probability: number): boolean {
  const deviation = Math.sqrt(times * probability * (1 - probability));
  return Math.abs((count ?? 0) - times * probability) <= 5 * deviation;
}

export function countOf(names: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

function named(asked: string | Asked): Asked {
  return typeof asked === 'string' ? { model: asked } : asked;
}

function decisionOf({ decision }: Outcome): { readonly kept: readonly string[]; readonly skipped: readonly string[] } {
  const name = ({ provider, model }: Candidate) => `${provider}/${model}`;
  const candidates = decision?.candidates ?? [];
  return {
    kept: candidates.filter(({ kept }) => kept).map(name),
    skipped: candidates.filter(({ kept }) => !kept).map((one) => `${name(one)} ${one.reason}`),
  };
}

/** The words of a chat or text answer, or of its stream. */
function textOf({ json, text, status }: HttpAnswer): string | null {
  if (status !== 200) return null;
  if (json !== undefined) return wordsIn(json);
  const events = text.split('\n').filter((line) => line.startsWith('data: {'));
  return events.map((line) => wordsIn(JSON.parse(line.slice(6))) ?? '').join('');
}

interface AnyAnswer {
  readonly choices?: readonly {
    readonly text?: string;
    readonly message?: { readonly content?: string };
    readonly delta?: { readonly content?: string };
  }[];
}

function wordsIn(json: unknown): string | null {
  const [choice] = (json as AnyAnswer).choices ?? [];
  return choice?.text ?? choice?.message?.content ?? choice?.delta?.content ?? null;
}
