// Entries that stand in a file without their section, as guides like to print them: where they belong.

import { stringify } from 'yaml';
import { type Located, type LocatedMap, toPlain } from './located.ts';
import { strategySpellings } from './schema/values.ts';

type Has = (key: string) => boolean;

/** What an entry of a section looks like; the first that fits decides. */
const mapSections: readonly { readonly section: string; readonly fits: (has: Has, name: string) => boolean }[] = [
  { section: 'fallback_chains', fits: (has) => has('chain') },
  { section: 'providers', fits: (has) => has('kind') || has('base_url') },
  { section: 'request_metadata_routing', fits: (has) => has('condition') },
  {
    section: 'strategies',
    fits: (has, name) => name in strategySpellings || has('applicable_to') || has('weight_factors') || has('measure'),
  },
  {
    section: 'capabilities',
    fits: (has) => has('preferred_models') || has('min_model_size') || has('min_context') || has('routing_strategy'),
  },
  { section: 'redundant_models', fits: (has) => has('providers') },
  { section: 'exact_matches', fits: (has) => has('provider') },
];

/** The key that gives an item of a list away, and the path of that list. */
const listSections: readonly { readonly key: string; readonly path: readonly string[] }[] = [
  { key: 'pattern', path: ['patterns'] },
  { key: 'size', path: ['model_size_routing'] },
  { key: 'model_name', path: ['model_list'] },
  { key: 'litellm_params', path: ['model_list'] },
  { key: 'fallback_models', path: ['router_settings', 'fallbacks'] },
  { key: 'primary', path: ['fallback_chains', 'default', 'chain'] },
  { key: 'secondary', path: ['fallback_chains', 'default', 'chain'] },
  { key: 'tertiary', path: ['fallback_chains', 'default', 'chain'] },
];

/** Says where an entry that stands at the root belongs, with the lines to write; null when it looks like nothing known. */
export function misplacedEntry(name: string, value: Located): string | null {
  if (value.kind !== 'map') return null;
  const has: Has = (key) => value.entries.has(key);
  const section = mapSections.find(({ fits }) => fits(has, name))?.section;
  if (section === undefined) return null;
  const lines = `${section}:\n  ${yamlWord(name)}:\n    ${firstPair(value)}`;
  return `"${name}" stands without its section; it is an entry of ${section}. Write:\n${lines}`;
}

/** The list that such items belong to, and what to say about them. */
export interface Misplaced {
  readonly path: readonly string[];
  readonly message: string;
}

/** The same for a file that is nothing but a list, and for an item's keys that stand at the root. */
export function misplacedItems(root: Located): Misplaced | null {
  const item = root.kind === 'list' ? root.items.find((candidate) => candidate.kind === 'map') : root;
  if (item?.kind !== 'map') return null;
  const path = listSections.find(({ key }) => item.entries.has(key))?.path;
  if (path === undefined) return null;
  const sections = path.map((step, depth) => `${'  '.repeat(depth)}${step}:`).join('\n');
  const indent = '  '.repeat(path.length);
  const second = secondPair(item);
  const lines = `${sections}\n${indent}- ${firstPair(item)}${second === '' ? '' : `\n${indent}  ${second}`}`;
  const what = root.kind === 'list' ? 'this list stands' : 'these keys stand';
  return { path, message: `${what} without the section ${path.join('.')}. Write:\n${lines}` };
}

function firstPair(map: LocatedMap): string {
  return pairs(map)[0] ?? '...';
}

function secondPair(map: LocatedMap): string {
  return pairs(map)[1] ?? '';
}

/** Its keys and values as YAML, each in one line; nothing that may be secret. */
function pairs(map: LocatedMap): readonly string[] {
  const lines: string[] = [];
  for (const [key, { value }] of map.entries) {
    if (/key|headers|params|password/i.test(key)) continue;
    if (value.kind === 'scalar' && !value.isSubstituted) lines.push(`${yamlWord(key)}: ${yamlWord(value.value)}`);
    else if (value.kind !== 'scalar' && lines.length === 0)
      lines.push(`${yamlWord(key)}: ${JSON.stringify(toPlain(value))}`);
  }
  return lines;
}

function yamlWord(word: unknown): string {
  return stringify(word, { lineWidth: 0, defaultStringType: 'PLAIN', blockQuote: false }).trim();
}
