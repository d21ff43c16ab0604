// The whole of it at once: three providers with chains, groups, fallbacks, queues and cooldowns, random faults on any two.
// SWITCHYARD_FAULT_REQUESTS and SWITCHYARD_FAULT_SEED make it longer, or the same again.

import { expect, test } from 'vitest';
import type { Attempt, FailureKind } from '../../gateway/types.ts';
import { AFTER_CONTENT, PROVIDERS, type Provider, type Stormed, startStorm } from './fault-storm.ts';
import { attemptsIn } from './support.ts';

const REQUESTS = Number(process.env.SWITCHYARD_FAULT_REQUESTS ?? 600);
const SEED = Number(process.env.SWITCHYARD_FAULT_SEED ?? 20_261_121);
/** Requests against one set of servers; then others of other kinds. */
const ROUND = Math.max(200, REQUESTS / 10);
const COOLDOWN_MS = 10_000;
/** Failures that are further apart do not add up. */
const WINDOW_MS = 60_000;
/** Between the end of an attempt and everybody knowing of it. */
const SLACK_MS = 50;

/** The request is at fault, time alone will end it, or the server says itself how long to wait. */
const BLAMELESS: ReadonlySet<FailureKind> = new Set<FailureKind>([
  'bad_request',
  'cancelled',
  'context_exceeded',
  'content_filtered',
  'loading',
  'rate_limited',
  'unsupported',
]);

function hasHealthy({ route, faults }: Stormed): boolean {
  return route.allowed.some((name) => !faults.has(name));
}

/** A stream whose beginning was seen when its provider failed: nobody can hide that. */
function isBrokenAfterContent({ stream, faults, outcome }: Stormed): boolean {
  const last = outcome.attempts.at(-1);
  const fault = faults.get((last?.provider ?? 'p0') as Provider);
  return stream && outcome.result === 'broken' && fault !== undefined && AFTER_CONTENT.includes(fault);
}

function isAnswered({ seen, outcome, token }: Stormed): boolean {
  return seen.status === 200 && outcome.result === 'complete' && seen.words === `The answer to ${token}`;
}

function told(one: Stormed): string {
  const { token, route, stream, faults, seen, outcome } = one;
  const reasons = outcome.decision?.candidates.map(({ provider, reason }) => `${provider}=${reason}`).join(' ');
  return `${token} ${route.name} ${stream ? 'stream' : 'json'} [${[...faults].join(' ')}] -> ${seen.status} ${seen.code} ${outcome.result} (${attemptsIn(outcome).join(', ')}) ${reasons} ${outcome.attempts.map(({ because }) => because).join(' | ')}`;
}

/** Asked again of the same server although another candidate was neither tried nor kept from being asked. */
function repeatsTooEarly(one: Stormed): boolean {
  const { attempts, decision } = one.outcome;
  const tried = new Set<string>();
  for (const { provider } of attempts) {
    if (tried.has(provider)) {
      const free = one.route.allowed.filter(
        (name) =>
          !tried.has(name) && decision?.candidates.some((candidate) => candidate.provider === name && candidate.kept),
      );
      if (free.length > 0) return true;
    }
    tried.add(provider);
  }
  return false;
}

interface Pause {
  readonly fromMs: number;
  readonly untilMs: number;
}

function endOf({ startedAtMs, endedAfterMs }: Attempt): number {
  return startedAtMs + endedAfterMs;
}

/**
 * When a provider was certainly to be left alone, from what its attempts came to: after three failures within a minute and
 * no success near them, or after a 429; until somebody got through, for whoever begins to answer lets others in.
 */
