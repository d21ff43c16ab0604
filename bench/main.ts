// `npm run bench`: this gateway beside direct access and nginx, all in front of the same stand-in in the same run.
// Machines are noisy and drift, so every figure comes from short bursts taken in turn, and what counts are ratios
// inside a round, of which the median is printed. `npm run bench -- --quick` takes fewer and shorter bursts.

import { cpus } from 'node:os';
import { measureDecision } from './decision.ts';
import { type Burst, chatBody, fixedRate, median, percentile, streams, wrkBurst } from './load.ts';
import { hasCommand, type Server, startBackend, startGateway, startNginx } from './processes.ts';
import { measureLines, measurePlace } from './queue.ts';

const isQuick = process.argv.includes('--quick');
const ROUNDS = isQuick ? 3 : 10;
const BURST_SECONDS = isQuick ? 1 : 2;
const NGINX_PORT = 18_999;

interface Row {
  readonly what: string;
  readonly values: Readonly<Record<string, string>>;
}

function print(title: string, rows: readonly Row[]): void {
  const columns = [...new Set(rows.flatMap(({ values }) => Object.keys(values)))];
  console.log(`\n### ${title}\n\n| | ${columns.join(' | ')} |\n|---|${columns.map(() => '---|').join('')}`);
  for (const { what, values } of rows)
    console.log(`| ${what} | ${columns.map((column) => values[column] ?? '').join(' | ')} |`);
}

function figure(value: number, digits = 2): string {
  return Number.isFinite(value) ? value.toFixed(digits) : 'n/a';
}

interface Sample extends Burst {
  readonly cpuMicrosecondsPerRequest: number;
}

async function burst(server: Server, connections: number, body: string): Promise<Sample> {
  const before = server.cpuSeconds();
  const result = await wrkBurst(server.port, connections, BURST_SECONDS, body);
  return { ...result, cpuMicrosecondsPerRequest: ((server.cpuSeconds() - before) / result.requests) * 1e6 };
}

/** Bursts on every server in turn, in an order that changes each round. */
async function rounds(
  servers: readonly Server[],
  count: number,
  connections: number,
  body: string,
): Promise<Map<string, Sample[]>> {
  const samples = new Map<string, Sample[]>(servers.map(({ name }) => [name, []]));
  for (const server of servers) await wrkBurst(server.port, connections, 1, body);
  for (let round = 0; round < count; round += 1) {
    const order = round % 2 === 0 ? servers : [...servers].reverse();
    for (const server of order) samples.get(server.name)?.push(await burst(server, connections, body));
  }
  return samples;
}

function ratios(samples: Map<string, Sample[]>, name: string, reference: string): number[] {
  const base = samples.get(reference) ?? [];
  return (samples.get(name) ?? []).map(
    (one, round) => one.requestsPerSecond / (base[round]?.requestsPerSecond ?? Number.NaN),
  );
}

async function throughput(
  servers: readonly Server[],
  bodyBytes: number,
  connections: number,
  count = ROUNDS,
): Promise<void> {
  const samples = await rounds(servers, count, connections, chatBody(bodyBytes));
  const rows = servers.map(({ name }) => {
    const own = samples.get(name) ?? [];
    const ratio = ratios(samples, name, 'nginx');
    return {
      what: name,
      values: {
        'requests/s': figure(median(own.map((one) => one.requestsPerSecond)), 0),
        'of nginx, median [min–max]': `${figure(median(ratio), 3)} [${figure(Math.min(...ratio), 3)}–${figure(Math.max(...ratio), 3)}]`,
        'CPU µs/request': name === 'direct' ? '' : figure(median(own.map((one) => one.cpuMicrosecondsPerRequest)), 1),
        'p50 ms': figure(median(own.map((one) => one.p50Ms)), 3),
        'p99 ms': figure(median(own.map((one) => one.p99Ms)), 3),
        errors: String(own.reduce((sum, one) => sum + one.errors, 0)),
      },
    };
  });
  print(`${bodyBytes} bytes in, 2 kB out, ${connections} connections`, rows);
}

async function addedLatency(direct: Server, servers: readonly Server[]): Promise<void> {
  const body = chatBody(1_024);
  const seconds = isQuick ? 3 : 5;
  const rows: Row[] = [];
  for (const server of servers) {
    const added: { p50: number; p99: number }[] = [];
    await fixedRate(server.port, 200, 2, body);
    for (let run = 0; run < ROUNDS; run += 1) {
      const base = await fixedRate(direct.port, 200, seconds, body);
      const own = await fixedRate(server.port, 200, seconds, body);
      added.push({ p50: median(own) - median(base), p99: percentile(own, 0.99) - percentile(base, 0.99) });
    }
    rows.push({
      what: server.name,
      values: {
        'added p50 ms, median': figure(median(added.map(({ p50 }) => p50)), 3),
        'added p99 ms, median [min–max]': `${figure(median(added.map(({ p99 }) => p99)))} [${figure(Math.min(...added.map(({ p99 }) => p99)))}–${figure(Math.max(...added.map(({ p99 }) => p99)))}]`,
      },
    });
  }
  print(`added latency at 200 requests/s, ${ROUNDS} paired runs of ${seconds} s`, rows);
}

