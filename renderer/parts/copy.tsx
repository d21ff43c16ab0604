// A button that copies a text and says so for a moment.

import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { Icon } from './icon.tsx';
import { say } from './live-region.tsx';

const SHOWN_MS = 1_500;

export function CopyButton({ text, label, words }: { text: string; label: string; words?: string }) {
  const isCopied = useSignal(false);
  useEffect(() => {
    if (!isCopied.value) return;
    const timer = setTimeout(() => {
      isCopied.value = false;
    }, SHOWN_MS);
    return () => clearTimeout(timer);
  }, [isCopied.value]);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    isCopied.value = true;
    say('Copied');
  };
  return (
    <button
      type="button"
      class={words === undefined ? 'btn ghost sq sm' : 'btn sm'}
      aria-label={words === undefined ? label : undefined}
      title={label}
      onClick={() => void copy()}
    >
      <Icon name={isCopied.value ? 'check' : 'copy'} size={14} />
      {words !== undefined && (isCopied.value ? 'Copied' : words)}
    </button>
  );
}
