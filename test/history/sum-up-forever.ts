// Started by sums.server.test.ts: sums up a database step by step, says each step, and is killed. When there is nothing left
// it waits for that.

import Database from 'better-sqlite3';
import { HealthRollup } from '../../gateway/history/health-rollup.ts';
import { RequestRollup } from '../../gateway/history/request-rollup.ts';

const database = new Database(process.argv[2] ?? '', { timeout: 5_000 });
const [requests, health] = [new RequestRollup(database), new HealthRollup(database)];

setInterval(() => {
  requests.step();
  health.step();
  console.log('a step');
}, 0);
