// What successive probes of one provider found, put together.

import { isDeepStrictEqual } from 'node:util';
import type { ProbeFindings } from '../providers/provider.ts';
import type { Cause, CauseClass } from '../types.ts';
import type { SavedList } from './saved-state.ts';

/** Fields that were not asked this time keep their former value. */
export function mergeFindings(found: ProbeFindings, former: ProbeFindings | null): ProbeFindings {
  if (former === null) return found;
  return {
    ...found,
    version: found.version ?? former.version,
    models: found.models ?? former.models,
    slots: found.slots ?? former.slots,
    busy: found.busy ?? former.busy,
  };
}

/** The former findings with the state of a probe that found nothing else. */
export function stateOnly(found: ProbeFindings, former: ProbeFindings): ProbeFindings {
  return { ...former, observed: found.observed, cause: found.cause };
}

/** Whether a snapshot would show the same: state and cause are the health's business. */
export function isSameFinding(a: ProbeFindings | null, b: ProbeFindings): boolean {
  if (a === null) return false;
  return isDeepStrictEqual({ ...a, observed: b.observed, cause: b.cause }, b);
}

/** A kept list as the findings of an earlier probe. */
export function asFindings(list: SavedList): ProbeFindings {
  const { version, models, isSingleModel, loadsOnDemand } = list;
  return { observed: 'ready', cause: null, version, models, isSingleModel, slots: null, busy: null, loadsOnDemand };
}

/** Nothing was answered, as opposed to an answer that is not good. */
const silences: ReadonlySet<CauseClass> = new Set(['refused', 'timeout', 'dns', 'tls', 'network']);

/** The cause, if findings say no more than that there was no answer. */
export function silenceIn(found: ProbeFindings): Cause | null {
  return found.observed === 'down' && found.cause !== null && silences.has(found.cause.class) ? found.cause : null;
}

export function isSilence(result: ProbeFindings | Cause): result is Cause {
  return 'class' in result;
}
