// `npm run backends`: a set of stand-ins on the usual ports, to try the gateway without a GPU.

import { parseArgs } from 'node:util';
import { FAULT_PATH } from './core/fault-control.ts';
import { faultKinds } from './core/faults.ts';
import type { StandIn } from './core/server.ts';
import { startLlamaCppPython } from './llama-cpp-python.ts';
import { startLlamaRouter } from './llama-router.ts';
import { startLlamaServer } from './llama-server.ts';
import { startOllama } from './ollama.ts';
import { startOpenAi } from './openai.ts';
import { startVllm } from './vllm.ts';

interface Place {
  readonly title: string;
  readonly port: number;
  readonly start: (port: number) => Promise<StandIn>;
}

const pace = { tokenDelayMs: 40, prefillDelayMs: 200, loadDelayMs: 1_500 };

/** In the order of `--ports`. */
const PLACES: readonly Place[] = [
  { title: 'Ollama', port: 11434, start: (port) => startOllama({ ...pace, port }) },
  { title: 'vLLM', port: 8000, start: (port) => startVllm({ ...pace, port }) },
  { title: 'llama-server', port: 8080, start: (port) => startLlamaServer({ ...pace, port }) },
  { title: 'llama-server, router', port: 8081, start: (port) => startLlamaRouter({ ...pace, port, maxModels: 1 }) },
  { title: 'llama-cpp-python', port: 8082, start: (port) => startLlamaCppPython({ ...pace, port }) },
  { title: 'any compatible server', port: 1337, start: (port) => startOpenAi({ ...pace, port }) },
];

function readPorts(): number[] {
  const { values } = parseArgs({ options: { ports: { type: 'string' }, help: { type: 'boolean', short: 'h' } } });
  if (values.help) {
    console.log(
      `npm run backends [-- --ports ${PLACES.map(({ port }) => port).join(',')}]\nPorts in this order: ${PLACES.map(({ title }) => title).join(', ')}. 0 picks a free one.`,
    );
    process.exit(0);
  }
  const ports = values.ports?.split(',').map(Number) ?? [];
  if (ports.some((port) => !Number.isInteger(port) || port < 0 || port > 65_535)) {
    console.error(`--ports takes numbers from 0 to 65535, separated by commas, not "${values.ports}"`);
    process.exit(2);
  }
  return ports;
}

/** On the port asked for, or on a free one when somebody has it already. */
async function startAt(place: Place, port: number): Promise<{ readonly standIn: StandIn; readonly note: string }> {
  try {
    return { standIn: await place.start(port), note: '' };
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    return { standIn: await place.start(0), note: `  (${port} is taken)` };
  }
}

const ports = readPorts();
const started: StandIn[] = [];
for (const [index, place] of PLACES.entries()) {
  const { standIn, note } = await startAt(place, ports[index] ?? place.port);
  started.push(standIn);
  console.log(`${standIn.url.padEnd(24)} ${place.title}${note}`);
}

const [first] = started;
console.log(`
Break one, and mend it again:
  curl -d '{"kind":"rate_limited","times":3}' ${first?.url}${FAULT_PATH}
  curl -d '{"kind":"drop","afterContents":5}' ${first?.url}${FAULT_PATH}
  curl -d '{"kind":"refuse","forMs":10000}' ${first?.url}${FAULT_PATH}
  curl -X DELETE ${first?.url}${FAULT_PATH}
Kinds: ${Object.keys(faultKinds).join(', ')}
Ctrl-C ends all of them.`);

async function stop(): Promise<void> {
  await Promise.all(started.map((standIn) => standIn.close()));
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop());
