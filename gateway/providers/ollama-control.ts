// Loading and unloading Ollama's models: requests without a prompt that carry nothing but a `keep_alive`.

import { refusedControl, waitFor } from './control.ts';
import { canonicalName, type LoadedModel, listedByName, readLoaded } from './ollama-models.ts';
import type { ControlClient, ControlResult, ModelControl } from './provider.ts';

/** Measured with 0.17.4: `/api/ps` then says that it expires in the year 2319. */
const keepForever = -1;
const unloadWhenIdle = 0;

export const ollamaControl: ModelControl = { scope: 'model', isOnlyIf: null, load, unload };

/** What `/api/ps` says of the model: null if it is not loaded, undefined if it does not say. */
async function readRunning(client: ControlClient, model: string): Promise<LoadedModel | null | undefined> {
  const answer = await client.get('/api/ps');
  const entries = answer.status === 200 ? listedByName(answer.json) : null;
  if (entries === null) return undefined;
  const wanted = canonicalName(model);
  for (const [name, entry] of entries) if (canonicalName(name) === wanted) return readLoaded(entry, client.nowMs());
  return null;
}

async function load(
  client: ControlClient,
  model: string,
  { isKept }: { readonly isKept: boolean },
): Promise<ControlResult> {
  const running = await readRunning(client, model);
  const isLoaded = running !== undefined && running !== null;
  if (isLoaded && (!isKept || running.untilMs === Number.POSITIVE_INFINITY)) {
    return { is: 'unchanged', message: 'was loaded already' };
  }
  const request = {
    model,
    ...(isKept ? { keep_alive: keepForever } : {}),
    // Another context than the one it runs with would load it anew (measured: any change of num_ctx reloads).
    ...(isLoaded && running.context !== null ? { options: { num_ctx: running.context } } : {}),
  };
  let answer = await client.post('/api/generate', { ...request, stream: false });
  // A model for embeddings alone is loaded by an embedding of nothing.
  if (answer.status === 400 && /does not support generate/.test(answer.text)) {
    answer = await client.post('/api/embed', { ...request, input: [] });
  }
  if (answer.status !== 200) return refusedControl(answer);
  if (isLoaded) return { is: 'unchanged', message: 'was loaded already, and stays until it is unloaded' };
  return { is: 'done', message: isKept ? 'was loaded, and stays until it is unloaded' : 'was loaded' };
}

/** The answer comes at once; the model goes when its last request has ended, whosever it is. */
async function unload(client: ControlClient, model: string): Promise<ControlResult> {
  if ((await readRunning(client, model)) === null) return { is: 'unchanged', message: 'was not loaded' };
  const answer = await client.post('/api/generate', { model, keep_alive: unloadWhenIdle, stream: false });
  if (answer.status !== 200) return refusedControl(answer);
  const stillUsed = { is: 'busy', message: 'is still used by others: the server unloads it after them' } as const;
  return waitFor(client, stillUsed, async () =>
    (await readRunning(client, model)) === null ? { is: 'done', message: 'was unloaded' } : null,
  );
}
