// The table of providers, and the drawer of the one that is chosen.

import { signal } from '@preact/signals';
import type { AdminProvider } from '../../../gateway/contract.ts';
import { Beats } from '../../parts/beats.tsx';
import { Glyph } from '../../parts/glyph.tsx';
import { Icon } from '../../parts/icon.tsx';
import { ProviderSwitch } from '../../parts/provider-switch.tsx';
import { goTo, pathTo, route } from '../../shell/route.ts';
import { providers, world } from '../../store/store.ts';
import { address, duration } from '../../words/format.ts';
import { kindName, shownState, takesTraffic } from '../../words/state.ts';
import { measuredOf, StateLine } from '../overview/card.tsx';
import { ProviderDrawer } from './drawer.tsx';

const filter = signal('');

function isFound({ name, kind, baseUrl, models }: AdminProvider, text: string): boolean {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const all = [name, kindName(kind), baseUrl, ...models.map(({ id }) => id)].join(' ').toLowerCase();
  return words.every((word) => all.includes(word));
}

function Row({ provider, isChosen }: { provider: AdminProvider; isChosen: boolean }) {
  const { name, kind, baseUrl, isEnabled, models, inFlight, maxParallelRequests } = provider;
  const { firstMs } = measuredOf(name);
  const loaded = models.filter(({ isLoaded }) => isLoaded === true).length;
  return (
    <tr class={isChosen ? 'sel' : ''} onClick={() => goTo('providers', name)}>
      <td>
        <ProviderSwitch provider={provider} />
      </td>
      <td>
        <a class="nm row" href={pathTo('providers', name)} aria-current={isChosen ? 'true' : undefined}>
          <Glyph state={shownState(provider)} />
          {name}
        </a>
        <StateLine provider={provider} isWithKind={false} />
      </td>
      <td>
        <p>{kindName(kind)}</p>
        <p class="sub">
          <code>{address(baseUrl)}</code>
        </p>
      </td>
      <td class="wide">
        {models.length}
        {loaded > 0 && <span class="t3">, {loaded} loaded</span>}
      </td>
      <td class="num">{firstMs === null ? <span class="t3">none</span> : duration(firstMs)}</td>
      <td class="num wide">
        {inFlight}
        {maxParallelRequests !== null && <span class="t3"> of {maxParallelRequests}</span>}
      </td>
      <td class="bar">
        <Beats name={name} beats={world.value?.beats.get(name)} isOff={!isEnabled} />
      </td>
    </tr>
  );
}

export function Providers() {
  const all = providers.value;
  const shown = all.filter((one) => isFound(one, filter.value));
  const able = all.filter(takesTraffic).length;
  const chosen = all.find(({ name }) => name === route.value.subject);
  return (
    <div class={chosen === undefined ? 'split' : 'split open'}>
      <div class="list">
        <div class="answer">
          <h1>
            {all.length === 0 ? 'There is no provider yet.' : `${able} of ${all.length} can answer.`}{' '}
            <span>
              {all
                .filter(({ isEnabled }) => !isEnabled)
                .map(({ name }) => `${name} is off.`)
                .join(' ')}
            </span>
          </h1>
        </div>
        <div class="toolbar">
          <label class="field">
            <Icon name="search" size={14} />
            <input
              type="search"
              data-filter
              placeholder="Filter"
              aria-label="Filter by name, kind, address or model"
              value={filter.value}
              onInput={(event) => {
                filter.value = event.currentTarget.value;
              }}
              onKeyDown={(event) => {
                if (event.key === 'Escape') filter.value = '';
              }}
            />
            <kbd class="kbd">/</kbd>
          </label>
        </div>
        <div class="card">
          <table class="tbl two">
            <thead>
              <tr>
                <th>On</th>
                <th>Provider</th>
                <th>Kind, address</th>
                <th class="wide">Models</th>
                <th class="num">TTFT p50</th>
                <th class="num wide">In flight</th>
                <th>Latest probes</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((provider) => (
                <Row key={provider.name} provider={provider} isChosen={provider === chosen} />
              ))}
            </tbody>
          </table>
          {shown.length === 0 && (
            <p class="quiet">
              {all.length === 0
                ? 'Add one to switchyard.yaml: it is read again when saved.'
                : 'No provider is like that.'}
            </p>
          )}
        </div>
      </div>
      {chosen !== undefined && <ProviderDrawer key={chosen.name} provider={chosen} />}
    </div>
  );
}
