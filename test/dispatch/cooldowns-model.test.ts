import fc from 'fast-check';
import { expect, test } from 'vitest';
import { defaultReliability, emptySettings } from '../../gateway/config/defaults.ts';
import type { ReliabilitySettings, Settings } from '../../gateway/config/settings.ts';
import { Cooldowns, type Trial } from '../../gateway/dispatch/cooldowns.ts';
import type { Blocked } from '../../gateway/routing/question.ts';
import type { FailureKind } from '../../gateway/types.ts';
import { FakeClock } from '../support/fake-clock.ts';

const PROVIDERS = ['p', 'q'] as const;
const MODELS = ['m', 'n'] as const;

type End = FailureKind | 'ok' | 'abandoned';
/** What happened, in order: all the model knows. `id` is the number of the attempt. */
type Happening =
  | { is: 'begin'; atMs: number; id: number; provider: string; model: string }
  | { is: 'answer'; atMs: number; id: number; provider: string; model: string }
  | { is: 'end'; atMs: number; id: number; provider: string; model: string; how: End; retryAfterMs: number | null }
  | { is: 'probe'; atMs: number; provider: string }
  | { is: 'reset'; atMs: number; provider: string; model: string | null };

interface Rules {
  readonly allowedFails: number;
  readonly successThreshold: number;
  readonly breaker: { readonly failureThreshold: number; readonly openMs: number } | null;
  readonly pauseMs: number | null;
  readonly isDisabled: boolean;
}

interface Out {
  kind: 'failing' | 'unreachable' | 'auth' | 'pause';
  /** Place of the happening that caused it. */
  since: number;
  untilMs: number;
  lengthMs: number;
  wins: number;
  trial: { id: number; atMs: number } | null;
}

const COUNTED: readonly End[] = [
  'server_error',
  'timeout_total',
  'timeout_idle',
  'timeout_connect',
  'broken',
  'model_missing',
];
const NO_CONTACT: readonly End[] = ['unreachable', 'timeout_connect', 'timeout_total', 'cancelled', 'abandoned'];

/**
 * What stands against a deployment (or, with the model null, its whole provider): the story is read again from its start.
 * Said in the plainest way, for one place at a time, with no state that outlives the call.
 */
function stands(story: readonly Happening[], nowMs: number, provider: string, model: string | null, rules: Rules) {
  let out: Out | null = null;
  let failuresMs: number[] = [];
  const begun = new Map<number, number>();
  const answered = new Set<number>();
  const isOver = (one: Out, atMs: number) =>
    atMs - Math.max(one.untilMs, one.trial === null ? 0 : one.trial.atMs + 60_000) >= 600_000 ||
    (rules.isDisabled && atMs >= one.untilMs);
  story.forEach((happening, place) => {
    if (happening.provider !== provider) return;
    const { atMs } = happening;
    if (out !== null && isOver(out, atMs)) out = null;
    if (happening.is === 'probe') {
      if (out?.kind === 'unreachable') out = null;
      return;
    }
    if (happening.is === 'reset') {
      if (happening.model !== null && happening.model !== model) return;
      out = null;
      failuresMs = [];
      return;
    }
    if (model !== null && happening.model !== model) return;
    const { id } = happening;
    if (happening.is === 'begin') {
      begun.set(id, place);
      const isTried = out !== null && out.trial !== null && atMs < out.trial.atMs + 60_000;
      if (out !== null && atMs >= out.untilMs && !isTried) out.trial = { id, atMs };
      return;
    }
    const isEarly = out !== null && (begun.get(id) ?? 0) < out.since;
    const isTrial = out?.trial?.id === id;
    if (happening.is === 'answer' || happening.how === 'ok') {
      const isNews = !answered.has(id);
      if (happening.is === 'end') failuresMs = [];
      else if (!isNews) return;
      answered.add(id);
      if (out === null) return;
      if (out.kind === 'unreachable') out = null;
      else if (!isEarly && isNews) {
        if (isTrial) out.trial = null;
        out.wins += 1;
        if (out.wins >= rules.successThreshold) out = null;
        else if (atMs < out.untilMs) out.untilMs = atMs;
      }
      return;
    }
    const verdict = judge(happening.how, happening.retryAfterMs, model, out, rules);
    if (verdict === null) {
      if (isTrial && out !== null) out.trial = null;
      if (out?.kind === 'unreachable' && !isEarly && !NO_CONTACT.includes(happening.how)) out = null;
      return;
    }
    const { kind, lengthMs, threshold, doubles } = verdict;
    const fresh = (ms: number): Out => ({
      kind,
      since: place,
      untilMs: atMs + ms,
      lengthMs: ms,
      wins: 0,
      trial: null,
    });
    if (out === null) {
      if (kind === 'failing') {
        failuresMs = [...failuresMs.filter((ms) => atMs - ms < 60_000), atMs];
        if (failuresMs.length < threshold) return;
      }
      failuresMs = [];
      out = fresh(lengthMs);
    } else if (isTrial) {
      const again = doubles && out.kind === kind;
      out = fresh(again ? Math.max(lengthMs, Math.min(2 * out.lengthMs, 10 * lengthMs)) : lengthMs);
    } else if (isEarly ? kind === 'pause' : !(kind === 'failing' && out.kind === 'pause')) {
      const ms = !isEarly && doubles && out.kind === kind ? out.lengthMs : lengthMs;
      out = { ...out, kind, wins: 0, untilMs: Math.max(out.untilMs, atMs + ms) };
    }
  });
  const last = out as Out | null;
  return last === null || isOver(last, nowMs) ? null : last;
}

