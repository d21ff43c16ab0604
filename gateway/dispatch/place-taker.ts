// Gets one request a place to be served at: the first free one in the order of its candidates, else the first that frees.

import { isTriedAnyway } from '../routing/ballot.ts';
import type { DeploymentUse } from '../routing/question.ts';
import type { Candidate, RequestFacts } from '../types.ts';
import type { ActiveConfiguration, DispatchDependencies } from './dependencies.ts';
import type { EarlyOpening } from './early-opening.ts';
import type { ClientReply } from './exchange.ts';
import { LiveState } from './live-state.ts';
import { maxParallelOfModel, type Place, slotOption, waiterOf } from './place.ts';
import { providerSettings } from './provider-settings.ts';
import { isRateBlock, type RateBlock, type Reservation } from './rate-limits.ts';
import type { Slot, SlotOption, Waiting } from './slots.ts';

/** What the request's latest decision says; it may change while the request waits. */
export interface Choice {
  readonly facts: RequestFacts;
  /** The name that was decided about, after aliases. */
  readonly name: string | null;
  /** Who may be asked, in order. */
  readonly candidates: readonly Candidate[];
  /** May be asked although they are cooling down: the request has waited for them. */
  readonly again: ReadonlySet<string>;
}

export class PlaceTaker {
  readonly #deps: DispatchDependencies;
  readonly #configuration: ActiveConfiguration;
  readonly #reply: ClientReply;
  #choice: Choice | null = null;
  #waiting: Waiting | null = null;
  #queuedMs = 0;

  constructor(deps: DispatchDependencies, configuration: ActiveConfiguration, reply: ClientReply) {
    this.#deps = deps;
    this.#configuration = configuration;
    this.#reply = reply;
  }

  /** Spent in line so far. */
  get queuedMs(): number {
    return this.#queuedMs;
  }

  get isWaiting(): boolean {
    return this.#waiting !== null;
  }

  /**
   * A place at one of the candidates. Null: none is to be had as it was decided, so decide again.
   * @param opening keeps the client's connection alive meanwhile
   * @throws GatewayError `queue_full`, `queue_timeout`, `client_closed_request`
   */
  async take(choice: Choice, opening: EarlyOpening | null): Promise<Place | null> {
    this.#choice = choice;
    let full: SlotOption[] | null = null;
    for (const candidate of choice.candidates) {
      const option = this.#slotOption(candidate);
      const slot = this.#deps.slots.tryTakeOne(option);
      if (slot === null) {
        full ??= [];
        full.push(option);
        continue;
      }
      const place = this.#admit(candidate, slot);
      const taken = place instanceof Promise ? await place : place;
      if (taken !== null) return taken;
    }
    return full === null ? null : this.#wait(full, opening);
  }

  /** While it waits: it was decided anew. The place in line is kept. */
  replace(choice: Choice): void {
    this.#choice = choice;
    this.#waiting?.replace(choice.candidates.map((candidate) => this.#slotOption(candidate)));
  }

  /** Ends the waiting; `take` rejects then. */
  cancel(): void {
    this.#waiting?.cancel();
  }

  async #wait(options: readonly SlotOption[], opening: EarlyOpening | null): Promise<Place | null> {
    const { clock, slots } = this.#deps;
    const startedAt = clock.monotonic();
    const waiting = slots.wait(options, waiterOf(this.#current.facts));
    this.#waiting = waiting;
    this.#reply.onGone = () => waiting.cancel();
    if (this.#reply.isGone) waiting.cancel();
    opening?.whileQueued();
    try {
      const slot = await waiting.slot;
      // From here on the place is held: to decide anew would change the record and nothing else.
      this.#waiting = null;
      const candidate = this.#current.candidates.find(
        ({ provider, model }) => provider === slot.provider && model === slot.model,
      );
      if (candidate !== undefined) return await this.#admit(candidate, slot);
      slot.release();
      return null;
    } finally {
      this.#waiting = null;
      this.#reply.onGone = null;
      opening?.endOfQueue();
      this.#queuedMs += clock.monotonic() - startedAt;
    }
  }

  /** Adds to a slot what else an attempt takes. Null: it is not to be had any more; the slot is given back then. */
  #admit(candidate: Candidate, slot: Slot): Place | null | Promise<Place | null> {
    const { rateLimits } = this.#deps.guards;
    if (!rateLimits.hasLimits) return this.#begin(candidate, slot, null);
    const reserved = rateLimits.reserve(this.#useOf(candidate));
    if (reserved instanceof Promise) return reserved.then((one) => this.#settle(candidate, slot, one));
    return this.#settle(candidate, slot, reserved);
  }

  #settle(candidate: Candidate, slot: Slot, reserved: Reservation | RateBlock): Place | null {
    if (!isRateBlock(reserved)) return this.#begin(candidate, slot, reserved);
    slot.release();
    return null;
  }

  /** The look and the beginning are one step: of two requests that come here in one moment only one is the trial. */
  #begin(candidate: Candidate, slot: Slot, reservation: Reservation | null): Place | null {
    if (this.#isTakenOut(candidate)) {
      reservation?.end({ tokens: 0, wasSent: false });
      slot.release();
      return null;
    }
    const trial = this.#deps.guards.cooldowns.begin(candidate, this.#configuration.rules.entryFor(candidate));
    return { candidate, slot, reservation, trial };
  }

  /** It began to cool down, or another took its one trial, since it was decided for. */
  #isTakenOut(candidate: Candidate): boolean {
    const { guards, learning } = this.#deps;
    if (guards.cooldowns.isIdle || isTriedAnyway(candidate)) return false;
    const use = { ...this.#useOf(candidate), promptTokens: 0 };
    return new LiveState(learning, guards, undefined, this.#current.again).blocked(use) !== null;
  }

  #useOf(candidate: Candidate): DeploymentUse {
    const { name, facts } = this.#current;
    const { provider, model } = candidate;
    const entry = this.#configuration.rules.entryFor(candidate);
    return { provider, model, entry, name, promptTokens: facts.promptTokens };
  }

  #slotOption(candidate: Candidate): SlotOption {
    const { catalog } = this.#deps;
    const { settings, rules } = this.#configuration;
    const provider = providerSettings(settings, catalog, candidate.provider);
    const snapshot = catalog.snapshot().providers.get(candidate.provider) ?? null;
    const isSingle = snapshot?.isSingleModel ?? false;
    return slotOption(
      candidate,
      provider,
      snapshot,
      maxParallelOfModel(candidate, this.#current.name, rules, provider, isSingle),
    );
  }

  get #current(): Choice {
    if (this.#choice === null) throw new TypeError('no place was asked for yet');
    return this.#choice;
  }
}
