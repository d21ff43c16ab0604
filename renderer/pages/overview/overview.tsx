// The overview: one sentence that answers, then who serves, how much, and what happened.

import { Glyph } from '../../parts/glyph.tsx';
import { switchProvider } from '../../store/actions.ts';
import { liveRequests, providers, world } from '../../store/store.ts';
import { causeText, overviewAnswer, shownState, takesTraffic } from '../../words/state.ts';
import { ProviderCard } from './card.tsx';
import { FirstTokenChart, RequestsChart } from './charts.tsx';
import { Connect } from './connect.tsx';
import { RecentEvents } from './events.tsx';
import { FirstRun } from './first-run.tsx';
import { LiveRequests } from './live.tsx';

/** The gravest provider that is not well, its cause and what can be done. */
function Cause() {
  const bad = providers.value.filter((one) => ['down', 'auth'].includes(shownState(one)));
  const [first] = bad;
  if (first === undefined) return null;
  const { title, advice } = causeText(first);
  const others = (world.value?.status.providers ?? []).filter((one) => one.name !== first.name && takesTraffic(one));
  const models = first.models.filter(
    ({ id }) => !others.some((other) => other.models.some((model) => model.id === id)),
  );
  const lost =
    first.models.length === 0
      ? ''
      : models.length === 0
        ? ' All of its models are served by others.'
        : ` Nobody else has ${models[0]?.id}${models.length > 1 ? ` and ${models.length - 1} more` : ''}.`;
  return (
    <section class="card cause" aria-label="What is wrong">
      <Glyph state={shownState(first)} size={20} />
      <div>
        <p class="s15">
          <b>{title}</b>
        </p>
        <p class="t2">
          {advice}
          {lost}
          {bad.length > 1 && ` ${bad.length - 1} more are not well.`}
        </p>
      </div>
      <div class="acts">
        <button type="button" class="btn" onClick={() => void switchProvider(first.name, false)}>
          Turn off {first.name}
        </button>
      </div>
    </section>
  );
}

/** A model that would be answered now, for the lines to paste. */
function aModel(): string {
  const able = (world.value?.status.providers ?? []).filter(takesTraffic);
  const models = able
    .flatMap((one) => one.models)
    .filter(({ capabilities }) => capabilities?.includes('completion') ?? true);
  return (models.find(({ isLoaded }) => isLoaded === true) ?? models[0])?.id ?? 'MODEL';
}

export function Overview() {
  const status = world.value?.status;
  if (status === undefined) return null;
  if (status.providers.length === 0) return <FirstRun url={status.url} />;
  const { first, rest } = overviewAnswer(status.providers, liveRequests.value.length);
  const hasTraffic = (world.value?.ended.length ?? 0) > 0;
  return (
    <>
      <div class="answer">
        <h1>
          {first} <span>{rest}</span>
        </h1>
      </div>
      <Cause />
      <div class="provs">
        {providers.value.map((provider) => (
          <ProviderCard key={provider.name} provider={provider} />
        ))}
      </div>
      <LiveRequests />
      {hasTraffic && (
        <div class="charts">
          <RequestsChart />
          <FirstTokenChart />
        </div>
      )}
      <div class="low">
        <RecentEvents />
        <Connect url={status.url} model={aModel()} />
      </div>
    </>
  );
}
