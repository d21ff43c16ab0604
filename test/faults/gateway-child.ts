// A gateway in a process of its own that tells over IPC how much memory it takes. Started with `--expose-gc` by ChildGateway.

import { startGateway } from '../../gateway/index.ts';
import type { Log } from '../../gateway/telemetry/log.ts';
import type { ChildMessage, ParentMessage } from './child-gateway.ts';

const [configFile = '', dataFolder = ''] = process.argv.slice(2);
const nothing = () => undefined;
const complain: Log['error'] = (message, fields) => console.error(message, fields);
const log: Log = { debug: nothing, info: nothing, warn: nothing, error: complain };
const gateway = await startGateway({
  configFiles: [configFile],
  dataFolder,
  env: {},
  log,
  port: 0,
  discovery: null,
});

function tell(message: ChildMessage): void {
  process.send?.(message);
}

process.on('message', (message: ParentMessage) => {
  if (message === 'close') {
    void gateway.close({ isForced: true }).then(() => process.disconnect());
    return;
  }
  // Twice: the first collection runs finalizers whose leavings only the second one takes.
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, rss, external } = process.memoryUsage();
  tell({ is: 'memory', heapUsed, rss, external, peakRss: process.resourceUsage().maxRSS * 1_024 });
});
tell({ is: 'listening', url: gateway.urls[0] ?? '' });
