// Waiting that can be given up.

/** Resolves true after that many ms, false as soon as the signal fires; never rejects and leaves no timer behind. */
export function pause(delayMs: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted || delayMs <= 0) return Promise.resolve(!signal.aborted);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const giveUp = () => {
    clearTimeout(timer);
    resolve(false);
  };
  const timer = setTimeout(() => {
    signal.removeEventListener('abort', giveUp);
    resolve(true);
  }, delayMs);
  signal.addEventListener('abort', giveUp, { once: true });
  return promise;
}

/** Resolves when the signal fires. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => resolve(), { once: true });
  return promise;
}

/** Resolves on the next turn of the event loop: what was written before has been handed to the sockets. */
export function nextTurn(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setImmediate(resolve);
  return promise;
}
