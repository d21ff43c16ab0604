// The one polite live region: screen readers hear of changes of state here, and of nothing else.

import { signal } from '@preact/signals';

const spoken = signal('');

/** Says a sentence to whoever cannot see it. */
export function say(sentence: string): void {
  // The same sentence twice is news only if it is a different text.
  spoken.value = spoken.peek() === sentence ? `${sentence}\u00a0` : sentence;
}

export function LiveRegion() {
  return (
    <div class="vh" role="status" aria-live="polite">
      {spoken}
    </div>
  );
}
