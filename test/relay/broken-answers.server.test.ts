// No broken answer passes as a complete one: every recorded crash, cut and overflow behind the gateway, the official
// clients in front of it.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { brokenOnes } from '../backends/broken-recordings.ts';
import { bodyOf, completeStreams, listRecordings } from '../backends/recordings.ts';
import { endpointOf, isStreamed, kindOfServer, playing } from './played.ts';
import { type Script, startProvider } from './provider.ts';
import { askOfficially, healthy, inFrontOf } from './support.ts';

const table = brokenOnes().map(({ recording, why, hasContent, isSilent }, index) => {
  const endpoint = endpointOf(recording) ?? 'chat';
  const asked = (JSON.parse(recording.request.body) as { stream?: boolean }).stream ?? endpoint.startsWith('ollama');
  // Half a JSON answer was never shown to the client, so somebody else may still give a whole one.
  const withBackup: 'raised' | 'answered' = hasContent && isStreamed(recording) ? 'raised' : 'answered';
  return { name: recording.name, model: `broken-${index}`, recording, endpoint, asked, why, isSilent, withBackup };
});

const FINISHED = /"(finish_reason|stop_reason|done_reason)": ?"(?!abort|error)|event: response\.completed/;

test('every recorded answer that is neither complete nor left by its client nor refused is in the table', () => {
  const named = new Set(table.map(({ name }) => name));
  const whole = new Set(completeStreams().map(({ name }) => name));
  const missing = listRecordings((recording) => {
    const { status, end, isShortened } = recording.response;
    if (endpointOf(recording) === null || isShortened || end === 'client_closed' || end === 'refused') return false;
    if (status !== null && status !== 200) return false;
    if (whole.has(recording.name) || named.has(recording.name)) return false;
    // JSON answers that are all there, and those to requests that generate nothing.
    return end !== 'complete' || (isStreamed(recording) && !FINISHED.test(bodyOf(recording)));
  }).map(({ name }) => name);
  expect(missing).toEqual([]);
  expect(table.length).toBeGreaterThanOrEqual(40);
});

type Row = (typeof table)[number];

const models = table.map(({ model }) => model);

/** One gateway for all of them: each broken provider has a model of its own, the backup (asked last) has them all. */
async function everything(hasBackup: boolean) {
  const broken = await Promise.all(
    table.map(({ recording, model }) =>
      startProvider(playing(recording), { kind: kindOfServer[recording.server], models: [model] }),
    ),
  );
  const kinds = ['openai', 'ollama'] as const;
  const backups = hasBackup
    ? await Promise.all(kinds.map((kind) => startProvider(healthyAtAll, { kind, models })))
    : [];
  const extra = table.map(({ isSilent }) =>
    // Silence alone needs time limits to be found.
    isSilent ? 'timeouts: {first_byte_ms: 500, idle_ms: 500}' : 'weight: 1',
  );
  const gateway = await inFrontOf([...broken, ...backups], { extra });
  const stop = () => Promise.all([gateway, ...broken, ...backups].map((part) => part.close()));
  return { gateway, broken, backups, stop };
}

const healthyAtAll: Script = (turn) => {
  const row = table.find(({ model }) => turn.received.body.includes(`"${model}"`));
  return healthy(row?.endpoint ?? 'chat', 'from the backup')(turn);
};

async function ask(world: Awaited<ReturnType<typeof everything>>, row: Row) {
  const seen = await askOfficially(world.gateway.url, row.endpoint, row.asked, row.model);
  const outcome = await world.gateway.outcome(seen.requestId);
  expect(world.broken[table.indexOf(row)]?.received).toHaveLength(1);
  return { seen, outcome };
}

describe('a recorded broken answer, alone', () => {
  let world: Awaited<ReturnType<typeof everything>>;
  beforeAll(async () => {
    world = await everything(false);
  });
  afterAll(() => world.stop());

  test.each(table)('$name: the official client raises an error ($why)', async (row) => {
    const { seen, outcome } = await ask(world, row);
    expect(seen.raised).not.toBeNull();
    const isBroken = row.withBackup === 'raised';
    expect(outcome.result).toBe(isBroken ? 'broken' : 'failed');
    expect(outcome.attempts).toHaveLength(1);
    expect(outcome.attempts[0]?.failure?.kind === 'broken').toBe(isBroken);
    expect(seen.text !== '').toBe(isBroken);
  });
});

describe('a recorded broken answer, with a healthy provider beside it', () => {
  let world: Awaited<ReturnType<typeof everything>>;
  beforeAll(async () => {
    world = await everything(true);
  });
  afterAll(() => world.stop());

  test.each(table.filter(({ withBackup }) => withBackup === 'answered'))(
    '$name: answered by it, unseen',
    async (row) => {
      const { seen, outcome } = await ask(world, row);
      expect([seen.raised, seen.text]).toEqual([null, 'from the backup']);
      expect(outcome).toMatchObject({ result: 'complete', status: 200 });
      expect(outcome.attempts.map(({ failure }) => failure === null)).toEqual([false, true]);
      expect(seen.headers.get('x-switchyard-provider')).toBe(outcome.provider);
      expect(seen.headers.get('x-switchyard-attempts')).toBe('2');
    },
  );

  test.each(table.filter(({ withBackup }) => withBackup === 'raised'))(
    '$name: raised, for its beginning was seen',
    async (row) => {
      const { seen, outcome } = await ask(world, row);
      expect(seen.raised).not.toBeNull();
      expect(seen.text).not.toContain('from the backup');
      expect(outcome).toMatchObject({ result: 'broken', attempts: [{ failure: { kind: 'broken' } }] });
    },
  );
});
