// What is shown while nothing is known yet, and only if that takes long enough to be noticed.

import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

const HIDDEN_MS = 150;

export function Skeleton() {
  const isShown = useSignal(false);
  useEffect(() => {
    const timer = setTimeout(() => {
      isShown.value = true;
    }, HIDDEN_MS);
    return () => clearTimeout(timer);
  }, []);
  if (!isShown.value) return null;
  return (
    <div class="skeleton" role="status" aria-label="Loading">
      <div class="bar" />
      <div class="provs">
        {[0, 1, 2, 3].map((index) => (
          <div key={index} class="card prov" />
        ))}
      </div>
      <div class="charts">
        <div class="card" />
        <div class="card" />
      </div>
    </div>
  );
}
