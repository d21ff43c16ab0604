// A wait that can be cut short.

import type { Clock } from '../clock.ts';

export interface Pause {
  /** True: the time is over; false: it was ended before. */
  readonly isOver: Promise<boolean>;
  end(): void;
}

export function pause(clock: Clock, waitMs: number): Pause {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const cancel = clock.after(waitMs, () => resolve(true));
  return {
    isOver: promise,
    end: () => {
      cancel();
      resolve(false);
    },
  };
}
