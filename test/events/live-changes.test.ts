// What the parts of the gateway tell the stream: nothing twice, and nothing too little for whoever came last.

import { expect, test } from 'vitest';
import type { AdminChange, AdminProvider, AdminStatus } from '../../gateway/contract.ts';
import { EventHub } from '../../gateway/events/event-hub.ts';
import { LiveChanges } from '../../gateway/live-changes.ts';
import { TestLog } from '../catalog/test-log.ts';
import { FakeClock } from '../support/fake-clock.ts';

test('a provider is told when it differs from what was told, and again after a snapshot that showed it otherwise', () => {
  const clock = new FakeClock();
  const hub = new EventHub({ clock, log: new TestLog(), instance: 'here' });
  let inFlight = 1;
  const live = new LiveChanges({
    hub,
    clock,
    providers: () => [{ name: 'a', inFlight, models: [] } as Partial<AdminProvider> as AdminProvider],
    requests: () => [],
    request: () => null,
    cooldowns: () => [],
    config: () => ({ files: [], isCurrent: true, problems: [] }),
  });
  const listen = () => {
    const told: unknown[] = [];
    const write = (bytes: Buffer): boolean => {
      const change = JSON.parse(/^data: (.*)$/m.exec(bytes.toString())?.[1] ?? '{}') as Partial<AdminChange>;
      if (change.kind === 'provider') told.push(change.provider?.inFlight);
      return true;
    };
    const snapshot = () => live.snapshot({} as Partial<AdminStatus> as AdminStatus);
    hub.subscribe({ sink: { write, end: () => undefined, cut: () => undefined }, since: null, snapshot });
    return told;
  };
  const touch = () => {
    live.catalogChanged({ kind: 'provider', provider: 'a' });
    clock.advance(500);
  };
  const first = listen();
  touch();
  touch();
  expect(first).toEqual([1]);
  inFlight = 2;
  const second = listen();
  inFlight = 1;
  touch();
  expect(second).toEqual([1]);
  hub.close();
  expect(clock.pending).toBe(0);
});
