// One provider in full: the wish, the finding and the verdict of live traffic kept apart, then the evidence.

import type { AdminModel, AdminProvider } from '../../../gateway/contract.ts';
import { Beats } from '../../parts/beats.tsx';
import { FULL_BEAT } from '../../parts/beats-shape.ts';
import { Glyph } from '../../parts/glyph.tsx';
import { Icon } from '../../parts/icon.tsx';
import { ProviderSwitch } from '../../parts/provider-switch.tsx';
import { goTo } from '../../shell/route.ts';
import { resetProvider } from '../../store/actions.ts';
import { nowMs, world } from '../../store/store.ts';
import { bytes, clockTime, count, duration, percentile } from '../../words/format.ts';
import { cooldownOf, kindName, shownState, stateName, toneOf } from '../../words/state.ts';

/** What happens to the next request, in one sentence. */
function verdict({ name, isEnabled, isDraining, inFlight, observed }: AdminProvider, isResting: boolean): string {
  if (isDraining) return `No new requests; ${inFlight} that run there may finish.`;
  if (!isEnabled) return `${name} gets no requests while it is off.`;
  if (isResting) return `${name} rests: live traffic failed there.`;
  if (observed === 'ready') return `${name} takes requests.`;
  if (observed === 'degraded') return `${name} takes requests, after those that are well.`;
  if (observed === 'warming') return `${name} takes requests that can wait for its model.`;
  return `${name} is skipped until a probe finds it well.`;
}

function Truths({ provider }: { provider: AdminProvider }) {
  const { name, isEnabled, isDraining, inFlight, observed, cause, probedAtMs } = provider;
  const cooldown = cooldownOf(world.value?.status.traffic.cooldowns ?? [], name);
  const probed =
    probedAtMs === null ? 'not probed yet' : `probed ${duration(Math.max(0, nowMs.value - probedAtMs))} ago`;
  return (
    <dl class="truths">
      <div>
        <dt>Wish</dt>
        <dd class="v">{isEnabled ? 'on' : 'off'}</dd>
        <dd class="y">{isDraining ? `draining ${inFlight}` : isEnabled ? 'may be asked' : 'switched off'}</dd>
      </div>
      <div>
        <dt>Observed</dt>
        <dd class={`v ${toneOf(observed)}`}>
          <Glyph state={observed} />
          {stateName(observed).toLowerCase()}
        </dd>
        <dd class="y">{cause?.message ?? probed}</dd>
      </div>
      <div>
        <dt>Breaker</dt>
        <dd class={cooldown === null ? 'v' : 'v warn'}>
          {cooldown === null ? 'closed' : cooldown.is.replaceAll('_', ' ')}
        </dd>
        <dd class="y">
          {cooldown === null ? 'requests get through' : cooldown.message}
          {cooldown?.untilMs ? `, until ${clockTime(cooldown.untilMs)}` : ''}
        </dd>
      </div>
    </dl>
  );
}

function ModelRow({ model }: { model: AdminModel }) {
  const { id, isLoaded, contextLoaded, contextTrained, quantization, vramBytes } = model;
  const context = contextLoaded ?? contextTrained;
  const facts = [
    quantization,
    context === null ? null : `context ${count(context)}`,
    vramBytes === null ? null : `${bytes(vramBytes)} on GPU`,
  ].filter((fact) => fact !== null);
  return (
    <li>
      <span class={isLoaded === true ? 'res on' : 'res'} title={isLoaded === true ? 'in memory' : 'not loaded'} />
      <code class="cut">{id}</code>
      <span class="t3 cut">{facts.join(', ')}</span>
    </li>
  );
}

export function ProviderDrawer({ provider }: { provider: AdminProvider }) {
  const { name, kind, version, baseUrl, isEnabled, models, slots, busy, maxParallelRequests, queued, place } = provider;
  const beats = world.value?.beats.get(name) ?? [];
  const latencies = beats.flatMap(({ latencyMs }) => latencyMs ?? []);
  const cooldown = cooldownOf(world.value?.status.traffic.cooldowns ?? [], name);
  const loadedFirst = models.toSorted((a, b) => Number(b.isLoaded === true) - Number(a.isLoaded === true));
  return (
    <aside class="drawer" aria-label={`Provider ${name}`} data-region tabIndex={-1}>
      <header>
        <Glyph state={shownState(provider)} size={20} />
        <h2 class="cut">{name}</h2>
        <span class="chip">
          {kindName(kind)} {version}
        </span>
        <span class="push row">
          <ProviderSwitch provider={provider} />
          <button type="button" class="btn ghost sq sm" aria-label="Close" onClick={() => goTo('providers')}>
            <Icon name="close" size={14} />
          </button>
        </span>
      </header>
      <section class="body" tabIndex={0} aria-label={`Details of ${name}`}>
        <p class="verdict">
          <b>{verdict(provider, cooldown !== null)}</b>
        </p>
        <Truths provider={provider} />
        {cooldown !== null && (
          <button type="button" class="btn" onClick={() => void resetProvider(name)}>
            Use it again at once
          </button>
        )}
        <section class="sec">
          <h2>
            Latest probes
            {latencies.length > 0 && (
              <span class="push s11 t3">
                p50 {duration(percentile(latencies, 0.5) ?? 0)}, p95 {duration(percentile(latencies, 0.95) ?? 0)}
              </span>
            )}
          </h2>
          <Beats name={name} beats={beats} size={FULL_BEAT} isOff={!isEnabled} />
        </section>
        <section class="sec">
          <h2>
            Models <span class="t3">{count(models.length)}</span>
          </h2>
          <ul class="models">
            {loadedFirst.map((model) => (
              <ModelRow key={model.id} model={model} />
            ))}
          </ul>
        </section>
        <section class="sec">
          <h2>Facts</h2>
          <dl class="kv">
            <dt>Address</dt>
            <dd>
              <code>{baseUrl}</code>
            </dd>
            <dt>Place</dt>
            <dd>{{ local: 'this computer', lan: 'the local network', cloud: 'somebody else’s machine' }[place]}</dd>
            <dt>Limits</dt>
            <dd>
              {maxParallelRequests === null ? 'no limit of ours' : `${maxParallelRequests} in parallel`}
              {slots !== null && `, ${slots} slots`}
              {queued > 0 && `, ${queued} waiting`}
            </dd>
            {busy !== null && (
              <>
                <dt>Busy with</dt>
                <dd>
                  {busy.running} running, {busy.waiting} waiting, all its clients counted
                </dd>
              </>
            )}
          </dl>
        </section>
      </section>
    </aside>
  );
}
