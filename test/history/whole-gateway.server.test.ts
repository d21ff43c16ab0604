// What a whole gateway leaves in its history besides requests, read from the file itself after it has stopped.

import path from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { startOpenAi } from '../backends/openai.ts';
import { eventually, whenReady } from '../faults/support.ts';
import { testGateway } from '../support/gateway.ts';
import { post } from '../support/http.ts';

test('probes, changes of health and what traffic took out are kept', async () => {
  await using box = await startOpenAi({ models: ['m'] });
  await using folder = await testGateway(`
providers: { box: { kind: openai, base_url: "${box.url}" } }
default_provider: box
router_settings: { num_retries: 0 }
`);
  await whenReady(folder, 'box');
  await box.setFault('rate_limited');
  const answer = await post(
    `${folder.url}/v1/chat/completions`,
    JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }] }),
  );
  expect(answer.status).toBe(429);
  await eventually(
    async () => folder.lines,
    (lines) => lines.some((line) => line.includes('box/m: cooling_down')),
  );
  await folder.gateway.close({ isForced: true });

  const database = new Database(path.join(folder.dataFolder, 'history.db'), { readonly: true });
  const all = (sql: string) => database.prepare(sql).all();
  expect(all('SELECT COUNT(*) > 0 AS has FROM beats')).toEqual([{ has: 1 }]);
  expect(all('SELECT state_before, state_after FROM transitions')).toEqual([
    { state_before: 'pending', state_after: 'ready' },
  ]);
  expect(all("SELECT provider, model, kind FROM events WHERE kind IN ('cooldown', 'breaker')")).toEqual([
    { provider: 'box', model: 'm', kind: 'cooldown' },
  ]);
  expect(all('SELECT COUNT(*) AS count FROM sessions')).toEqual([{ count: 1 }]);
  database.close();
});
