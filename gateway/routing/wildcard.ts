// LiteLLM's `*` in a model name: stands for any text, and what it stood for fills the `*` of the target.

/** A `model_name` with `*`, ready to be matched. */
export interface Wildcard {
  readonly name: string;
  /** The text around and between the stars, in order; one more than there are stars. */
  readonly segments: readonly string[];
}

/** @param name holds at least one `*` */
export function compileWildcard(name: string): Wildcard {
  return { name, segments: name.split('*') };
}

/** Most specific first: more fixed text, then fewer stars. Equal ones keep their order. */
export function compareSpecificity(a: Wildcard, b: Wildcard): number {
  const fixed = fixedLength(b) - fixedLength(a);
  return fixed !== 0 ? fixed : a.segments.length - b.segments.length;
}

function fixedLength(wildcard: Wildcard): number {
  return wildcard.name.length - (wildcard.segments.length - 1);
}

/**
 * Matches the whole name; time grows with its length only.
 * @returns what each star stood for (earlier stars take as much as they can), or null
 */
export function matchWildcard(wildcard: Wildcard, name: string): readonly string[] | null {
  const { segments } = wildcard;
  const first = segments[0] ?? '';
  const last = segments.at(-1) ?? '';
  if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return null;
  const captures: string[] = [];
  let end = name.length - last.length;
  for (let index = segments.length - 2; index >= 1; index -= 1) {
    const segment = segments[index] ?? '';
    const at = name.lastIndexOf(segment, end - segment.length);
    if (at < first.length || end - segment.length < first.length) return null;
    captures.unshift(name.slice(at + segment.length, end));
    end = at;
  }
  captures.unshift(name.slice(first.length, end));
  return captures;
}

/**
 * The target's model for a request: its stars are filled from left to right with what the name's stars stood for.
 * Where the numbers of stars differ, the requested name is taken as it is (as LiteLLM does); a target without stars is itself.
 */
export function fillWildcard(target: string, captures: readonly string[], requested: string): string {
  const parts = target.split('*');
  if (parts.length === 1) return target;
  if (parts.length - 1 !== captures.length) return requested;
  return parts.map((part, index) => (index === 0 ? part : `${captures[index - 1]}${part}`)).join('');
}
