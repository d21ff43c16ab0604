// Walks three complete configurations of the guides over real servers, which it starts and kills in between, and prints
// docs/resilience-tour.md. The page says what it needs: node scripts/run.cjs scripts/resilience-tour.ts > page.md

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Servers, TourRedis } from './tour-servers.ts';
import { type Answered, type Asked, attemptsOf, headOf, page, TourGateway } from './tour-stage.ts';

const PORT = 4000;
const REDIS_PORT = 6379;
const REDIS_PASSWORD = 'tour';
/** What is logged of a deployment that is taken out, tried, or back. */
const COOLDOWN = /\[ROUTER\] \S+\/\S+: /;
const folder = join(import.meta.dirname, '../docs/resilience-tour');

const servers = new Servers({
  ollama: { variable: 'SWITCHYARD_TEST_RUN_OLLAMA', port: 11434 },
  llama_server: { variable: 'SWITCHYARD_TEST_RUN_LLAMA_CPP', port: 8080 },
  llama_cpp_python: { variable: 'SWITCHYARD_TEST_RUN_LLAMA_CPP_PYTHON', port: 8081 },
  vllm: { variable: 'SWITCHYARD_TEST_RUN_VLLM', port: 8000 },
});

/** The call as the page's shell function writes it. */
function callOf(model: string | null, { question, more, headers }: Asked): string {
  const words = ['$ ask', model ?? "''", `'${question}'`];
  const fields = Object.entries(more ?? {}).map(([name, value]) => `"${name}": ${JSON.stringify(value)}`);
  if (fields.length > 0 || headers !== undefined) words.push(`'${fields.join(', ')}'`);
  for (const [name, value] of Object.entries(headers ?? {})) words.push(`-H '${name}: ${value}'`);
  return words.join(' ');
}

interface Shown extends Asked {
  readonly model: string | null;
  /** Besides the headers: the record's attempts, and what the body says. */
  readonly with?: readonly ('attempts' | 'body')[];
  /** What it logged meanwhile, if it matches. */
  readonly log?: RegExp;
}

async function show(gateway: TourGateway, { model, with: parts = [], log, ...asked }: Shown): Promise<Answered> {
  const { mark } = gateway;
  const answered = await gateway.ask(model, asked);
  const lines = [callOf(model, asked), headOf(answered)];
  if (parts.includes('body')) lines.push('', answered.text);
  if (parts.includes('attempts')) lines.push('', `its attempts, under /admin/requests/ID:`, attemptsOf(answered));
  const logged = log === undefined ? [] : gateway.linesSince(mark, log);
  if (logged.length > 0) lines.push('', 'in the log:', ...logged);
  page.block(lines.join('\n'));
  return answered;
}

/** Asks so often, and prints who answered how many. */
async function share(gateway: TourGateway, model: string, times: number, word: string): Promise<void> {
  const counts = new Map<string, number>();
  for (let time = 1; time <= times; time += 1) {
    const { status, headers } = await gateway.ask(model, { question: `${word} ${time}` });
    const who = headers.get('x-switchyard-provider') ?? String(status);
    counts.set(who, (counts.get(who) ?? 0) + 1);
  }
  const rows = [...counts]
    .toSorted(([, a], [, b]) => b - a)
    .map(([who, count]) => `${String(count).padStart(7)} ${who}`);
  page.block(
    [
      `$ for i in $(seq ${times}); do ask ${model} "${word} $i"; done | grep -i ^x-switchyard-provider | sort | uniq -c`,
      ...rows,
    ].join('\n'),
  );
}

async function explain(gateway: TourGateway, ...words: readonly string[]): Promise<void> {
  const written = words.map((word) => (word.includes(' ') ? `'${word}'` : word)).join(' ');
  page.block(`$ switchyard explain ${written}\n${await gateway.explain(...words)}`);
}

function configuration(name: string): string {
  const file = join(folder, `${name}.yaml`);
  page.block(readFileSync(file, 'utf8'), 'yaml');
  return file;
}

/** Waits until these are as they should be, as whoever watches `switchyard status` would. */
function untilSeen(gateway: TourGateway, observed: 'ready' | 'down', ...names: readonly string[]): Promise<void> {
  return gateway.until(`${names} to be ${observed}`, ({ providers }) =>
    names.every((name) => providers.some((one) => one.name === name && one.observed === observed)),
  );
}

/** Who would be asked for `gpt-4`. */
async function fastest(gateway: TourGateway): Promise<string> {
  const [, name] = /└─ (\S+) is asked/.exec(await gateway.explain('--model', 'gpt-4')) ?? [];
  if (name === undefined) throw new Error('nobody would be asked');
  return name;
}

