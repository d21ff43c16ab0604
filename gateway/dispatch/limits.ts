// Sizes and times of dispatching that are no settings, in one place so that tests can shrink them.

export interface DispatchLimits {
  /** An answer held before its commit, in bytes; a longer JSON answer is relayed from there on. */
  readonly heldAnswerBytes: number;
  /** All held answers together, in bytes. */
  readonly heldTogetherBytes: number;
  /** How much of a refusal is read, in bytes. */
  readonly refusalBytes: number;
  /** A stream that has waited this long in the queue is opened before it is committed. */
  readonly openAfterQueueMs: number;
  /** The same for one whose providers stay silent. */
  readonly openAfterSilenceMs: number;
  readonly fillerEveryMs: number;
  /** How long a provider may keep a connection open after the protocol's own end. */
  readonly lingerMs: number;
}

export const defaultDispatchLimits: DispatchLimits = {
  heldAnswerBytes: 8 * 1024 * 1024,
  heldTogetherBytes: 128 * 1024 * 1024,
  refusalBytes: 64 * 1024,
  openAfterQueueMs: 5_000,
  openAfterSilenceMs: 15_000,
  fillerEveryMs: 5_000,
  lingerMs: 2_000,
};