function judge(how: End, retryAfterMs: number | null, model: string | null, out: Out | null, rules: Rules) {
  if (how === 'rate_limited' && model !== null) {
    const asked = [rules.pauseMs, retryAfterMs].filter((ms) => ms !== null);
    const lengthMs = asked.length === 0 ? 30_000 : Math.max(...asked);
    return { kind: 'pause' as const, lengthMs, threshold: 1, doubles: asked.length === 0 };
  }
  if (rules.isDisabled) return null;
  const plain = { lengthMs: 30_000, threshold: 1, doubles: true };
  if (model === null) {
    if (how === 'unreachable' || how === 'auth') return { ...plain, kind: how };
    return how === 'timeout_connect' && out !== null ? { ...plain, kind: 'unreachable' as const } : null;
  }
  if (!COUNTED.includes(how)) return null;
  const threshold = rules.breaker?.failureThreshold ?? rules.allowedFails;
  return { kind: 'failing' as const, lengthMs: rules.breaker?.openMs ?? 30_000, threshold, doubles: true };
}

function expected(story: readonly Happening[], nowMs: number, provider: string, model: string, rules: Rules) {
  const both = [null, model].flatMap((which): Blocked[] => {
    const out = stands(story, nowMs, provider, which, rules);
    if (out === null) return [];
    const isByRequest = out.kind === 'pause';
    const name = rules.breaker !== null && out.kind === 'failing' ? 'breaker_open' : 'cooling_down';
    if (nowMs < out.untilMs) return [{ reason: name, remainingMs: out.untilMs - nowMs, isByRequest }];
    if (out.trial === null || nowMs >= out.trial.atMs + 60_000) return [];
    const reason = isByRequest ? 'cooling_down' : 'breaker_open';
    return [{ reason, remainingMs: out.trial.atMs + 60_000 - nowMs, isByRequest }];
  });
  const [first] = both;
  if (first === undefined) return null;
  const spokesman = both.find(({ isByRequest }) => isByRequest) ?? first;
  return { ...spokesman, remainingMs: Math.max(...both.map(({ remainingMs }) => remainingMs ?? 0)) };
}

const ends: readonly End[] = [
  ...(['ok', 'ok', 'abandoned', 'cancelled', 'bad_request', 'loading', 'timeout_total'] as const),
  ...(['server_error', 'server_error', 'server_error', 'timeout_idle', 'timeout_connect', 'broken'] as const),
  ...(['unreachable', 'auth', 'rate_limited', 'model_missing'] as const),
];

