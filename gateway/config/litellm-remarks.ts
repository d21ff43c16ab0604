// What becomes of keys in LiteLLM's sections: unknown ones, ones LiteLLM alone uses, and ones it had silently ignored.

import { eachScalar, keyPosition, type LocatedMap, positionOf, valueAt } from './located.ts';
import { didYouMean, nearest } from './nearest.ts';
import { type DocumentPath, type ProblemList, pathText } from './problems.ts';
import { knownKeys, placesOfKey } from './schema/known-keys.ts';
import { litellmOnlyKeys, litellmOnlySections } from './schema/litellm-keys.ts';

const litellmStrategies = new Set([
  'simple-shuffle',
  'least-busy',
  'usage-based-routing',
  'usage-based-routing-v2',
  'latency-based-routing',
  'cost-based-routing',
]);

/** Says all of it; nothing here keeps a configuration from being used. */
export function remarkOnLitellm(root: LocatedMap, problems: ProblemList): void {
  for (const section of litellmOnlySections)
    if (root.entries.has(section))
      problems.warning(keyPosition(root, [section]), [section], {
        code: 'unused_key',
        message: `the section "${section}" of LiteLLM is not used here`,
      });
  for (const section of ['router_settings', 'litellm_settings', 'general_settings'])
    remarkOnKeys(root, [section], section, problems);
  remarkOnKeys(root, ['router_settings', 'cache_kwargs'], 'cache', problems);
  remarkOnKeys(root, ['litellm_settings', 'cache_params'], 'cache', problems);
  remarkOnKeys(root, ['router_settings', 'routing_strategy_args'], 'routing_strategy_args', problems);
  remarkOnModelList(root, problems);
  remarkOnIgnored(root, problems);
}

function remarkOnModelList(root: LocatedMap, problems: ProblemList): void {
  const list = valueAt(root, ['model_list']);
  if (list?.kind !== 'list') return;
  for (const [index, entry] of list.items.entries()) {
    const path = ['model_list', index];
    remarkOnKeys(root, path, 'model_list', problems);
    remarkOnParams(root, [...path, 'litellm_params'], problems);
    remarkOnInfo(root, [...path, 'model_info'], problems);
    if (entry.kind !== 'map') continue;
    const hasParams = entry.entries.has('litellm_params');
    if (!hasParams)
      differs(
        root,
        path,
        'LiteLLM stops on an entry without litellm_params; here it sets limits for that model name',
        problems,
      );
    for (const key of hasParams ? ['weight', 'priority', 'max_parallel_requests'] : [])
      if (entry.entries.has(key))
        differs(root, [...path, key], `LiteLLM ignores "${key}" beside litellm_params; here it counts`, problems);
    eachScalar(entry, (scalar, inner) => {
      const name = typeof scalar.value === 'string' ? /^\$([A-Z_][A-Z0-9_]*)$/.exec(scalar.value)?.[1] : undefined;
      if (name !== undefined && !scalar.isSubstituted)
        problems.lint(positionOf(scalar), [...path, ...inner], {
          code: 'litellm_differs',
          message: `"$${name}" is taken as it stands, as in LiteLLM; a variable is written os.environ/${name}`,
        });
    });
  }
}

/** The keys of a map that the schema does not know. */
function unknownKeys(root: LocatedMap, path: DocumentPath): readonly string[] {
  const node = valueAt(root, path);
  if (node?.kind !== 'map') return [];
  const known = new Set(knownKeys(path));
  return [...node.entries.keys()].filter((key) => !known.has(key));
}

function remarkOnKeys(root: LocatedMap, path: DocumentPath, section: string, problems: ProblemList): void {
  for (const key of unknownKeys(root, path)) {
    const keyPath = [...path, key];
    const position = keyPosition(root, keyPath);
    if (litellmOnlyKeys[section]?.includes(key)) {
      problems.lint(position, keyPath, { code: 'unused_key', message: `"${key}" of LiteLLM is not used here` });
      continue;
    }
    const near = didYouMean(key, knownKeys(path));
    const places = placesOfKey(key).filter((place) => place !== section);
    const place = places[0] === undefined ? '' : `; it belongs under ${places[0]}`;
    const message = `unknown key "${key}" in ${pathText(path)}; LiteLLM ignores this too${near || place}`;
    problems.warning(position, keyPath, { code: 'unknown_key', message });
  }
}

/** LiteLLM hands what it does not know on to the vendor, with every request. */
function remarkOnParams(root: LocatedMap, path: DocumentPath, problems: ProblemList): void {
  for (const key of unknownKeys(root, path)) {
    const keyPath = [...path, key];
    const position = keyPosition(root, keyPath);
    const isKnown = litellmOnlyKeys.litellm_params?.includes(key) ?? false;
    const message = isKnown
      ? `"${key}" of LiteLLM is not used here`
      : `"${key}" is not sent: LiteLLM adds it to each request, here requests stay as they are${didYouMean(key, knownKeys(path))}`;
    problems.add(isKnown ? 'lint' : 'warning', position, keyPath, { code: 'unused_key', message });
  }
}

