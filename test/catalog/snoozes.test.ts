// Providers that are off for a while: until exactly then, whatever the clock does meanwhile.

import { expect, test } from 'vitest';
import { Snoozes } from '../../gateway/catalog/snoozes.ts';
import { StateFile } from '../../gateway/catalog/state-file.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { TestLog } from './test-log.ts';

/** Its time of day can be set; its timers go on as if nothing had happened. */
class SettableClock extends FakeClock {
  offsetMs = 0;

  override now(): number {
    return super.now() + this.offsetMs;
  }
}

function snoozesWith(clock: SettableClock) {
  const ended: string[] = [];
  const state = new StateFile({ path: null, clock, log: new TestLog() });
  const snoozes = new Snoozes({ clock, state, onEnd: (provider) => ended.push(provider) });
  return { snoozes, state, ended };
}

test('ends at its time and is forgotten', () => {
  const clock = new SettableClock();
  const { snoozes, state, ended } = snoozesWith(clock);
  snoozes.set('a', clock.now() + 1_000);
  snoozes.set('b', 'restart');
  clock.advance(999);
  expect([ended, snoozes.until('a') !== null]).toEqual([[], true]);
  clock.advance(1);
  expect([ended, snoozes.until('a'), snoozes.until('b'), state.current.snoozed]).toEqual([['a'], null, 'restart', {}]);
});

test('a clock that is set back, and a time further off than any timer, do not end it early', () => {
  const clock = new SettableClock();
  const { snoozes, ended } = snoozesWith(clock);
  snoozes.set('a', clock.now() + 1_000);
  snoozes.set('b', clock.now() + 40 * 86_400_000);
  clock.offsetMs = -5_000;
  clock.advance(1_000);
  expect(ended).toEqual([]);
  clock.advance(5_000);
  expect(ended).toEqual(['a']);
  clock.advance(39 * 86_400_000);
  expect(ended).toEqual(['a']);
  clock.advance(2 * 86_400_000);
  expect(ended).toEqual(['a', 'b']);
});
