import { expect, test } from 'vitest';
import { incidentsIn, type StateChange } from '../../gateway/history/incidents.ts';
import type { ObservedState } from '../../gateway/types.ts';

const cause = { class: 'refused', message: 'nothing listens' } as const;
const nowMs = 1_000;
const running = [{ fromMs: 0, toMs: nowMs }];

function changes(...list: readonly [number, ObservedState][]): StateChange[] {
  return list.map(([atMs, after]) => ({ atMs, provider: 'a', after, cause: after === 'down' ? cause : null }));
}

test('lasts from down to ready, through retries', () => {
  const found = incidentsIn(
    changes([10, 'ready'], [20, 'down'], [30, 'pending'], [40, 'down'], [50, 'ready']),
    running,
    nowMs,
  );
  expect(found).toEqual([
    { provider: 'a', fromMs: 20, toMs: 50, isOpen: false, state: 'down', cause, endedBy: 'recovered' },
  ]);
});

test('shows the worst of its states and the first cause', () => {
  const found = incidentsIn(changes([10, 'degraded'], [20, 'down'], [30, 'degraded'], [40, 'ready']), running, nowMs);
  expect(found).toMatchObject([{ fromMs: 10, toMs: 40, state: 'down', cause }]);
});

test.each([
  ['off', 'switched_off'],
  ['paused', 'paused'],
] as const)('ends when the provider is %s', (after, endedBy) => {
  expect(incidentsIn(changes([10, 'down'], [30, after]), running, nowMs)).toMatchObject([{ toMs: 30, endedBy }]);
});

test('that nothing has ended lasts', () => {
  expect(incidentsIn(changes([10, 'auth']), running, nowMs)).toMatchObject([
    { fromMs: 10, toMs: nowMs, isOpen: true, endedBy: null, state: 'auth' },
  ]);
});

test('ends where the gateway stopped, and what comes after the next start is another one', () => {
  const sessions = [
    { fromMs: 0, toMs: 100 },
    { fromMs: 200, toMs: 900 },
  ];
  expect(incidentsIn(changes([50, 'down'], [210, 'down'], [300, 'ready']), sessions, nowMs)).toMatchObject([
    { fromMs: 50, toMs: 100, endedBy: 'gateway_stopped' },
    { fromMs: 210, toMs: 300, endedBy: 'recovered' },
  ]);
});

test('a first probe that has not come back yet is none, and neither is a model that loads', () => {
  expect(incidentsIn(changes([10, 'pending'], [20, 'warming'], [30, 'ready']), running, nowMs)).toEqual([]);
});

test('providers have incidents of their own', () => {
  const both = [...changes([10, 'down'], [30, 'ready']), { atMs: 20, provider: 'b', after: 'down' as const, cause }];
  const inOrder = both.sort((a, b) => a.atMs - b.atMs);
  expect(incidentsIn(inOrder, running, nowMs).map(({ provider, isOpen }) => [provider, isOpen])).toEqual([
    ['a', false],
    ['b', true],
  ]);
});
