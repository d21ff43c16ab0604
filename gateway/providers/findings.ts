// What a probe reports when it does not get what it asked for, the same for all kinds.

import type { Cause, CauseClass } from '../types.ts';
import { type ProbeAnswer, type ProbeClient, ProbeError, type ProbeFindings } from './provider.ts';
import { presentable, readRefusal } from './refusal.ts';

/** What stays true of a provider whatever the probe finds: its former findings, else the kind's assumptions. */
export type StandingFacts = Pick<ProbeFindings, 'isSingleModel' | 'loadsOnDemand'>;

/** A GET whose answer is welcome but not needed: null when none came. Anything but a `ProbeError` goes on up. */
export async function askAside(client: ProbeClient, path: string): Promise<ProbeAnswer | null> {
  try {
    return await client.get(path);
  } catch (error) {
    if (error instanceof ProbeError) return null;
    throw error;
  }
}

/** Findings that ask for nothing to be changed but the state. */
export function onlyState(
  observed: ProbeFindings['observed'],
  cause: Cause | null,
  standing: StandingFacts,
): ProbeFindings {
  const { isSingleModel, loadsOnDemand } = standing;
  return { observed, cause, version: null, models: null, isSingleModel, slots: null, busy: null, loadsOnDemand };
}

/** An answer that is not what was asked for: down, warming (it says that it loads) or a wrong key. */
export function failedProbe(answer: ProbeAnswer, path: string, standing: StandingFacts): ProbeFindings {
  const { status } = answer;
  const words = presentable(readRefusal(answer).message).slice(0, 200);
  const said = words === '' ? '' : `: ${words}`;
  if (status === 401 || status === 403) {
    return onlyState('auth', causeOf('auth', `GET ${path} was refused with ${status}${said}`), standing);
  }
  if (status === 503 && /\b(?:loading|starting)\b/i.test(words)) {
    return onlyState('warming', causeOf('loading', `it is loading its model${said}`), standing);
  }
  if (status >= 200 && status < 500) {
    return onlyState(
      'down',
      causeOf('wrong_kind', `GET ${path} was answered ${status}, not as this kind does${said}`),
      standing,
    );
  }
  return onlyState('down', causeOf('http_status', `GET ${path} was answered ${status}${said}`), standing);
}

export function causeOf(causeClass: CauseClass, message: string): Cause {
  return { class: causeClass, message };
}
