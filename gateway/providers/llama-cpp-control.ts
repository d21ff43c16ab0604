// Loading and unloading the models of llama-server's router. It answers before it has happened (measured with 0.5.0-dev).

import { refusedControl, waitFor } from './control.ts';
import { asArray, asObject, asText, textsOf } from './lenient.ts';
import { listedModels } from './openai-models.ts';
import type { ControlClient, ControlResult, ModelControl } from './provider.ts';

/** So often a model may be seen unloaded after it was told to load, before it counts as not having started. */
const looksUntilStarted = 20;

export const routerControl: ModelControl = { scope: 'model', isOnlyIf: null, load, unload };

interface RoutedState {
  readonly value: string;
  readonly hasFailed: boolean;
  readonly exitCode: unknown;
}

/** The model's entry in the list; null: it has none. */
async function readState(client: ControlClient, model: string): Promise<RoutedState | null> {
  const list = await client.get('/v1/models');
  const models = list.status === 200 ? (listedModels(list.json) ?? []) : [];
  const entry = models.find(({ id, entry }) => id === model || textsOf(entry.aliases).includes(model))?.entry;
  const status = asObject(entry?.status);
  const value = asText(status?.value);
  if (status === null || value === null) return null;
  return { value, hasFailed: status.failed === true, exitCode: status.exit_code };
}

const notListed: ControlResult = { is: 'failed', message: 'is not in the list of the server' };

async function load(client: ControlClient, model: string): Promise<ControlResult> {
  const before = await readState(client, model);
  if (before === null) return notListed;
  if (before.value === 'loaded') return { is: 'unchanged', message: 'was loaded already' };
  if (before.value === 'sleeping') {
    return { is: 'unsupported', message: 'sleeps because nobody used it: only a request wakes it' };
  }
  if (before.value !== 'loading') {
    const answer = await client.post('/models/load', { model });
    const isAsWanted = answer.status === 200 || /already running/.test(answer.text);
    if (!isAsWanted) return refusedControl(answer);
  }
  let hasStarted = before.value === 'loading';
  let looks = 0;
  return waitFor(client, { is: 'failed', message: 'was not loaded in time' }, async () => {
    const state = await readState(client, model);
    if (state?.value === 'loaded') return { is: 'done', message: 'was loaded' };
    looks += 1;
    // Until it has started, the list tells how its former run ended.
    if (state?.value === 'loading') hasStarted = true;
    else if (hasStarted || looks >= looksUntilStarted) return whyNotLoaded(state);
    return null;
  });
}

function whyNotLoaded(state: RoutedState | null): ControlResult {
  if (state === null) return notListed;
  const exit = state.hasFailed ? `: its process ended with exit code ${String(state.exitCode)}` : '';
  return { is: 'failed', message: `could not be loaded${exit}` };
}

async function unload(client: ControlClient, model: string): Promise<ControlResult> {
  const before = await readState(client, model);
  if (before === null) return notListed;
  if (before.value === 'unloaded') return { is: 'unchanged', message: 'was not loaded' };
  // It would be killed in the midst of its answers after 10 s (measured: router-unload-while-streaming).
  if (before.value === 'loaded' && (await isAtWork(client, model))) {
    return { is: 'busy', message: 'is at work for others' };
  }
  const answer = await client.post('/models/unload', { model });
  if (answer.status !== 200 && !/not running/.test(answer.text)) return refusedControl(answer);
  return waitFor(client, { is: 'failed', message: 'was not unloaded in time' }, async () =>
    (await readState(client, model))?.value === 'unloaded' ? { is: 'done', message: 'was unloaded' } : null,
  );
}

async function isAtWork(client: ControlClient, model: string): Promise<boolean> {
  const slots = await client.get(`/slots?model=${encodeURIComponent(model)}&autoload=false`);
  return slots.status === 200 && asArray(slots.json).some((slot) => asObject(slot)?.is_processing === true);
}