async function router(): Promise<void> {
  page.say("## LiteLLM's router guide: the complete production example");
  const file = configuration('router');
  await using redis = new TourRedis(REDIS_PORT, REDIS_PASSWORD);
  const hasRedis = await redis.start();
  await using gateway = await TourGateway.start(file, PORT, { REDIS_PASSWORD });

  page.say('### A name with three deployments\n\n`gpt-4` is balanced by latency: whoever has none yet goes first.');
  await share(gateway, 'gpt-4', 6, 'Hello');

  page.say('### The same again comes from the cache\n\n`cache_responses: true`: no server is asked.');
  await show(gateway, { model: 'gpt-4', question: 'Hello 1' });

  page.say('### A server is killed\n\n`kill -9` to whoever is the fastest now: nobody who asks notices.');
  const names = ['ollama', 'llama_server', 'llama_cpp_python'];
  const first = await fastest(gateway);
  await servers.kill(first);
  await show(gateway, { model: 'gpt-4', question: 'Are you there', with: ['attempts'], log: /Fallback/ });

  page.say('### All three are killed\n\nNow `fallbacks` names the next: `gpt-3.5-turbo`.');
  await servers.kill(...names.filter((name) => name !== first));
  await show(gateway, { model: 'gpt-4', question: 'And now', with: ['attempts'], log: /Fallback/ });
  await explain(gateway, '--model', 'gpt-4');

  page.say('Without fallbacks it is an error that names whom it asked, in the shape that the official clients raise:');
  await show(gateway, {
    model: 'gpt-4',
    question: 'No fallback',
    more: { disable_fallbacks: true, num_retries: 0 },
    with: ['body'],
  });

  page.say(
    'A request that may retry survives a restart. llama-server was started one second after this one was sent; it waited out no cooldown:',
  );
  const restart = pause(1_000).then(() => servers.start('llama_server'));
  await show(gateway, {
    model: 'gpt-4',
    question: 'Wait for it',
    more: { disable_fallbacks: true, num_retries: 8 },
    with: ['attempts'],
  });
  await restart;

  page.say('The other two are started again, and all three share the work as before:');
  await servers.start('ollama', 'llama_cpp_python');
  await untilSeen(gateway, 'ready', 'ollama', 'llama_server', 'llama_cpp_python');
  await share(gateway, 'gpt-4', 9, 'Welcome back');

  page.say('### Fallbacks tried on purpose\n\nThe switch makes the first group fail; nothing is sent to it.');
  await show(gateway, {
    model: 'gpt-4',
    question: 'What if',
    more: { mock_testing_fallbacks: true },
    with: ['attempts'],
  });

  if (!hasRedis) page.say('(No `redis-server` is installed here: the settings about Redis were not tried.)');
  else {
    page.say('### Redis is killed, and comes back\n\nThe cache and the limits go on in memory, and no request fails.');
    const before = gateway.mark;
    await redis.kill();
    await show(gateway, { model: 'gpt-4', question: 'Without Redis' });
    await show(gateway, { model: 'gpt-4', question: 'Without Redis' });
    await redis.start();
    for (let time = 0; time < 100 && gateway.linesSince(before, /redis/i).length < 2; time += 1) await pause(100);
    page.block(['in the log:', ...gateway.linesSince(before, /redis/i)].join('\n'));
  }
}

async function balancing(): Promise<void> {
  page.say('## Load balancing: prices, limits and combined strategies');
  const file = configuration('balancing');
  await using gateway = await TourGateway.start(file, PORT);

  page.say('### The cheapest, while it is there');
  await show(gateway, { model: 'gpt-4', question: 'Cheap' });
  await servers.kill('llama_server');
  page.say('llama-server is killed; the dearer one takes over:');
  await show(gateway, { model: 'gpt-4', question: 'Dearer', with: ['attempts'] });
  await servers.start('llama_server');
  await untilSeen(gateway, 'ready', 'llama_server');
  page.say('And back again, with no penalty to wait for:');
  await show(gateway, { model: 'gpt-4', question: 'Cheap again' });

  page.say(
    '### The limit for all requests\n\nThe fourth request of the minute is the last; the fifth is told when to come back.',
  );
  await show(gateway, { model: 'gpt-4', question: 'Fourth' });
  const refused = await show(gateway, { model: 'gpt-4', question: 'Fifth', with: ['body'] });
  await explain(gateway, '--model', 'gpt-4');
  const seconds = Number(refused.headers.get('retry-after'));
  page.say(`After those ${seconds} seconds:`);
  await pause(seconds * 1_000);
  await show(gateway, { model: 'gpt-4', question: 'Fifth' });
}

