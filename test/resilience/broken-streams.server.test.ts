// Every recorded crash, cut and overflow once more, now in front of three providers with queues and cooldowns: the broken one
// is asked first, behind it one that breaks in another way, and at last one that is well and takes two requests at once.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Outcome } from '../../gateway/types.ts';
import { brokenOnes } from '../backends/broken-recordings.ts';
import { endpointOf, isStreamed, kindOfServer, playing } from '../relay/played.ts';
import { type Provider, type Script, startProvider } from '../relay/provider.ts';
import { askOfficially, healthy, inFrontOf } from '../relay/support.ts';
import type { TestGateway } from '../support/gateway.ts';

const AT_ONCE = 12;

const rows = brokenOnes().map(({ recording, why, hasContent, isSilent }, index) => {
  const endpoint = endpointOf(recording) ?? 'chat';
  const asked = (JSON.parse(recording.request.body) as { stream?: boolean }).stream ?? endpoint.startsWith('ollama');
  return {
    name: recording.name,
    model: `broken-${index}`,
    recording,
    endpoint,
    asked,
    why,
    isSilent,
    /** Half a JSON answer was never shown to the client, so somebody else may still give a whole one. */
    isSeen: hasContent && isStreamed(recording),
  };
});

type Row = (typeof rows)[number];

/** Another recorded way to break before anything was seen, of the same protocol; else a connection that just ends. */
function otherBreakage({ endpoint, asked, name }: Row): { readonly script: Script; readonly kind: Provider['kind'] } {
  const other = rows.find(
    (row) => row.name !== name && row.endpoint === endpoint && row.asked === asked && !row.isSeen && !row.isSilent,
  );
  if (other !== undefined) return { script: playing(other.recording), kind: kindOfServer[other.recording.server] };
  return { script: ({ socket }) => socket.destroySoon(), kind: endpoint.startsWith('ollama') ? 'ollama' : 'openai' };
}

const well: Script = (turn) => {
  const row = rows.find(({ model }) => turn.received.body.includes(`"${model}"`));
  return healthy(row?.endpoint ?? 'chat', 'from the third')(turn);
};

let providers: readonly Provider[] = [];
let gateway: TestGateway;

beforeAll(async () => {
  const models = rows.map(({ model }) => model);
  const first = rows.map(({ recording, model }) =>
    startProvider(playing(recording), { kind: kindOfServer[recording.server], models: [model] }),
  );
  const second = rows.map((row) => {
    const { script, kind } = otherBreakage(row);
    return startProvider(script, { kind, models: [row.model] });
  });
  const third = (['openai', 'ollama'] as const).map((kind) => startProvider(well, { kind, models }));
  providers = await Promise.all([...first, ...second, ...third]);
  const silent = 'timeouts: {first_byte_ms: 500, idle_ms: 500}';
  gateway = await inFrontOf(providers, {
    // Silence alone needs time limits to be found.
    extra: [
      ...rows.map(({ isSilent }) => (isSilent ? silent : 'weight: 1')),
      ...rows.map(() => 'weight: 1'),
      ...third.map(() => 'max_parallel_requests: 2'),
    ],
  });
});

afterAll(async () => {
  await Promise.all([gateway, ...providers].map((part) => part.close()));
});

interface Asked {
  readonly row: Row;
  readonly raised: boolean;
  readonly text: string;
  readonly outcome: Outcome;
}

async function ask(row: Row): Promise<Asked> {
  const seen = await askOfficially(gateway.url, row.endpoint, row.asked, row.model);
  const outcome = await gateway.outcome(seen.requestId);
  return { row, raised: seen.raised !== null, text: seen.text, outcome };
}

test('no broken answer passes as a whole one, and whatever broke unseen is answered by somebody else', async () => {
  const line = rows.values();
  const all: Asked[] = [];
  const work = async () => {
    for (const row of line) all.push(await ask(row));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const wrong = all.filter(({ row, raised, text, outcome }) => {
    const { result, attempts } = outcome;
    if (row.isSeen)
      return !(raised && result === 'broken' && !text.includes('from the third') && attempts.length === 1);
    return !(!raised && text === 'from the third' && result === 'complete' && attempts.length === 3);
  });
  const told = wrong.map(({ row, raised, text, outcome }) => {
    const attempts = outcome.attempts.map(({ provider, failure }) => `${provider} ${failure?.kind ?? 'ok'}`);
    return `${row.name} (${row.why}): ${raised ? 'raised' : text}, ${outcome.result}, ${attempts.join(', ')}`;
  });
  expect(told).toEqual([]);
  const seen = all.filter(({ row }) => row.isSeen).length;
  console.log(`broken recordings: ${all.length}, ${seen} raised as errors, ${all.length - seen} answered by another`);
  expect(all.length).toBeGreaterThanOrEqual(40);
  // Nobody was asked twice about one request.
  const twice = all.filter(({ outcome }) => {
    const names = outcome.attempts.map(({ provider }) => provider);
    return new Set(names).size < names.length;
  });
  expect(twice).toEqual([]);
});
