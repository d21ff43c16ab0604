// What routing has to know of names but may not know itself: it is handed in by whoever wires the gateway.

import type { ModelFacts, ProviderKind } from '../types.ts';

/** What makes a model the one it is, whatever a server calls it. */
export interface Identity {
  readonly name: string;
  /** Only models of one family can be the same; null: not known, so it is like no other. */
  readonly family: string | null;
  readonly fineTune: string;
  readonly size: number | null;
  readonly isSizeReported: boolean;
  readonly activeSize: number | null;
  readonly quantization: string | null;
}

export interface Naming {
  /**
   * Whether two spellings name the same model at that kind of provider. Names that are the same must have equal
   * `looseName`s: it is asked only about those.
   */
  isSameName(kind: ProviderKind, a: string, b: string): boolean;
  /** @param facts what a provider says of the model; null: only the name is known */
  identify(name: string, facts: ModelFacts | null): Identity;
  /** `near` (another quantisation, say) is never used unasked. */
  likeness(a: Identity, b: Identity): 'same' | 'near' | 'different';
  /** Parameters in total as the name tells them (`llama-7b` is 7e9), or null. */
  sizeInName(name: string): number | null;
  /** At most a few of the known names, nearest first; none when nothing is near. */
  nearestNames(name: string, known: Iterable<string>): readonly string[];
}

/** Names mean nothing but themselves. */
export const literalNaming: Naming = Object.freeze({
  isSameName: (_kind: ProviderKind, a: string, b: string) => a === b,
  identify: (name: string) => ({
    name,
    family: null,
    fineTune: '',
    size: null,
    isSizeReported: false,
    activeSize: null,
    quantization: null,
  }),
  likeness: () => 'different' as const,
  sizeInName: () => null,
  nearestNames: () => [],
});

const IMPLIED_TAG = ':latest';

/** The last part of the path in lower case, without Ollama's implied tag: what all spellings of one name share. */
export function looseName(name: string): string {
  const own = name.slice(name.lastIndexOf('/') + 1).toLowerCase();
  return own.endsWith(IMPLIED_TAG) ? own.slice(0, -IMPLIED_TAG.length) : own;
}
