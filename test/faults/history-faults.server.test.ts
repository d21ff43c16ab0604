import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import type { AdminStatus, HistoryStatus } from '../../gateway/contract.ts';
import { readManagementToken } from '../../gateway/http/management-token.ts';
import { startOpenAi } from '../backends/openai.ts';
import { Workplace } from '../cli/support.ts';
import { canMount, mountDisk } from '../history/support.ts';
import { post } from '../support/http.ts';
import { eventually } from './support.ts';

/** Batches are sealed four times a second and written one after the other. */
const LAST_BATCH_MS = 1_000;

async function admin(url: string, data: string, target: string): Promise<Response> {
  return fetch(url + target, { headers: { authorization: `Bearer ${readManagementToken(data) ?? ''}` } });
}

async function historyOf(url: string, data: string): Promise<HistoryStatus> {
  return ((await (await admin(url, data, '/admin/status')).json()) as AdminStatus).history;
}

function ask(url: string) {
  return post(`${url}/v1/chat/completions`, { model: 'm', messages: [{ role: 'user', content: 'hi' }] });
}

test('killed in the middle of its work, the gateway has lost the last batch of its record at most', async () => {
  await using provider = await startOpenAi({ models: ['m'], keepRequests: 0 });
  await using place = new Workplace();
  const config = place.write('switchyard.yaml', `providers: { p: { kind: openai, base_url: "${provider.url}" } }\n`);
  const first = await place.start(['--config', config]);
  const answered: { readonly id: string; readonly atMs: number }[] = [];
  const isEnough = Promise.withResolvers<void>();
  const work = async () => {
    for (;;) {
      const answer = await ask(first.url).catch(() => null);
      if (answer === null) return;
      answered.push({ id: String(answer.headers['x-request-id']), atMs: performance.now() });
      if (answered.length === 400) isEnough.resolve();
    }
  };
  const working = Promise.all(Array.from({ length: 8 }, work));
  await isEnough.promise;
  first.child.kill('SIGKILL');
  const killedAtMs = performance.now();
  await Promise.all([working, first.ended]);

  const second = await place.start(['--config', config]);
  await eventually(
    () => historyOf(second.url, place.data),
    ({ is }) => is === 'on',
  );
  const database = new Database(join(place.data, 'history.db'), { readonly: true });
  const kept = new Set(database.prepare<[], string>('SELECT id FROM requests').pluck().all());
  expect(database.pragma('integrity_check', { simple: true })).toBe('ok');
  database.close();
  const lost = answered.filter(({ id }) => !kept.has(id));
  const ages = lost.map(({ atMs }) => killedAtMs - atMs);
  console.log(
    `killed in load: ${answered.length} answered, ${kept.size} kept, ${lost.length} lost, the oldest ${Math.round(Math.max(0, ...ages))} ms before the end`,
  );
  expect(kept.size).toBeGreaterThan(0);
  expect(Math.max(0, ...ages)).toBeLessThan(LAST_BATCH_MS);
  const known = answered.find(({ id }) => kept.has(id));
  expect((await admin(second.url, place.data, `/admin/requests/${known?.id}`)).status).toBe(200);
  expect((await ask(second.url)).status).toBe(200);
}, 60_000);

const NEWER_VERSION = 999;

function markAsNewer(data: string): void {
  const database = new Database(join(data, 'history.db'));
  database.pragma(`user_version = ${NEWER_VERSION}`);
  database.close();
}

/** What became of the data folder since the last run, and what the status has to say about it. */
const SINCE_THE_LAST_RUN: readonly {
  readonly title: string;
  readonly damage: (data: string) => void;
  readonly says: HistoryStatus['is'];
  readonly because: string;
}[] = [
  { title: 'a database of a newer version', damage: markAsNewer, says: 'off', because: 'newer version' },
  {
    title: 'a corrupt database',
    damage: (data) => writeFileSync(join(data, 'history.db'), 'these are my notes '.repeat(1_000)),
    says: 'on',
    because: 'history.db',
  },
  {
    title: 'a folder in the place of the database',
    damage: (data) => {
      rmSync(join(data, 'history.db'));
      mkdirSync(join(data, 'history.db'));
    },
    says: 'off',
    because: 'history.db',
  },
];

test.each(SINCE_THE_LAST_RUN)('$title: requests are answered, and the status tells of the history', async (one) => {
  await using provider = await startOpenAi({ models: ['m'] });
  await using place = new Workplace();
  const config = place.write('switchyard.yaml', `providers: { p: { kind: openai, base_url: "${provider.url}" } }\n`);
  const before = await place.start(['--config', config]);
  expect((await ask(before.url)).status).toBe(200);
  before.child.kill('SIGTERM');
  await before.ended;

  one.damage(place.data);
  const { url } = await place.start(['--config', config]);
  for (let turn = 0; turn < 3; turn += 1) expect((await ask(url)).status).toBe(200);
  const status = await eventually(
    () => historyOf(url, place.data),
    ({ is }) => is === one.says,
  );
  expect(JSON.stringify(status)).toContain(one.because);
  // Without a history the latest requests can still be asked about.
  const id = String((await ask(url)).headers['x-request-id']);
  expect((await admin(url, place.data, `/admin/requests/${id}`)).status).toBe(200);
  const aside = readdirSync(place.data).filter((name) => name.startsWith('history.db.corrupt-'));
  expect(aside).toHaveLength(one.title === 'a corrupt database' ? 1 : 0);
  for (const name of aside) expect(readFileSync(join(place.data, name), 'utf8')).toContain('these are my notes');
  if (one.damage !== markAsNewer) return;
  const database = new Database(join(place.data, 'history.db'), { readonly: true });
  expect(database.pragma('user_version', { simple: true })).toBe(NEWER_VERSION);
  expect(database.prepare('SELECT count(*) FROM requests').pluck().get()).toBe(1);
  database.close();
});

// A folder's own permissions do not stop root, so a disk is mounted read-only.
test.skipIf(!canMount)(
  'a data folder that nobody can write to: requests are answered, and the status says so',
  async () => {
    await using provider = await startOpenAi({ models: ['m'] });
    await using place = new Workplace();
    const config = place.write('switchyard.yaml', `providers: { p: { kind: openai, base_url: "${provider.url}" } }\n`);
    mkdirSync(place.data);
    const disk = mountDisk(place.data, '8m');
    try {
      expect((await place.run(['token', '--data', place.data])).code).toBe(0);
      disk.remount('ro');
      const { url, child, ended } = await place.start(['--config', config]);
      expect((await ask(url)).status).toBe(200);
      const status = await eventually(
        () => historyOf(url, place.data),
        ({ is }) => is !== 'on',
      );
      expect(JSON.stringify(status)).toContain(place.data);
      expect((await ask(url)).status).toBe(200);
      child.kill('SIGTERM');
      expect((await ended).code).toBe(0);
    } finally {
      disk.unmount();
    }
  },
);
