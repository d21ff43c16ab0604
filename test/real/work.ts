// What a real server has generated and loaded so far, by its own counters, asked directly.

import { isDeepStrictEqual } from 'node:util';
import type { PresentServer } from './servers.ts';

/** Sums of the series whose names match, by name. */
export function sumsOf(exposition: string, names: RegExp): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const line of exposition.split('\n')) {
    const [, name, value] = /^([a-z_:]+)(?:\{[^}]*\})? (\S+)$/i.exec(line) ?? [];
    if (name === undefined || !names.test(name)) continue;
    sums[name] = (sums[name] ?? 0) + Number(value);
  }
  return sums;
}

async function textOf(url: string): Promise<string> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return await response.text();
}

/** Which models are loaded, and until when: a use would move the time. */
async function ollamaWork({ url }: PresentServer): Promise<unknown> {
  const { models } = JSON.parse(await textOf(`${url}/api/ps`)) as { models: { name: string; expires_at: string }[] };
  return models.map(({ name, expires_at }) => `${name} until ${expires_at}`).sort();
}

/** A router tells of its models; a single server of its tokens, where it was started with --metrics, and slots. */
async function llamaWork({ url }: PresentServer): Promise<unknown> {
  const list = JSON.parse(await textOf(`${url}/v1/models`)) as { data: { id: string; status?: { value: string } }[] };
  if (list.data.some(({ status }) => status !== undefined)) {
    const states = list.data.map(({ id, status }) => `${id} ${status?.value}`);
    const loaded = list.data.filter(({ status }) => status?.value === 'loaded');
    const tasks = await Promise.all(loaded.map(({ id }) => slotTasks(`${url}/slots?model=${encodeURIComponent(id)}`)));
    return { states, tasks };
  }
  return await slotTasks(`${url}/slots`);
}

/** The number of the last task of each slot counts up with each generation. */
async function slotTasks(url: string): Promise<unknown> {
  const slots = JSON.parse(await textOf(url)) as { id: number; id_task?: number; is_processing: boolean }[];
  return slots.map(({ id, id_task, is_processing }) => ({ id, id_task, is_processing }));
}

async function vllmWork({ url }: PresentServer): Promise<unknown> {
  return sumsOf(await textOf(`${url}/metrics`), /^vllm:(request_success|prompt_tokens|generation_tokens)_total$/);
}

/** A value that stays equal as long as the server has not generated or loaded anything; null: it keeps no count. */
export async function workOf(server: PresentServer): Promise<unknown> {
  if (server.kind === 'ollama') return await ollamaWork(server);
  if (server.kind === 'llama_cpp') return await llamaWork(server);
  if (server.kind === 'vllm') return await vllmWork(server);
  return null;
}

/** Whether it has generated or loaded between two looks. A model that Ollama unloaded when its time was up is none of that. */
export function hasWorked(before: unknown, after: unknown): boolean {
  if (Array.isArray(before) && Array.isArray(after) && after.every((entry) => typeof entry === 'string')) {
    return after.some((entry) => !before.includes(entry));
  }
  return !isDeepStrictEqual(before, after);
}