async function streaming(servers: readonly Server[], count: number, isPaced: boolean): Promise<void> {
  const samples = new Map<string, { perChunk: number; perSecond: number; p50: number; p99: number }[]>();
  const roundCount = isQuick ? 2 : 5;
  for (const server of servers) await streams(server.port, count, isPaced);
  for (let round = 0; round < roundCount; round += 1) {
    for (const server of servers) {
      const before = server.cpuSeconds();
      let chunks = 0;
      let seconds = 0;
      const latencies: number[] = [];
      // CPU time is counted in hundredths of a second: unpaced streams are over too soon for one burst to show.
      for (let repeat = 0; repeat < (isPaced ? 1 : 20); repeat += 1) {
        const result = await streams(server.port, count, isPaced);
        chunks += result.chunks;
        seconds += result.seconds;
        for (const latency of result.latenciesMs) latencies.push(latency);
      }
      const own = samples.get(server.name) ?? [];
      own.push({
        perChunk: ((server.cpuSeconds() - before) / chunks) * 1e6,
        perSecond: chunks / seconds,
        p50: percentile(latencies, 0.5),
        p99: percentile(latencies, 0.99),
      });
      samples.set(server.name, own);
    }
  }
  const nginx = samples.get('nginx') ?? [];
  const rows = servers.map(({ name }) => {
    const own = samples.get(name) ?? [];
    const ratio = own.map((one, round) => one.perChunk / (nginx[round]?.perChunk ?? Number.NaN));
    return {
      what: name,
      values: {
        'CPU µs/chunk': name === 'direct' ? '' : figure(median(own.map(({ perChunk }) => perChunk)), 1),
        'times nginx': name === 'direct' ? '' : figure(median(ratio)),
        'chunks/s': figure(median(own.map(({ perSecond }) => perSecond)), 0),
        ...(isPaced
          ? {
              'chunk latency p50 ms': figure(median(own.map(({ p50 }) => p50))),
              'p99 ms': figure(median(own.map(({ p99 }) => p99))),
            }
          : {}),
      },
    };
  });
  print(`SSE: ${count} ${isPaced ? 'paced (a chunk each 10 ms)' : 'unpaced'} streams of 200 chunks of 220 bytes`, rows);
}

/** Exact rules, patterns and a default: as many as somebody with a large file has. The measured model is matched last. */
function configuration(backendPort: number): string {
  const exact = Array.from({ length: 500 }, (_, index) => `  "model-${index}:8b": { provider: bench }`).join('\n');
  const patterns = Array.from(
    { length: 500 },
    (_, index) => `  - { pattern: "^family-${index}/.*", provider: bench }`,
  ).join('\n');
  return `providers:
  bench: { kind: openai, base_url: "http://127.0.0.1:${backendPort}" }
exact_matches:
${exact}
  "bench": { provider: bench }
patterns:
${patterns}
default_provider: bench
`;
}

async function startUp(backendPort: number): Promise<void> {
  const times: number[] = [];
  // The first start of a version builds it and compiles all code: what counts is each one after it.
  for (let run = -1; run < (isQuick ? 3 : 7); run += 1) {
    const server = await startGateway(configuration(backendPort));
    if (run >= 0) times.push(server.readyAfterMs);
    await server.stop();
  }
  print('start-up, from the command to the listening line, 1,000 rules', [
    {
      what: 'switchyard',
      values: {
        'median ms': figure(median(times), 0),
        'min ms': figure(Math.min(...times), 0),
        'max ms': figure(Math.max(...times), 0),
      },
    },
  ]);
}

async function queueing(): Promise<void> {
  const lines = await measureLines([100, 10_000], () => [100]);
  print('the line: places and those who wait for them', [
    { what: 'a place when nobody waits', values: { ns: figure(measurePlace(4), 0) } },
    ...lines.map(({ waiting, clients, joinMicroseconds, serveMicroseconds }) => ({
      what: `${waiting} waiting at 2 providers, ${clients} clients`,
      values: { 'to get in line µs': figure(joinMicroseconds, 1), 'to be served µs': figure(serveMicroseconds, 1) },
    })),
  ]);
}

async function main(): Promise<void> {
  for (const command of ['wrk', 'nginx']) {
    if (!hasCommand(command)) {
      console.error(`bench: ${command} is missing (Debian: apt-get install wrk nginx-light)`);
      process.exit(1);
    }
  }
  const direct = await startBackend();
  const nginx = await startNginx(direct.port, NGINX_PORT);
  const gateway = await startGateway(configuration(direct.port));
  const servers = [direct, nginx, gateway];
  console.log(
    `## ${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown processor'}`,
  );
  console.log('Proxies on one core, load and backend on the other; rules, history and metrics on.');
  try {
    const idleMb = gateway.residentMb();
    for (const connections of [1, 32, 256]) await throughput(servers, 1_024, connections);
    const loadedMb = gateway.residentMb();
    await addedLatency(direct, [nginx, gateway]);
    await streaming(servers, 16, false);
    await streaming(servers, 50, true);
    const memory = {
      'idle MB': figure(idleMb, 0),
      'after the requests above MB': figure(loadedMb, 0),
      'after the streams MB': figure(gateway.residentMb(), 0),
    };
    await throughput(servers, 1_048_576, 8, isQuick ? 2 : 4);
    await throughput(servers, 10_485_760, 4, isQuick ? 2 : 4);
    print('resident memory', [
      { what: 'switchyard', values: { ...memory, 'after 10 MB bodies MB': figure(gateway.residentMb(), 0) } },
      { what: 'nginx', values: { 'idle MB': figure(nginx.residentMb(), 0) } },
    ]);
    await startUp(direct.port);
    const decision = measureDecision();
    print('one decision, 1,000 rules and 1,000 models', [
      {
        what: 'route()',
        values: { 'p50 µs': figure(decision.p50Microseconds, 1), 'p99 µs': figure(decision.p99Microseconds, 1) },
      },
    ]);
    await queueing();
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}

await main();
