// Properties of the decision over random rules, fleets and requests.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { noOverrides } from '../../gateway/routing/overrides.ts';
import { deploymentId } from '../../gateway/routing/question.ts';
import { route } from '../../gateway/routing/route.ts';
import { STEPS } from '../../gateway/routing/trace.ts';
import type { Decision, ProviderSnapshot, Snapshot } from '../../gateway/types.ts';
import { aFleet, aRequest, decideIn, naming, world } from './random-worlds.ts';
import { capability, exact, pattern, type RoutingSketch, rules, seeded } from './worlds.ts';

const RUNS = { numRuns: 600 };

describe('for any rules, fleet and request, a decision', () => {
  test('is made without throwing, and ends in candidates or in an error, never in both or neither', () => {
    fc.assert(
      fc.property(world, (one) => {
        const { candidates, error } = decideIn(one);
        expect(candidates.some(({ kept }) => kept)).toBe(error === null);
        if (error) expect(error.message).not.toBe('');
      }),
      RUNS,
    );
  });

  test('is the same for the same rules, fleet, request, state and dice, remembered or not', () => {
    fc.assert(
      fc.property(world, aRequest, ([sketch, snapshot, asked, state, seed], other) => {
        const by = rules(sketch, naming);
        const fresh = route(asked, by, snapshot, seeded(seed), state);
        route(other, by, snapshot, seeded(seed), state);
        const copy: Snapshot = { ...snapshot, providers: new Map(snapshot.providers) };
        expect(route(asked, by, snapshot, seeded(seed), state)).toEqual(fresh);
        expect(route(asked, by, copy, seeded(seed), state)).toEqual(fresh);
        expect(route(asked, rules(sketch, naming), snapshot, seeded(seed), state)).toEqual(fresh);
      }),
      { numRuns: 300 },
    );
  });

  test('names each deployment once, kept ones first and numbered, all others with a reason', () => {
    fc.assert(
      fc.property(world, (one) => {
        const { candidates, considered } = decideIn(one);
        const ids = candidates.map((candidate) => deploymentId(candidate.provider, candidate.model));
        expect(new Set(ids).size).toBe(ids.length);
        const kept = candidates.filter((candidate) => candidate.kept);
        expect(candidates.slice(0, kept.length)).toEqual(kept);
        expect(kept.map(({ order }) => order)).toEqual(kept.map((_, index) => index + 1));
        for (const candidate of candidates) {
          if (!candidate.kept) expect(candidate).toMatchObject({ order: null, reason: expect.any(String) });
          if (candidate.order !== null && candidate.order > 1)
            expect(['lost_on_score', 'at_capacity']).toContain(candidate.reason);
        }
        expect(considered).toBeGreaterThanOrEqual(candidates.length);
      }),
      RUNS,
    );
  });

  test('tells every step once and in order', () => {
    fc.assert(
      fc.property(world, (one) => {
        const { steps } = decideIn(one);
        expect(steps.map(({ step }) => step)).toEqual([...STEPS]);
        for (const { result, why } of steps) expect(why === '').toBe(result === 'not_reached');
      }),
      RUNS,
    );
  });

  test('keeps nobody that must not be asked', () => {
    fc.assert(
      fc.property(world, (one) => {
        const [, snapshot, asked, state] = one;
        const { candidates, steps } = decideIn(one);
        const isPanic = steps.some(({ step, result }) => step === 'panic' && result === 'matched');
        for (const { provider: name, model: id, place, kept } of candidates) {
          if (!kept) continue;
          const there = snapshot.providers.get(name) as ProviderSnapshot;
          expect(there).toMatchObject({ isEnabled: true, isDraining: false, isCallable: true });
          expect(there.endpoints.has(asked.endpoint)).toBe(true);
          expect(there.observed).not.toBe('auth');
          expect(state.failed.has(deploymentId(name, id))).toBe(false);
          if (asked.pin !== null) expect(name).toBe(asked.pin);
          const known = there.models.get(id);
          if (known?.capabilities) for (const need of asked.needs) expect(known.capabilities.has(need)).toBe(true);
          if (known?.contextLoaded) expect(asked.promptTokens).toBeLessThanOrEqual(known.contextLoaded);
          if (known) expect(place === 'cloud').toBe(there.place === 'cloud' || known.remoteHost !== null);
          if (!isPanic) {
            expect(there.observed).not.toBe('down');
            expect(state.blocked({ provider: name, model: id, entry: null, name: null, promptTokens: 0 })).toBeNull();
          }
        }
      }),
      RUNS,
    );
  });

  test('leaves this network only where a rule or the client named it', () => {
    fc.assert(
      fc.property(aFleet, aRequest, fc.nat(), (snapshot, asked, seed) => {
        const { candidates } = route(
          { ...asked, pin: null, overrides: noOverrides },
          rules({}, naming),
          snapshot,
          seeded(seed),
        );
        for (const { kept, place, model: id } of candidates) {
          if (kept && place === 'cloud') expect(id.toLowerCase()).toBe(asked.model?.toLowerCase());
        }
      }),
      RUNS,
    );
  });

  test('is not changed by reordering rules that have nothing to do with each other', () => {
    fc.assert(
      fc.property(world, ([sketch, snapshot, asked, state, seed]) => {
        const turned: RoutingSketch = {
          ...sketch,
          exact: [...new Map((sketch.exact ?? []).map((rule) => [rule.model, rule])).values()].reverse(),
          capabilities: [...new Map((sketch.capabilities ?? []).map((one) => [one.name, one])).values()].reverse(),
          chains: Object.fromEntries(Object.entries(sketch.chains ?? {}).reverse()),
          aliases: new Map([...(sketch.aliases ?? [])].reverse()),
        };
        const one = decideIn([sketch, snapshot, asked, state, seed]);
        const other = decideIn([turned, snapshot, asked, state, seed]);
        const withoutSuggestion = ({ steps, error, ...rest }: Decision) => ({
          ...rest,
          steps: steps.map(({ step, result }) => ({ step, result })),
          code: error?.code ?? null,
        });
        expect(withoutSuggestion(other)).toEqual(withoutSuggestion(one));
      }),
      { numRuns: 400 },
    );
  });

  test('is not changed by rules for other names', () => {
    fc.assert(
      fc.property(world, ([sketch, snapshot, asked, state, seed]) => {
        const more: RoutingSketch = {
          ...sketch,
          exact: [...(sketch.exact ?? []), exact('somebody-else', 'ollama')],
          patterns: [...(sketch.patterns ?? []), pattern('^somebody-else$', 'vllm')],
          capabilities: [...(sketch.capabilities ?? []), capability('something-else', { providers: ['far'] })],
        };
        const one = decideIn([sketch, snapshot, asked, state, seed]);
        const other = decideIn([more, snapshot, asked, state, seed]);
        expect(other.candidates).toEqual(one.candidates);
        expect(other.rule).toBe(one.rule);
        expect(other.error?.code).toBe(one.error?.code);
      }),
      { numRuns: 400 },
    );
  });
});
