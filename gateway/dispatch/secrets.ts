// What must never appear in a message, whoever wrote it.

import type { RedisSettings, Settings } from '../config/settings.ts';

const known = new WeakMap<Settings, readonly string[]>();

/** Every key, password and header value the configuration holds; computed once for each settings object, which is frozen. */
export function secretsOf(settings: Settings): readonly string[] {
  let secrets = known.get(settings);
  if (secrets === undefined) {
    const all = [...settings.providers.values()].flatMap(({ apiKey, headers }) => [
      apiKey ?? '',
      ...Object.values(headers),
    ]);
    for (const redis of [settings.redis, settings.cache.redis]) if (redis !== null) all.push(...passwordsOf(redis));
    secrets = all.filter((secret) => secret !== '');
    known.set(settings, secrets);
  }
  return secrets;
}

/** Also the password inside a URL, as it is written there and as it is sent. */
function passwordsOf({ password, url }: RedisSettings): readonly string[] {
  const written = url === null ? null : URL.parse(url)?.password;
  if (!written) return [password ?? ''];
  try {
    return [password ?? '', written, decodeURIComponent(written)];
  } catch {
    return [password ?? '', written];
  }
}