function pausesOf(attempts: readonly Attempt[]): readonly Pause[] {
  const succeededMs = attempts.filter(({ failure }) => failure === null).map(endOf);
  const answeredMs = attempts.flatMap((one) =>
    one.contentAfterMs === null ? [] : [one.startedAtMs + one.contentAfterMs],
  );
  const reachedMs = [...succeededMs, ...answeredMs];
  const pause = (fromMs: number, forMs: number): Pause => {
    const reached = reachedMs.filter((atMs) => atMs > fromMs - SLACK_MS);
    return { fromMs, untilMs: Math.min(fromMs + forMs, ...reached) };
  };
  const counted = attempts
    .filter(({ failure }) => failure !== null && failure.kind !== 'unreachable' && !BLAMELESS.has(failure.kind))
    .map((one) => ({ startedAtMs: one.startedAtMs, endedAtMs: endOf(one) }))
    .sort((a, b) => a.endedAtMs - b.endedAtMs);
  const inARow = counted.flatMap(({ endedAtMs }, index) => {
    const three = counted.slice(Math.max(0, index - 2), index + 1);
    const begunMs = Math.min(...three.map(({ startedAtMs }) => startedAtMs));
    if (three.length < 3 || endedAtMs - begunMs >= WINDOW_MS) return [];
    // One that had begun before somebody got through says nothing of the time after that.
    const isReached = reachedMs.some((atMs) => atMs >= begunMs - SLACK_MS && atMs <= endedAtMs + SLACK_MS);
    return isReached ? [] : [endedAtMs];
  });
  const limited = attempts.filter(({ failure }) => failure?.kind === 'rate_limited').map(endOf);
  return [
    ...inARow.map((atMs) => pause(atMs, COOLDOWN_MS)),
    // As long as the server says.
    ...limited.map((atMs) => pause(atMs, 1_000)),
  ];
}

/** Attempts that neither a retry nor a panic excuses, made while the provider was to be left alone. */
function askedWhileCooling(all: readonly Stormed[]): readonly string[] {
  const attempts = all.flatMap((one) =>
    one.outcome.attempts.map((attempt, index) => {
      // Repeated after a wait, which is what the wait was for.
      const isRepeated = one.outcome.attempts.slice(0, index).some(({ provider }) => provider === attempt.provider);
      return { one, attempt, isRepeated };
    }),
  );
  return PROVIDERS.flatMap((name) => {
    const own = attempts.filter(({ attempt }) => attempt.provider === name);
    const pauses = pausesOf(own.map(({ attempt }) => attempt));
    return own
      .filter(({ attempt: { startedAtMs, because }, isRepeated }) => {
        if (isRepeated || because?.includes('anyway')) return false;
        return pauses.some(
          ({ fromMs, untilMs }) => startedAtMs > fromMs + SLACK_MS && startedAtMs < untilMs - SLACK_MS,
        );
      })
      .map(({ one, attempt }) => `${name} at ${attempt.startedAtMs} (${attempt.because}): ${told(one)}`);
  });
}

test(
  `${REQUESTS} requests with random faults on any two of three providers: no visible failure while one is well`,
  async () => {
    console.log(`random faults: ${REQUESTS} requests, SWITCHYARD_FAULT_SEED=${SEED}`);
    const figures = { answered: 0, brokenAfterContent: 0, nobodyWell: 0, faultsMet: 0, attempts: 0, queued: 0 };
    const visible: string[] = [];
    const excluded: string[] = [];
    const repeated: string[] = [];
    const cooling: string[] = [];
    for (let sent = 0; sent < REQUESTS; sent += ROUND) {
      await using storm = await startStorm(SEED + sent);
      const all = await storm.run(Math.min(ROUND, REQUESTS - sent));
      for (const one of all) {
        const { outcome, route } = one;
        figures.attempts += outcome.attempts.length;
        if (outcome.queuedMs > 0) figures.queued += 1;
        if (outcome.attempts.some(({ failure }) => failure !== null)) figures.faultsMet += 1;
        if (isAnswered(one)) figures.answered += 1;
        else if (isBrokenAfterContent(one)) figures.brokenAfterContent += 1;
        else if (!hasHealthy(one)) figures.nobodyWell += 1;
        else visible.push(told(one));
        const names: readonly string[] = route.allowed;
        if (outcome.attempts.some(({ provider }) => !names.includes(provider))) excluded.push(told(one));
        if (repeatsTooEarly(one)) repeated.push(told(one));
      }
      cooling.push(...askedWhileCooling(all));
    }
    console.log(`random faults: ${JSON.stringify(figures)}, visible failures ${visible.length}`);
    expect({ visible, excluded, repeated, cooling }).toEqual({ visible: [], excluded: [], repeated: [], cooling: [] });
    expect(figures.faultsMet).toBeGreaterThan(REQUESTS / 20);
  },
  Math.max(60_000, REQUESTS * 100),
);
