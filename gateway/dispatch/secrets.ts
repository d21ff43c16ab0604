// What must never appear in a message, whoever wrote it.

import type { Settings } from '../config/settings.ts';

const known = new WeakMap<Settings, readonly string[]>();

/** Every key and header value the configuration holds; computed once for each settings object, which is frozen. */
export function secretsOf(settings: Settings): readonly string[] {
  let secrets = known.get(settings);
  if (secrets === undefined) {
    const all = [...settings.providers.values()].flatMap(({ apiKey, headers }) => [
      apiKey ?? '',
      ...Object.values(headers),
    ]);
    secrets = all.filter((secret) => secret !== '');
    known.set(settings, secrets);
  }
  return secrets;
}
