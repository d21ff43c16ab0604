import { describe, expect, test } from 'vitest';
import { type CooldownChange, Cooldowns } from '../../gateway/dispatch/cooldowns.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { failure, settingsWith, world } from './cooldown-world.ts';

describe('what is told', () => {
  test('names deployment, cause and end in epoch ms, whatever is done to the wall clock', () => {
    let [wall, grown] = [1_000_000_000_000, 5];
    const clock = { now: () => wall, monotonic: () => grown, after: () => () => undefined };
    const changes: CooldownChange[] = [];
    const settings = settingsWith({ allowedFails: 1 });
    const cooldowns = new Cooldowns({ clock, settings: () => settings, onChange: (change) => changes.push(change) });
    cooldowns.begin({ provider: 'p', model: 'm' }, null).end(failure('broken'));
    const expected = {
      provider: 'p',
      model: 'm',
      is: 'cooling_down',
      because: 'broken',
      message: 'broken happened',
    };
    expect(changes).toEqual([{ ...expected, atMs: wall, untilMs: wall + 30_000 }]);
    wall -= 3_600_000;
    grown += 10_000;
    expect(cooldowns.blocked('p', 'm')?.remainingMs).toBe(20_000);
    expect(cooldowns.list()).toEqual([{ ...expected, atMs: wall, untilMs: wall + 20_000 }]);
  });

  test('holds already for whoever is told of it', () => {
    const clock = new FakeClock();
    const settings = settingsWith({ allowedFails: 1 });
    const seen: unknown[] = [];
    const cooldowns = new Cooldowns({
      clock,
      settings: () => settings,
      onChange: ({ is }) => seen.push([is, cooldowns.isIdle, cooldowns.blocked('p', 'm')?.reason ?? null]),
    });
    const begin = () => cooldowns.begin({ provider: 'p', model: 'm' }, null);
    begin().end(failure('server_error'));
    clock.advance(30_000);
    begin().end(null);
    expect(seen).toEqual([
      ['cooling_down', false, 'cooling_down'],
      ['half_open', false, 'breaker_open'],
      ['closed', true, null],
    ]);
  });

  test('lists one whose time is up as half-open, and counts it as out only while it is tried', () => {
    const { begin, fail, cooldowns, clock } = world();
    fail('server_error', 3);
    begin('n').end(failure('rate_limited', 90_000));
    begin('x', 'q').end(failure('unreachable'));
    expect([...cooldowns.counts()]).toEqual([
      ['p', 2],
      ['q', 1],
    ]);
    clock.advance(30_000);
    expect([...cooldowns.counts()]).toEqual([['p', 1]]);
    expect(cooldowns.list().map(({ is, untilMs }) => [is, untilMs === null])).toEqual([
      ['half_open', true],
      ['cooling_down', false],
      ['half_open', true],
    ]);
    begin();
    expect(cooldowns.counts().get('p')).toBe(2);
  });
});

describe('a reset', () => {
  test('forgets one deployment, failures before a cooldown included', () => {
    const { fail, begin, blocked, cooldowns } = world();
    fail('server_error', 2);
    cooldowns.reset('p', 'm');
    fail('server_error', 2);
    expect(blocked()).toBeNull();
    fail('server_error');
    for (let count = 0; count < 3; count += 1) begin('n').end(failure('server_error'));
    cooldowns.reset('p', 'm');
    expect([blocked(), blocked('n') === null]).toEqual([null, false]);
  });

  test('forgets a provider with all its deployments, and no other', () => {
    const { fail, begin, blocked, cooldowns, told } = world({ allowedFails: 1 });
    fail('auth');
    fail('server_error');
    begin('m', 'q').end(failure('server_error'));
    cooldowns.reset('p');
    expect([blocked(), blocked('other'), blocked('m', 'q') === null]).toEqual([null, null, false]);
    expect(told().slice(3)).toEqual(['closed *', 'closed m']);
  });
});

describe('what another gateway found', () => {
  function shared(change: Partial<CooldownChange> = {}, nowMs = Date.UTC(2026, 0, 1)): CooldownChange {
    const base = { atMs: nowMs, provider: 'p', model: 'm', is: 'cooling_down', message: 'told' } as const;
    return { ...base, untilMs: nowMs + 40_000, because: 'server_error', ...change };
  }

  test('holds here too, and is told on as adopted', () => {
    const { cooldowns, blocked, changes } = world();
    cooldowns.adopt(shared());
    expect(blocked()).toEqual({ reason: 'cooling_down', remainingMs: 40_000, isByRequest: false });
    cooldowns.adopt(shared({ model: 'n', because: 'rate_limited' }));
    expect(blocked('n')?.isByRequest).toBe(true);
    cooldowns.adopt(shared({ model: 'o', is: 'breaker_open' }));
    expect(blocked('o')?.reason).toBe('breaker_open');
    cooldowns.adopt(shared({ model: null, because: 'unreachable' }));
    cooldowns.probed('p');
    expect(blocked('third')).toBeNull();
    expect(changes.slice(0, 4).map(({ isAdopted }) => isAdopted)).toEqual([true, true, true, true]);
  });

  test('prolongs what was found here, and never shortens it', () => {
    const { cooldowns, fail, remaining, clock } = world();
    fail('server_error', 3);
    cooldowns.adopt(shared());
    expect(remaining()).toBe(40_000);
    cooldowns.adopt(shared({ untilMs: clock.now() + 1_000 }));
    expect(remaining()).toBe(40_000);
    cooldowns.adopt(shared({ is: 'closed', untilMs: null, because: null }));
    expect(remaining()).toBe(30_000);
  });

  test('makes a pause of a cooldown where it was a 429, however short', () => {
    const { cooldowns, fail, blocked, clock } = world();
    fail('server_error', 3);
    cooldowns.adopt(shared({ because: 'rate_limited', untilMs: clock.now() + 5_000 }));
    expect(blocked()).toEqual({ reason: 'cooling_down', remainingMs: 30_000, isByRequest: true });
  });

  test('ends when that gateway says so, without being told on as news of this one', () => {
    const { cooldowns, blocked, changes } = world();
    cooldowns.adopt(shared());
    cooldowns.adopt(shared({ is: 'half_open', untilMs: null }));
    expect(blocked()).not.toBeNull();
    cooldowns.adopt(shared({ is: 'closed', untilMs: null, because: null }));
    expect([blocked(), cooldowns.isIdle]).toEqual([null, true]);
    expect(changes.map(({ is, isAdopted }) => [is, isAdopted])).toEqual([
      ['cooling_down', true],
      ['closed', true],
    ]);
  });

  test('that is over already, or lasts absurdly long, does no harm', () => {
    const { cooldowns, blocked, remaining, clock } = world();
    cooldowns.adopt(shared({ untilMs: clock.now() }));
    expect(blocked()).toBeNull();
    cooldowns.adopt(shared({ untilMs: Number.MAX_SAFE_INTEGER }));
    expect(remaining()).toBe(86_400_000);
  });

  test('is tried here when its time is up, and what comes of it is news of this gateway', () => {
    const { cooldowns, fail, remaining, succeed, changes, clock } = world();
    cooldowns.adopt(shared());
    clock.advance(40_000);
    fail('server_error');
    expect(remaining()).toBe(80_000);
    clock.advance(80_000);
    succeed();
    expect(changes.map(({ is, isAdopted }) => [is, isAdopted])).toEqual([
      ['cooling_down', true],
      ['half_open', false],
      ['cooling_down', false],
      ['half_open', false],
      ['closed', false],
    ]);
  });
});