const place = { provider: fc.constantFrom(...PROVIDERS), model: fc.constantFrom(...MODELS) };
const how = { how: fc.constantFrom(...ends), retryAfterMs: fc.constantFrom(null, null, 5_000, 100_000) };
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ is: fc.constant('begin' as const), ...place }) },
  { weight: 3, arbitrary: fc.record({ is: fc.constant('end' as const), which: fc.nat(), ...how }) },
  { weight: 2, arbitrary: fc.record({ is: fc.constant('answer' as const), which: fc.nat() }) },
  { weight: 4, arbitrary: fc.record({ is: fc.constant('whole' as const), ...place, ...how }) },
  {
    weight: 3,
    arbitrary: fc.record({
      is: fc.constant('wait' as const),
      ms: fc.oneof(fc.constantFrom(10_000, 30_000, 60_000, 120_000), fc.nat(40_000), fc.nat(700_000)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('probe' as const), provider: place.provider }) },
  {
    weight: 1,
    arbitrary: fc.record({
      is: fc.constant('reset' as const),
      provider: place.provider,
      model: fc.constantFrom(null, ...MODELS),
    }),
  },
);

const ruleSets: fc.Arbitrary<Rules> = fc.record({
  allowedFails: fc.integer({ min: 1, max: 3 }),
  successThreshold: fc.integer({ min: 1, max: 3 }),
  breaker: fc.constantFrom(null, null, { failureThreshold: 2, openMs: 12_000 }),
  pauseMs: fc.constantFrom(null, 20_000),
  isDisabled: fc.constantFrom(false, false, false, true),
});

function settingsOf(rules: Rules): Settings {
  const reliability: ReliabilitySettings = {
    ...defaultReliability,
    allowedFails: rules.allowedFails,
    successThreshold: rules.successThreshold,
    circuitBreaker: rules.breaker,
    isCooldownDisabled: rules.isDisabled,
    rateLimited: { isEnabled: true, durationMs: rules.pauseMs },
  };
  return { ...emptySettings(), reliability };
}

interface Running {
  readonly id: number;
  readonly provider: string;
  readonly model: string;
  readonly trial: Trial;
}

function finish(trial: Trial, how: End, retryAfterMs: number | null): void {
  if (how === 'abandoned') trial.abandon();
  else trial.end(how === 'ok' ? null : { kind: how, message: how, status: null, retryAfterMs });
}

test('after any sequence of events it stands against a deployment exactly what reading them again says', () => {
  fc.assert(
    fc.property(ruleSets, fc.array(step, { maxLength: 100, size: 'max' }), (rules, steps) => {
      const clock = new FakeClock(0);
      const settings = settingsOf(rules);
      const cooldowns = new Cooldowns({ clock, settings: () => settings });
      const story: Happening[] = [];
      const running: Running[] = [];
      let attempts = 0;
      const begin = (provider: string, model: string): Running => {
        attempts += 1;
        story.push({ is: 'begin', atMs: clock.now(), id: attempts, provider, model });
        return { id: attempts, provider, model, trial: cooldowns.begin({ provider, model }, null) };
      };
      const end = ({ id, provider, model, trial }: Running, how: End, retryAfterMs: number | null): void => {
        story.push({ is: 'end', atMs: clock.now(), id, provider, model, how, retryAfterMs });
        finish(trial, how, retryAfterMs);
      };
      for (const one of steps) {
        if (one.is === 'wait') clock.advance(one.ms);
        else if (one.is === 'begin') running.push(begin(one.provider, one.model));
        else if (one.is === 'whole') end(begin(one.provider, one.model), one.how, one.retryAfterMs);
        else if (one.is === 'answer') {
          const answering = running[one.which % Math.max(1, running.length)];
          if (answering === undefined) continue;
          const { id, provider, model, trial } = answering;
          story.push({ is: 'answer', atMs: clock.now(), id, provider, model });
          trial.answered();
        } else if (one.is === 'end') {
          const [ended] = running.splice(one.which % Math.max(1, running.length), 1);
          if (ended !== undefined) end(ended, one.how, one.retryAfterMs);
        } else {
          story.push({ ...one, atMs: clock.now() });
          if (one.is === 'probe') cooldowns.probed(one.provider);
          else if (one.model === null) cooldowns.reset(one.provider);
          else cooldowns.reset(one.provider, one.model);
        }
        for (const provider of PROVIDERS)
          for (const model of MODELS)
            expect(cooldowns.blocked(provider, model)).toEqual(expected(story, clock.now(), provider, model, rules));
      }
    }),
    { numRuns: 1_000 },
  );
}, 60_000);
