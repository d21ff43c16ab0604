// One provider on the overview: the wish, the finding, what is warm, the latest probes, what it is doing.

import { computed } from '@preact/signals';
import type { AdminProvider } from '../../../gateway/contract.ts';
import { Beats } from '../../parts/beats.tsx';
import { Glyph } from '../../parts/glyph.tsx';
import { ProviderSwitch } from '../../parts/provider-switch.tsx';
import { pathTo } from '../../shell/route.ts';
import { nowMs, world } from '../../store/store.ts';
import { count, duration, lasting, percentile } from '../../words/format.ts';
import { causeName, cooldownOf, kindName, shownState, stateName, toneOf } from '../../words/state.ts';

interface Measured {
  readonly firstMs: number | null;
  readonly lastMinute: number;
}

/** What ended requests say of each provider, over the time the window remembers. */
const measured = computed<ReadonlyMap<string, Measured>>(() => {
  const firsts = new Map<string, number[]>();
  const recent = new Map<string, number>();
  const sinceMs = nowMs.value - 60_000;
  for (const { provider, firstContentMs, isStream, receivedAtMs } of world.value?.ended ?? []) {
    if (provider === null) continue;
    if (isStream && firstContentMs !== null) firsts.set(provider, [...(firsts.get(provider) ?? []), firstContentMs]);
    if (receivedAtMs >= sinceMs) recent.set(provider, (recent.get(provider) ?? 0) + 1);
  }
  const names = new Set([...firsts.keys(), ...recent.keys()]);
  return new Map(
    Array.from(names, (name) => [
      name,
      { firstMs: percentile(firsts.get(name) ?? [], 0.5), lastMinute: recent.get(name) ?? 0 },
    ]),
  );
});

export function measuredOf(name: string): Measured {
  return measured.value.get(name) ?? { firstMs: null, lastMinute: 0 };
}

/** State, why, and what it is, in one line. */
export function StateLine({ provider, isWithKind = true }: { provider: AdminProvider; isWithKind?: boolean }) {
  const { name, cause, kind, isDraining, inFlight, isEnabled } = provider;
  const state = shownState(provider);
  const latencyMs = world.value?.beats.get(name)?.at(-1)?.latencyMs ?? null;
  const since = world.value?.transitions.find((one) => one.provider === name && one.after === provider.observed);
  const cooldown = cooldownOf(world.value?.status.traffic.cooldowns ?? [], name);
  const details: string[] = [];
  if (isDraining) details.push(`draining ${inFlight}`);
  else if (isEnabled && cooldown !== null) details.push(restText(cooldown.is, cooldown.untilMs));
  else if (state === 'ready' && latencyMs !== null) details.push(duration(latencyMs));
  else if (isEnabled && state !== 'ready' && since !== undefined) details.push(lasting(nowMs.value - since.atMs));
  if (isEnabled && state !== 'ready' && cause !== null && cause.class !== 'loading')
    details.push(causeName(cause.class));
  else if (isWithKind) details.push(kindName(kind));
  return (
    <p class="say cut" title={isEnabled ? (cause?.message ?? undefined) : undefined}>
      <b class={toneOf(state)}>{kind === 'cloud' && isEnabled ? 'Ready if named' : stateName(state)}</b>{' '}
      {details.join(' · ')}
    </p>
  );
}

function restText(is: 'cooling_down' | 'breaker_open' | 'half_open', untilMs: number | null): string {
  if (is === 'half_open') return 'on trial';
  return untilMs === null ? 'resting' : `resting ${duration(Math.max(0, untilMs - nowMs.value))}`;
}

function WarmModels({ provider }: { provider: AdminProvider }) {
  const warm = provider.models.filter(({ isLoaded }) => isLoaded === true);
  if (!provider.isEnabled) return <p class="wm s12 t3">Probes stopped</p>;
  const [only] = provider.models;
  if (provider.isListStale && only !== undefined) return <p class="wm s12 t3 cut">last had {only.id}</p>;
  if (warm.length === 0) {
    const words =
      provider.models.length === 0 ? 'No models listed' : `${count(provider.models.length)} on disk, none loaded`;
    return <p class="wm s12 t3">{words}</p>;
  }
  return (
    <div class="wm" title={warm.map(({ id }) => id).join(', ')}>
      <span class="chip">
        <span>{warm[0]?.id}</span>
      </span>
      {warm.length > 1 && <span class="chip more">+{warm.length - 1}</span>}
    </div>
  );
}

export function ProviderCard({ provider }: { provider: AdminProvider }) {
  const { name, isEnabled, inFlight, maxParallelRequests, queued } = provider;
  const state = shownState(provider);
  const { firstMs, lastMinute } = measuredOf(name);
  return (
    <article class={`card prov ${state === 'down' ? 'is-down' : ''} ${isEnabled ? '' : 'off'}`} aria-label={name}>
      <div class="row">
        <Glyph state={state} />
        <a class="nm cut" href={pathTo('providers', name)}>
          {name}
        </a>
        <span class="push">
          <ProviderSwitch provider={provider} />
        </span>
      </div>
      <StateLine provider={provider} />
      <WarmModels provider={provider} />
      <Beats name={name} beats={world.value?.beats.get(name)} isOff={!isEnabled} />
      <dl>
        <div>
          <dt>TTFT p50</dt>
          <dd>{firstMs === null ? <span class="t3">none</span> : duration(firstMs)}</dd>
        </div>
        <div>
          <dt>In flight</dt>
          <dd>
            {inFlight} {maxParallelRequests !== null && <small>of {maxParallelRequests}</small>}
            {queued > 0 && <small>, {queued} wait</small>}
          </dd>
        </div>
        <div>
          <dt>Req/min</dt>
          <dd>{lastMinute}</dd>
        </div>
      </dl>
    </article>
  );
}
