// Streams a chat from every provider of a running gateway at once, each by the official client, and tells how each one ended.
// Kill a model server while it runs and see what its client is told: node scripts/run.cjs scripts/first-run.ts [GATEWAY] [TOKENS]

import OpenAI from 'openai';

const gateway = process.argv[2] ?? 'http://localhost:4000';
const maxTokens = Number(process.argv[3] ?? 200);
const nameWidth = 25;

interface ListedModel {
  readonly id: string;
  readonly size?: number | null;
  readonly capabilities?: readonly string[] | null;
  readonly providers?: readonly string[];
}

/** For each provider the largest model that writes text. */
async function modelsByProvider(): Promise<ReadonlyMap<string, ListedModel>> {
  const response = await fetch(`${gateway}/v1/models`);
  if (!response.ok) throw new Error(`${gateway}/v1/models answered ${response.status}`);
  const { data } = (await response.json()) as { data: readonly ListedModel[] };
  const chosen = new Map<string, ListedModel>();
  for (const model of data) {
    if (model.capabilities && !model.capabilities.includes('completion')) continue;
    for (const provider of model.providers ?? []) {
      const former = chosen.get(provider);
      if (former === undefined || (model.size ?? 0) > (former.size ?? 0)) chosen.set(provider, model);
    }
  }
  return chosen;
}

function say(provider: string, sentence: string): void {
  const seconds = (performance.now() / 1_000).toFixed(1).padStart(6);
  console.log(`${seconds} s  ${provider.padEnd(nameWidth)} ${sentence}`);
}

/** Streams one chat to its end and tells how it went; never rejects. */
async function stream(provider: string, model: string): Promise<void> {
  const client = new OpenAI({
    apiKey: 'none',
    baseURL: `${gateway}/v1`,
    maxRetries: 0,
    defaultHeaders: { 'x-provider': provider },
  });
  let pieces = 0;
  let finish: string | null = null;
  let text = '';
  try {
    const messages = [{ role: 'user' as const, content: 'Tell me a long story.' }];
    const chunks = await client.chat.completions.create({ model, messages, max_tokens: maxTokens, stream: true });
    for await (const chunk of chunks) {
      const [choice] = chunk.choices;
      finish = choice?.finish_reason ?? finish;
      if (!choice?.delta.content) continue;
      text += choice.delta.content;
      pieces += 1;
      if (pieces === 1 || pieces % 50 === 0) say(provider, `${pieces} pieces of ${model}: …${text.slice(-30)}`);
    }
    say(provider, `complete after ${pieces} pieces, finish_reason ${finish}`);
  } catch (error) {
    say(provider, `the client raised after ${pieces} pieces: ${String(error)}`);
  }
}

const chosen = await modelsByProvider();
if (chosen.size === 0) console.log(`${gateway} lists no model: start a model server, or \`npm run backends\``);
await Promise.all([...chosen].map(([provider, { id }]) => stream(provider, id)));
