// The order within one tier: the rule's strategy, then whoever has room for the longest answer.

import type { StrategyOptions } from '../config/settings.ts';
import { fitsAnswer } from './filters.ts';
import type { Proposal, Tier } from './proposal.ts';
import type { Question } from './question.ts';
import { shareOf } from './share.ts';
import { strategies } from './strategies/index.ts';
import { predicted } from './strategies/predicted.ts';
import type { Contender, Strategy, StrategyInput, Terms } from './strategies/strategy.ts';
import { byOrder } from './strategies/usage.ts';

export interface Ordered<Item> {
  readonly item: Item;
  readonly terms: Terms;
}

const NO_TERMS: Terms = Object.freeze({});

/** Orders what was kept of a tier, best first. */
export function orderTier<Item extends { readonly proposal: Proposal }>(
  question: Question,
  tier: Tier,
  kept: readonly Item[],
): readonly Ordered<Item>[] {
  const ordered =
    kept.length < 2 || tier.isInOrder
      ? kept.map((item) => ({ item, terms: NO_TERMS }))
      : warmFirst(question, byStrategy(question, tier, kept));
  if (question.facts.maxTokens === null || kept.length < 2) return ordered;
  const roomy = ordered.filter(({ item }) => fitsAnswer(question, item.proposal));
  if (roomy.length === 0 || roomy.length === ordered.length) return ordered;
  return [...roomy, ...ordered.filter(({ item }) => !fitsAnswer(question, item.proposal))];
}

function byStrategy<Item extends { readonly proposal: Proposal }>(
  question: Question,
  tier: Tier,
  kept: readonly Item[],
): readonly Ordered<Item>[] {
  const contenders = kept.map(({ proposal }) => contenderOf(question, proposal));
  const { order, terms } = strategyOf(question, tier)(contenders, inputOf(question));
  return order.flatMap((index) => {
    const item = kept[index];
    return item === undefined ? [] : [{ item, terms: terms[index] ?? NO_TERMS }];
  });
}

/** `prefer_warm_providers`: while a model has not answered lately, whoever has it loaded goes before whoever the strategy likes. */
function warmFirst<Item extends { readonly proposal: Proposal }>(
  { rules, state, name }: Question,
  ordered: readonly Ordered<Item>[],
): readonly Ordered<Item>[] {
  if (rules.settings.routing.firstRequest === null || !state.isFirstRequest(name)) return ordered;
  const told = ordered.map(({ item, terms }) => ({
    item,
    terms: { ...terms, is_warm: isWarm(item.proposal) ? 1 : 0 },
  }));
  return [...told.filter(({ terms }) => terms.is_warm === 1), ...told.filter(({ terms }) => terms.is_warm === 0)];
}

/** Known to be loaded, or of a kind that has its model loaded as long as it runs. */
function isWarm({ provider, facts }: Proposal): boolean {
  return provider.observed !== 'warming' && (facts?.isLoaded ?? !provider.loadsOnDemand);
}

/** Modes of the window replace strategies, never rules. */
function strategyOf({ rules }: Question, { rule }: Tier): Strategy {
  switch (rules.settings.routing.mode.is) {
    case 'order':
      return byOrder;
    case 'fastest':
      return predicted;
    default:
      return strategies[rule.strategy];
  }
}

function contenderOf(question: Question, proposal: Proposal): Contender {
  const { provider, model, facts } = proposal;
  return {
    provider,
    model,
    facts,
    share: shareOf(question.rules.settings, proposal, question.name),
    learned: question.state.learned(provider.name, model, question.facts),
  };
}

function inputOf({ facts, dice, state, rules }: Question): StrategyInput {
  const options: StrategyOptions = rules.settings.routing.strategyOptions;
  return {
    promptTokens: facts.promptTokens,
    isStream: facts.isStream,
    dice,
    turn: (pool) => state.turn(pool) ?? Math.floor(dice() * ANY_TURN),
    options,
  };
}

/** Far beyond the longest cycle, so that a turn drawn by chance is fair. */
const ANY_TURN = 1_000_000_000;