/** Free notes may stand in `model_info`; only what looks like a slip of the pen is worth a word. */
function remarkOnInfo(root: LocatedMap, path: DocumentPath, problems: ProblemList): void {
  for (const key of unknownKeys(root, path)) {
    if (litellmOnlyKeys.model_info?.includes(key)) continue;
    const near = nearest(key, knownKeys(path));
    if (near === null) continue;
    const keyPath = [...path, key];
    const message = `unknown key "${key}" in ${pathText(path)}; LiteLLM ignores this too; did you mean "${near}"?`;
    problems.warning(keyPosition(root, keyPath), keyPath, { code: 'unknown_key', message });
  }
}

function differs(root: LocatedMap, path: DocumentPath, message: string, problems: ProblemList): void {
  problems.lint(keyPosition(root, path), path, { code: 'litellm_differs', message });
}

/** Keys that work here and that LiteLLM reads past (or stops on). Source: its router, version 1.103. */
const ignoredByLitellm: readonly { readonly path: DocumentPath; readonly message: string }[] = [
  ...['window_size', 'fallback_strategy', 'success_threshold', 'failure_threshold', 'enable_circuit_breaker'].map(
    (key) => ({ path: ['router_settings', key], message: `LiteLLM ignores "${key}"; here it counts` }),
  ),
  ...['health_check_timeout', 'rpm', 'tpm'].map((key) => ({
    path: ['router_settings', key],
    message: `LiteLLM ignores "${key}" in router_settings; here it counts`,
  })),
  {
    path: ['router_settings', 'health_check_interval'],
    message: 'LiteLLM stops on "health_check_interval" in router_settings; here it counts',
  },
  {
    path: ['router_settings', 'enable_pre_call_check'],
    message: 'LiteLLM only knows "enable_pre_call_checks"; here candidates are always checked',
  },
  ...['allowed_fails', 'cooldown_time'].map((key) => ({
    path: ['litellm_settings', key],
    message: `LiteLLM reads "${key}" from router_settings only; here it counts`,
  })),
  { path: ['debug'], message: 'LiteLLM ignores "debug" at the root; here it sets the log level' },
  { path: ['debug_router'], message: 'LiteLLM ignores "debug_router" at the root; here it sets the log level' },
];

function remarkOnIgnored(root: LocatedMap, problems: ProblemList): void {
  for (const { path, message } of ignoredByLitellm) if (valueAt(root, path)) differs(root, path, message, problems);
  for (const section of ['litellm_settings', 'general_settings']) {
    const path = [section, 'database_url'];
    if (valueAt(root, path))
      problems.lint(keyPosition(root, path), path, {
        code: 'unused_key',
        message: '"database_url" is ignored: what happened is kept in the data folder',
      });
  }
  const strategyPath = ['router_settings', 'routing_strategy'];
  const strategy = valueAt(root, strategyPath);
  if (strategy?.kind === 'scalar' && strategy.value !== null && !litellmStrategies.has(String(strategy.value)))
    differs(root, strategyPath, `LiteLLM does not start with the strategy "${strategy.value}"`, problems);
  remarkOnForms(root, problems);
}

/** Forms of known keys that only guides print. */
function remarkOnForms(root: LocatedMap, problems: ProblemList): void {
  const aliases = valueAt(root, ['router_settings', 'model_group_alias']);
  for (const [name, { value }] of aliases?.kind === 'map' ? aliases.entries : [])
    if (value.kind === 'list')
      differs(
        root,
        ['router_settings', 'model_group_alias', name],
        'LiteLLM fails on an alias for a list; here it is a group of its own',
        problems,
      );
  const policy = valueAt(root, ['router_settings', 'retry_policy']);
  for (const [name, { value }] of policy?.kind === 'map' ? policy.entries : [])
    if (value.kind === 'map')
      differs(
        root,
        ['router_settings', 'retry_policy', name],
        'LiteLLM drops this form of a retry policy; here it counts',
        problems,
      );
  for (const section of ['router_settings', 'litellm_settings']) {
    const fallbacks = valueAt(root, [section, 'fallbacks']);
    for (const [index, item] of fallbacks?.kind === 'list' ? fallbacks.items.entries() : [])
      if (item.kind === 'map' && item.entries.has('fallback_models'))
        differs(
          root,
          [section, 'fallbacks', index],
          'LiteLLM stops on this form of a fallback; here it counts',
          problems,
        );
  }
}
