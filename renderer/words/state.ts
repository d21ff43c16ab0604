// States in words: of a provider, of a failure, of the whole. Pure.

import type { AdminCooldown, AdminProvider, AdminStatus } from '../../gateway/contract.ts';
import type { CauseClass, ObservedState, ProviderKind } from '../../gateway/types.ts';
import { address } from './format.ts';

/** What is drawn: a finding of the probes, or the user's wish that there be none. */
export type ShownState = ObservedState;

const NAMES: Readonly<Record<ShownState, string>> = {
  ready: 'Ready',
  warming: 'Warming',
  degraded: 'Degraded',
  down: 'Down',
  auth: 'Key refused',
  pending: 'Checking',
  paused: 'Paused',
  off: 'Off',
};

const KINDS: Readonly<Record<ProviderKind, string>> = {
  ollama: 'Ollama',
  vllm: 'vLLM',
  llama_cpp: 'llama.cpp',
  llama_cpp_python: 'llama-cpp-python',
  openai: 'OpenAI-compatible',
  cloud: 'Cloud',
};

/** The tone a state is coloured with. */
export type Tone = 'ready' | 'warm' | 'warn' | 'bad' | 'idle';

const TONES: Readonly<Record<ShownState, Tone>> = {
  ready: 'ready',
  warming: 'warm',
  degraded: 'warn',
  down: 'bad',
  auth: 'warn',
  pending: 'idle',
  paused: 'idle',
  off: 'idle',
};

export const stateName = (state: ShownState): string => NAMES[state];
export const toneOf = (state: ShownState): Tone => TONES[state];
export const kindName = (kind: ProviderKind): string => KINDS[kind];

/** The user's wish counts before what was last observed. */
export function shownState({ isEnabled, observed }: Pick<AdminProvider, 'isEnabled' | 'observed'>): ShownState {
  return isEnabled ? observed : 'off';
}

/** It should answer and does not, or not well. */
export function hasTrouble(provider: Pick<AdminProvider, 'isEnabled' | 'observed'>): boolean {
  const state = shownState(provider);
  return state === 'down' || state === 'degraded' || state === 'auth' || state === 'warming';
}

/** What would be asked now. A cloud provider is never probed, and so never found ready. */
export function takesTraffic({ isEnabled, observed, kind }: AdminProvider): boolean {
  if (!isEnabled) return false;
  return observed === 'ready' || observed === 'degraded' || observed === 'warming' || kind === 'cloud';
}

const CAUSES: Readonly<Record<CauseClass, string>> = {
  refused: 'connection refused',
  timeout: 'no answer',
  dns: 'name not found',
  tls: 'certificate not accepted',
  http_status: 'answers with an error',
  wrong_kind: 'something else answers',
  auth: 'key refused',
  network: 'not reachable',
  loading: 'loading',
  asleep: 'this machine slept',
  requests_fail: 'requests fail',
};

export const causeName = (cause: CauseClass): string => CAUSES[cause];

/** What is wrong, with whom, and what to do about it. */
export interface CauseText {
  readonly title: string;
  readonly advice: string;
}

/** Object, cause and action of a provider that is not well. */
export function causeText({ name, baseUrl, cause, kind }: AdminProvider): CauseText {
  const where = address(baseUrl);
  switch (cause?.class) {
    case 'refused':
      return { title: `${name} is not listening on ${where}.`, advice: 'Start the server, or change its address.' };
    case 'timeout':
      return {
        title: `${name} does not answer at ${where}.`,
        advice: 'The machine may be asleep, or a firewall drops what is sent.',
      };
    case 'dns':
      return {
        title: `The name in ${where} is not known.`,
        advice: `Correct the address of ${name}, or its DNS entry.`,
      };
    case 'auth':
      return { title: `${name} refuses our key.`, advice: 'Give it the right api_key in the configuration.' };
    case 'wrong_kind':
      return {
        title: `What answers at ${where} is not ${kindName(kind)}.`,
        advice: 'Correct the address or the kind in the configuration.',
      };
    default:
      return { title: `${name} is not well.`, advice: cause?.message ?? 'It has said no reason.' };
  }
}

export type AppState = 'stopped' | 'starting' | 'ok' | 'degraded' | 'critical';

/** The gateway as a whole: what it can do for the next request. */
export function appState(status: Pick<AdminStatus, 'providers' | 'isDraining'>): AppState {
  if (status.isDraining) return 'stopped';
  const enabled = status.providers.filter(({ isEnabled }) => isEnabled);
  if (enabled.length === 0) return 'critical';
  if (enabled.every(({ observed, kind }) => observed === 'pending' && kind !== 'cloud')) return 'starting';
  if (!enabled.some(takesTraffic)) return 'critical';
  return enabled.some((one) => one.kind !== 'cloud' && one.observed !== 'ready') ? 'degraded' : 'ok';
}

/** The page's answer: what matters first, then what else does. */
export function overviewAnswer(
  providers: readonly AdminProvider[],
  inFlight: number,
): { readonly first: string; readonly rest: string } {
  const able = providers.filter(takesTraffic).length;
  const total = providers.length;
  const first =
    able === 0
      ? `Nobody can take requests.`
      : able === total
        ? `Routing to ${total === 1 ? 'one provider' : `all ${total} providers`}.`
        : `Routing to ${able} of ${total} providers.`;
  const parts: string[] = [];
  if (inFlight > 0) parts.push(`${inFlight} ${inFlight === 1 ? 'request' : 'requests'} in flight.`);
  for (const { name, observed, isEnabled } of providers) {
    if (!isEnabled) continue;
    if (observed === 'down') parts.push(`${name} is down.`);
    else if (observed === 'auth') parts.push(`${name} refuses our key.`);
    else if (observed === 'warming') parts.push(`${name} is loading a model.`);
    else if (observed === 'degraded') parts.push(`${name} is not well.`);
  }
  return {
    first,
    rest: (parts.length > 3 ? [...parts.slice(0, 2), `${parts.length - 2} more need a look.`] : parts).join(' '),
  };
}

/** What live traffic has against a provider as a whole; null: nothing. */
export function cooldownOf(cooldowns: readonly AdminCooldown[], provider: string): AdminCooldown | null {
  return cooldowns.find((one) => one.provider === provider && one.model === null) ?? null;
}
