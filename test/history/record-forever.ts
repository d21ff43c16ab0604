// Started by killed.server.test.ts: records without end, says what it has recorded and what is written, and is killed.

import { systemClock } from '../../gateway/clock.ts';
import { openHistory } from '../../gateway/history/recorder.ts';
import { memoryLog, outcome } from './support.ts';

const [folder = '', run = ''] = process.argv.slice(2);
const settings = { retentionDays: 90, maxMb: 1_024 };
const history = openHistory({ folder, settings, log: memoryLog(), clock: systemClock, instance: run });

for (let row = 0; ; ) {
  for (const end = row + 200; row < end; row++) history.record(outcome({ id: `${run}:${row}`, client: run }));
  await history.flush();
  console.log(row);
}
