// Which of thousands of known names are worth comparing letter by letter with one that nobody knows.
// Each name is reduced to the pairs of letters in it, once; a few instructions then tell how much two names share.

import type { ModelFacts, Snapshot } from '../types.ts';
import { BoundedMemory } from './bounded-memory.ts';
import type { Rules } from './rules.ts';

interface ShelvedName {
  readonly name: string;
  /** One bit per pair of letters, folded into 64. */
  readonly low: number;
  readonly high: number;
}

/** As many are compared letter by letter. */
const COMPARED = 12;
const SUGGESTED = 5;
const REMEMBERED = 500;

const listShelves = new WeakMap<ReadonlyMap<string, ModelFacts>, readonly ShelvedName[]>();
const ruleShelves = new WeakMap<Rules, readonly ShelvedName[]>();
/** By `listsOf`. */
const remembered = new WeakMap<object, BoundedMemory<string, readonly string[]>>();

/** Names that somebody who wrote `name` may have meant, nearest first. With a pin only those of that provider. */
export function suggestNames(
  name: string,
  rules: Rules,
  { providers }: Snapshot,
  pin: string | null,
): readonly string[] {
  const lists = rules.models.listsOf(providers);
  let answers = remembered.get(lists);
  if (!answers) {
    answers = new BoundedMemory(REMEMBERED);
    remembered.set(lists, answers);
  }
  const key = pin === null ? name : `${name}\u0000${pin}`;
  let answer = answers.get(key);
  if (!answer) {
    answer = rules.naming.nearestNames(name, likeliest(name, shelves(rules, providers, pin))).slice(0, SUGGESTED);
    answers.set(key, answer);
  }
  return answer;
}

/** Every name that can be asked for. */
function shelves(
  rules: Rules,
  providers: Snapshot['providers'],
  pin: string | null,
): readonly (readonly ShelvedName[])[] {
  const all: (readonly ShelvedName[])[] = pin === null ? [ruleShelf(rules)] : [];
  for (const provider of providers.values()) {
    if (pin === null ? provider.isEnabled : provider.name === pin) all.push(listShelf(provider.models));
  }
  return all;
}

function ruleShelf(rules: Rules): readonly ShelvedName[] {
  let shelf = ruleShelves.get(rules);
  if (!shelf) {
    const aliases = [...rules.settings.routing.aliases.values()].filter(({ isHidden }) => !isHidden);
    const names = [
      ...rules.exact.keys(),
      ...rules.groups.keys(),
      ...aliases.map((alias) => alias.name),
      ...rules.capabilities.keys(),
    ];
    shelf = names.map(shelve);
    ruleShelves.set(rules, shelf);
  }
  return shelf;
}

function listShelf(models: ReadonlyMap<string, ModelFacts>): readonly ShelvedName[] {
  let shelf = listShelves.get(models);
  if (!shelf) {
    shelf = [...models.values()].flatMap(({ id, aliases }) => [id, ...aliases]).map(shelve);
    listShelves.set(models, shelf);
  }
  return shelf;
}

function likeliest(name: string, from: readonly (readonly ShelvedName[])[]): readonly string[] {
  const wanted = shelve(name);
  const best: { readonly name: string; readonly shared: number }[] = [];
  let least = 0;
  for (const shelf of from) {
    for (const known of shelf) {
      const shared = countBits(known.low & wanted.low) + countBits(known.high & wanted.high);
      if (shared <= least) continue;
      best.push({ name: known.name, shared });
      if (best.length < 4 * COMPARED) continue;
      best.sort((a, b) => b.shared - a.shared);
      best.length = COMPARED;
      least = best.at(-1)?.shared ?? 0;
    }
  }
  best.sort((a, b) => b.shared - a.shared);
  return best.slice(0, COMPARED).map((one) => one.name);
}

function shelve(name: string): ShelvedName {
  let low = 0;
  let high = 0;
  let before = 0;
  for (let index = 0; index < name.length; index += 1) {
    const code = foldCode(name.charCodeAt(index));
    if (code === 0) continue;
    const pair = (Math.imul(before, 31) + code) & 63;
    if (pair < 32) low |= 1 << pair;
    else high |= 1 << (pair - 32);
    before = code;
  }
  return { name, low, high };
}

/** Small and capital letters are one; what is neither letter nor digit counts for nothing. */
function foldCode(code: number): number {
  if (code >= 65 && code <= 90) return code + 32;
  return (code >= 97 && code <= 122) || (code >= 48 && code <= 57) || code > 127 ? code : 0;
}

function countBits(bits: number): number {
  let left = bits - ((bits >>> 1) & 0x55555555);
  left = (left & 0x33333333) + ((left >>> 2) & 0x33333333);
  return Math.imul((left + (left >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
