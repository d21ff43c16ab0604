// What somebody probably meant.

/** Insertions, deletions, replacements and swaps of neighbours between two words (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforeLast: readonly number[] = [];
  let last: readonly number[] = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      const steps = [(last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + cost];
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) steps.push((beforeLast[j - 2] ?? 0) + 1);
      row.push(Math.min(...steps));
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

const longestCompared = 80;

/** Case and the kind of separator are not worth a distance. */
function plain(word: string): string {
  return word.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
}

/**
 * The known word nearest to one that is not known, or null when none is near
 * (more than a third of the letters differ, or more than `most`) or the word is absurdly long.
 */
export function nearest(word: string, known: Iterable<string>, most = Number.POSITIVE_INFINITY): string | null {
  if (word.length > longestCompared) return null;
  const wanted = plain(word);
  let best: string | null = null;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    if (Math.abs(candidate.length - word.length) > longestCompared / 4) continue;
    const compared = plain(candidate);
    const distance = wanted === compared ? 0 : editDistance(wanted, compared);
    const isNear = distance <= Math.max(1, Math.floor(Math.max(wanted.length, compared.length) / 3));
    if (isNear && distance <= most && distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return wanted === '' ? null : best;
}

/** `; did you mean "x"?`, or nothing. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const near = nearest(word, known);
  return near === null ? '' : `; did you mean "${near}"?`;
}

/** `a, b or c`, shortened when there are many. */
export function listing(words: Iterable<string>, limit = 14): string {
  const all = [...words];
  if (all.length === 0) return 'nothing';
  if (all.length > limit) return `${all.slice(0, limit).join(', ')}, ...`;
  if (all.length === 1) return all[0] ?? '';
  return `${all.slice(0, -1).join(', ')} or ${all.at(-1)}`;
}
