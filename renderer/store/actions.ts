// What the window asks the gateway to do. A refusal is told in the gateway's own words.

import { signal } from '@preact/signals';
import type { AdminProvider } from '../../gateway/contract.ts';
import { settleWish, wish } from './store.ts';

/** What went wrong last and where; shown until dismissed or until something else does. */
export const failure = signal<{ readonly title: string; readonly text: string } | null>(null);

async function send<Answer>(method: 'PATCH' | 'POST', path: string, body: unknown): Promise<Answer> {
  const response = await fetch(path, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const json: unknown = await response.json().catch(() => null);
  if (response.ok) return json as Answer;
  throw new Error(messageIn(json) ?? `The gateway answered ${response.status}.`);
}

function messageIn(json: unknown): string | null {
  const error = (json as { error?: { message?: unknown } } | null)?.error;
  return typeof error?.message === 'string' ? error.message : null;
}

function sentence(error: unknown): string {
  if (error instanceof TypeError) return 'The gateway does not answer.';
  return error instanceof Error ? error.message : String(error);
}

/** Moves the switch at once and back again where the gateway refuses. */
export async function switchProvider(name: string, isEnabled: boolean): Promise<void> {
  wish(name, isEnabled);
  try {
    const path = `/admin/providers/${encodeURIComponent(name)}`;
    settleWish(name, isEnabled, await send<AdminProvider>('PATCH', path, { enabled: isEnabled }));
    failure.value = null;
  } catch (error) {
    settleWish(name, isEnabled, null);
    failure.value = { title: `${name} was not switched ${isEnabled ? 'on' : 'off'}.`, text: sentence(error) };
  }
}

/** Forgets what live traffic has against a provider: its cooldowns and its breaker. */
export async function resetProvider(name: string): Promise<void> {
  try {
    await send('POST', `/admin/providers/${encodeURIComponent(name)}/reset`, {});
    failure.value = null;
  } catch (error) {
    failure.value = { title: `${name} stays as it is.`, text: sentence(error) };
  }
}

/** Ends a request that runs. */
export async function cancelRequest(id: string): Promise<void> {
  try {
    await send('POST', `/admin/requests/${encodeURIComponent(id)}/cancel`, {});
    failure.value = null;
  } catch (error) {
    failure.value = { title: 'The request was not ended.', text: sentence(error) };
  }
}
