// What tests tell a real Ollama directly.

import { setTimeout as pause } from 'node:timers/promises';

/** Makes it let go of a model, and waits until it has. */
export async function unload(url: string, model: string): Promise<void> {
  await fetch(`${url}/api/generate`, { method: 'POST', body: JSON.stringify({ model, keep_alive: 0 }) });
  for (;;) {
    const { models } = (await (await fetch(`${url}/api/ps`)).json()) as { models: { name: string }[] };
    if (!models.some(({ name }) => name === model)) return;
    await pause(100);
  }
}
