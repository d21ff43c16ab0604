// One gateway's cooldowns with a clock to move: what the tests of cooldowns share.

import { defaultReliability, emptySettings } from '../../gateway/config/defaults.ts';
import type { GroupDeployment, ReliabilitySettings, Settings } from '../../gateway/config/settings.ts';
import { type CooldownChange, Cooldowns } from '../../gateway/dispatch/cooldowns.ts';
import type { FailureKind } from '../../gateway/types.ts';
import { FakeClock } from '../support/fake-clock.ts';

export function settingsWith(reliability: Partial<ReliabilitySettings>): Settings {
  return { ...emptySettings(), reliability: { ...defaultReliability, ...reliability } };
}

export function failure(kind: FailureKind, retryAfterMs: number | null = null) {
  return { kind, message: `${kind} happened`, status: null, retryAfterMs };
}

/** One gateway, with the deployment `p`/`m` where no other is named. */
export function world(reliability: Partial<ReliabilitySettings> = {}) {
  const clock = new FakeClock();
  const changes: (CooldownChange & { readonly isAdopted: boolean })[] = [];
  const state = { settings: settingsWith(reliability) };
  const cooldowns = new Cooldowns({
    clock,
    settings: () => state.settings,
    onChange: (change, isAdopted) => changes.push({ ...change, isAdopted }),
  });
  const begin = (model = 'm', provider = 'p', entry: GroupDeployment | null = null) =>
    cooldowns.begin({ provider, model }, entry);
  return {
    clock,
    changes,
    cooldowns,
    begin,
    set: (changed: Partial<ReliabilitySettings>) => {
      state.settings = settingsWith(changed);
    },
    fail: (kind: FailureKind, times = 1, retryAfterMs: number | null = null) => {
      for (let count = 0; count < times; count += 1) begin().end(failure(kind, retryAfterMs));
    },
    succeed: () => begin().end(null),
    blocked: (model = 'm', provider = 'p') => cooldowns.blocked(provider, model),
    remaining: (model = 'm', provider = 'p') => cooldowns.blocked(provider, model)?.remainingMs ?? null,
    told: () => changes.map(({ is, model }) => `${is} ${model ?? '*'}`),
  };
}

export const entry = (cooldownMs: number | null): GroupDeployment => ({
  provider: 'p',
  model: 'm',
  weight: null,
  rpm: null,
  tpm: null,
  priority: null,
  order: null,
  variant: null,
  maxParallelRequests: null,
  timeouts: null,
  answerTimeoutMs: null,
  streamTimeoutMs: null,
  numRetries: null,
  cooldownMs,
  position: { file: 'test.yaml', line: 1, column: 1 },
});
