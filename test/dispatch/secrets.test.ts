// Which texts of the configuration are secrets.

import { expect, test } from 'vitest';
import { defaultCache, emptySettings } from '../../gateway/config/defaults.ts';
import { secretsOf } from '../../gateway/dispatch/secrets.ts';

test('passwords of Redis are secrets, beside the address and inside it, encoded and not', () => {
  const redis = { url: null, host: 'redis.lan', port: 6379, password: 'beside-it', database: 0 };
  const inUrl = { ...redis, password: null, url: 'rediss://user:open%20sesame@redis.lan:6380/1' };
  const broken = { ...redis, password: null, url: 'redis://:100%25%@redis.lan' };
  const settings = { ...emptySettings(), redis, cache: { ...defaultCache, redis: inUrl } };
  expect(secretsOf(settings)).toEqual(['beside-it', 'open%20sesame', 'open sesame']);
  expect(secretsOf({ ...emptySettings(), redis: broken })).toEqual(['100%25%']);
  expect(secretsOf(emptySettings())).toEqual([]);
});
