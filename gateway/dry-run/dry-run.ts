// Decisions about requests that are not sent, by the rules in force or by a draft: one at a time, or many stored ones.

import type { Clock } from '../clock.ts';
import { emptySettings } from '../config/defaults.ts';
import type { LoadResult } from '../config/load.ts';
import type { ProviderSettings, Settings } from '../config/settings.ts';
import type { AdminReplay } from '../contract.ts';
import type { History } from '../history/history.ts';
import type { RouteState } from '../routing/question.ts';
import type { Rules } from '../routing/rules.ts';
import type { Decision, Snapshot } from '../types.ts';
import { DraftRejected, underSettings, withProviders } from './draft.ts';
import { explain } from './explain.ts';
import type { DryQuestion, ReplayQuestion } from './question.ts';
import { replay } from './replay.ts';

export interface DryRunDependencies {
  readonly clock: Clock;
  readonly catalog: {
    whenListed(): Promise<void>;
    snapshot(): Snapshot;
    providerSettings(name: string): ProviderSettings | undefined;
  };
  readonly history: Pick<History, 'replayable'>;
  /** The settings in force. */
  readonly settings: () => Settings;
  readonly compile: (settings: Settings) => Rules;
  /** Loads a text as the first file of the configuration. */
  readonly draft: (text: string) => LoadResult;
  /** The providers of settings before anything is known of them. */
  readonly unprobed: (settings: Settings) => Snapshot;
  /** What live traffic has learned and blocked; reading it changes nothing. */
  readonly state: () => RouteState;
  readonly dice: () => number;
  /** Learned for the model. */
  readonly charactersPerToken: (model: string | null) => number;
  readonly conversationSecret: string;
}

export class DryRun {
  readonly #deps: DryRunDependencies;

  constructor(deps: DryRunDependencies) {
    this.#deps = deps;
  }

  /** Rejects with `DraftRejected`, or with the `GatewayError` a client would get for what cannot be read. */
  async explain(question: DryQuestion): Promise<Decision> {
    const { clock, catalog, state, dice, charactersPerToken, conversationSecret } = this.#deps;
    const settings = this.#settingsOf(question.rules);
    await catalog.whenListed();
    const inForce = catalog.snapshot();
    return explain(question, {
      rules: this.#deps.compile(settings),
      snapshot: question.rules === null ? inForce : this.#under(settings)(inForce),
      state: state(),
      dice,
      charactersPerToken,
      conversationSecret,
      nowMs: clock.now(),
    });
  }

  /** Rejects with `DraftRejected`, or with `HistoryUnavailable`. */
  async replay({ limit, rules }: ReplayQuestion): Promise<AdminReplay> {
    const settings = this.#settingsOf(rules);
    const stored = await this.#deps.history.replayable(limit);
    const { compile } = this.#deps;
    return replay(stored, {
      compile: (then) => compile({ ...emptySettings(), ...then }),
      rules: compile(settings),
      under: this.#under(settings),
    });
  }

  #settingsOf(text: string | null): Settings {
    const inForce = this.#deps.settings();
    if (text === null) return inForce;
    const { settings, problems } = this.#deps.draft(text);
    if (settings === null) throw new DraftRejected(problems);
    return withProviders(settings, inForce);
  }

  #under(settings: Settings): (snapshot: Snapshot) => Snapshot {
    const { catalog } = this.#deps;
    const unprobed = this.#deps.unprobed(settings);
    const providerSettings = (name: string) => catalog.providerSettings(name);
    return (snapshot) => underSettings(snapshot, { settings, providerSettings, unprobed });
  }
}
