// The switch of a provider: the user's wish, which moves at once and shows while it is not confirmed.

import type { AdminProvider } from '../../gateway/contract.ts';
import { switchProvider } from '../store/actions.ts';
import { connection, wishes } from '../store/store.ts';

export function ProviderSwitch({ provider }: { provider: Pick<AdminProvider, 'name' | 'isEnabled'> }) {
  const { name, isEnabled } = provider;
  const isPending = wishes.value.has(name);
  return (
    <button
      type="button"
      class={isPending ? 'sw pending' : 'sw'}
      role="switch"
      aria-checked={isEnabled}
      aria-label={`Route traffic to ${name}`}
      aria-busy={isPending}
      disabled={connection.value === 'signed_out'}
      onClick={(event) => {
        event.stopPropagation();
        if (!isPending) void switchProvider(name, !isEnabled);
      }}
    />
  );
}
