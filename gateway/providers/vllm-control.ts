// vLLM's sleep: its one model leaves the GPU for main memory and comes back from there. Measured with 0.32.0.

import { refusedControl, waitFor } from './control.ts';
import { asObject } from './lenient.ts';
import { sumOf } from './prometheus.ts';
import type { ControlClient, ControlResult, ModelControl } from './provider.ts';

const howEnabled = '--enable-sleep-mode and VLLM_SERVER_DEV_MODE=1';

export const vllmControl: ModelControl = {
  scope: 'server',
  isOnlyIf: `it was started with ${howEnabled}`,
  load,
  unload,
};

/** Null: it has no such thing. */
async function isAsleep(client: ControlClient): Promise<boolean | null> {
  const answer = await client.get('/is_sleeping');
  const said = answer.status === 200 ? asObject(answer.json)?.is_sleeping : undefined;
  return typeof said === 'boolean' ? said : null;
}

const notEnabled: ControlResult = {
  is: 'unsupported',
  message: `cannot be put to sleep or woken: the server was not started with ${howEnabled}`,
};

async function load(client: ControlClient): Promise<ControlResult> {
  const before = await isAsleep(client);
  if (before === null) return notEnabled;
  if (!before) return { is: 'unchanged', message: 'was awake already' };
  const answer = await client.post('/wake_up', null);
  if (answer.status !== 200) return refusedControl(answer);
  return waitFor(client, { is: 'failed', message: 'did not wake in time' }, async () =>
    (await isAsleep(client)) === false ? { is: 'done', message: 'was woken' } : null,
  );
}

async function unload(client: ControlClient): Promise<ControlResult> {
  const before = await isAsleep(client);
  if (before === null) return notEnabled;
  if (before) return { is: 'unchanged', message: 'was asleep already' };
  const page = await client.get('/metrics');
  const atWork =
    (sumOf(page.text, 'vllm:num_requests_running') ?? 0) + (sumOf(page.text, 'vllm:num_requests_waiting') ?? 0);
  if (page.status === 200 && atWork > 0) return { is: 'busy', message: 'is at work for others' };
  // Level 1 keeps the weights, so that waking needs no reload; without `wait` running answers would be cut short.
  const answer = await client.post('/sleep?level=1&mode=wait', null);
  if (answer.status !== 200) return refusedControl(answer);
  return waitFor(client, { is: 'failed', message: 'did not fall asleep in time' }, async () =>
    (await isAsleep(client)) === true ? { is: 'done', message: 'was put to sleep' } : null,
  );
}