async function routing(): Promise<void> {
  page.say('## Routing configuration: every kind of rule, chains and redundant models');
  const file = configuration('routing');
  await using redis = new TourRedis(REDIS_PORT, null);
  await redis.start();
  await using gateway = await TourGateway.start(file, PORT);

  page.say('### One model on two servers, 70 to 30');
  await share(gateway, 'llama3.1:8b', 10, 'Hello');

  page.say(
    '### Ollama falls silent\n\n`kill -STOP`: it takes requests and says nothing. Three at once find out after the 30 seconds of `timeout`, and the chain `default` answers them; whoever comes later does not wait.',
  );
  servers.freeze('ollama');
  const { mark } = gateway;
  const three = await Promise.all(
    [1, 2, 3].map((index) => gateway.ask('qwen2.5-coder:7b', { question: `Silence ${index}` })),
  );
  page.block(
    [
      '$ for i in 1 2 3; do ask qwen2.5-coder:7b "Silence $i" & done',
      ...three.map((one) => `HTTP/1.1 ${one.status} after ${one.seconds.toFixed(1)} s\n${attemptsOf(one)}`),
      '',
      'in the log:',
      ...gateway.linesSince(mark, COOLDOWN),
    ].join('\n'),
  );
  const later = await show(gateway, { model: 'qwen2.5-coder:7b', question: 'And the next', with: ['attempts'] });
  page.say(`That took ${later.seconds.toFixed(1)} s.`);
  await explain(gateway, '--model', 'qwen2.5-coder:7b');
  page.say('`kill -CONT`. When `cooldown_time` is over one request is let through to try it, and it is back:');
  servers.thaw('ollama');
  await gateway.until('ollama to be tried', async () =>
    (await gateway.explain('--model', 'qwen2.5-coder:7b')).includes('└─ ollama is asked'),
  );
  await show(gateway, { model: 'qwen2.5-coder:7b', question: 'Once more', with: ['attempts'], log: COOLDOWN });

  page.say('### Ollama is killed\n\nThe exact rule has `fallback: null`, but the model is redundant:');
  await servers.kill('ollama');
  await show(gateway, { model: 'llama3.1:8b', question: 'Who is there', with: ['attempts'], log: /Fallback/ });
  page.say('A capability whose only provider is gone goes on along the chain of its name:');
  await show(gateway, {
    model: null,
    question: 'Write a function',
    headers: { 'X-Capability': 'code_generation' },
    with: ['attempts'],
    log: /Fallback/,
  });
  await explain(gateway, '--header', 'X-Capability: code_generation');

  page.say('### llama-cpp-python is killed as well');
  await servers.kill('llama_cpp_python');
  page.say(
    'The pattern names a fallback, `llama_cpp_native`; for `llama3.1:8b` it is the `fallbacks` of `router_settings` that leads there, because that server has the model called `llama-cpp-python` too:',
  );
  await show(gateway, { model: 'some-model.gguf', question: 'Anybody', with: ['attempts'], log: /Fallback/ });
  await show(gateway, { model: 'llama3.1:8b', question: 'Nobody', with: ['attempts'] });

  page.say(
    '### A chain that is walked again\n\nllama-server is killed too, and started again half a second after this was sent. The request names the chain `high_availability`, which has `retry_attempts: 3` and `retry_delay_ms: 500`:',
  );
  await servers.kill('llama_server');
  const restart = pause(500).then(() => servers.start('llama_server'));
  await show(gateway, {
    model: 'some-model.gguf',
    question: 'Once again',
    more: { fallbacks: ['high_availability'] },
    with: ['attempts'],
  });
  await restart;

  page.say('### Ollama and llama-cpp-python are started again\n\nThe next request is answered as if nothing had been:');
  await servers.start('ollama', 'llama_cpp_python');
  await untilSeen(gateway, 'ready', 'ollama', 'llama_cpp_python');
  await share(gateway, 'llama3.1:8b', 10, 'Back again');

  page.say(
    '### A line before llama-cpp-python\n\nIt lets one request interrupt another, so it gets one at a time. Five at once, pinned to it:',
  );
  const five = await Promise.all(
    [1, 2, 3, 4, 5].map((index) =>
      gateway.ask('llama-cpp-default', { question: `Story ${index}`, headers: { 'X-Provider': 'llama_cpp_python' } }),
    ),
  );
  const rows = five.map(({ status, headers, record }) => {
    const waited = ((record?.queuedMs ?? 0) / 1_000).toFixed(1);
    return `HTTP/1.1 ${status}  ${headers.get('x-switchyard-provider')}  attempts ${headers.get('x-switchyard-attempts')}  waited ${waited} s`;
  });
  const call = `$ for i in 1 2 3 4 5; do ask llama-cpp-default "Story $i" '' -H 'X-Provider: llama_cpp_python' & done`;
  page.block([call, ...rows.toSorted()].join('\n'));
}

await using _servers = servers;
await servers.start('ollama', 'llama_server', 'llama_cpp_python', 'vllm');
page.say(readFileSync(join(folder, 'introduction.md'), 'utf8').trim());
await router();
await balancing();
await routing();
page.say(readFileSync(join(folder, 'end.md'), 'utf8').trim());
