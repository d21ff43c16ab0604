// The strip on top of every page: how the gateway stands, where it is, and three vital signs.

import { computed } from '@preact/signals';
import { CopyButton } from '../parts/copy.tsx';
import { Glyph } from '../parts/glyph.tsx';
import { connection, isPastKnown, nowMs, openedAtMs, world } from '../store/store.ts';
import { count, duration, percentile } from '../words/format.ts';
import { type AppState, appState, type ShownState } from '../words/state.ts';

const WORDS: Readonly<Record<AppState | 'away', readonly [glyph: ShownState, words: string]>> = {
  away: ['pending', 'Not connected'],
  stopped: ['paused', 'Shutting down'],
  starting: ['pending', 'Starting'],
  ok: ['ready', 'Running'],
  degraded: ['degraded', 'Degraded'],
  critical: ['down', 'No provider'],
};

const MINUTE_MS = 60_000;

/** Of the last minute and the last quarter of an hour. */
const vitals = computed(() => {
  const ended = world.value?.ended ?? [];
  const live = world.value?.live;
  const sinceMs = nowMs.value - MINUTE_MS;
  const begun = [...ended, ...(live?.values() ?? [])].filter(({ receivedAtMs }) => receivedAtMs >= sinceMs).length;
  const firsts = ended.flatMap(({ firstContentMs, isStream }) => (isStream ? (firstContentMs ?? []) : []));
  return { inFlight: live?.size ?? 0, begun, firstMs: percentile(firsts, 0.5) };
});

export function Strip() {
  const status = world.value?.status;
  const isAway = connection.value === 'disconnected' || connection.value === 'signed_out';
  const [glyph, words] = WORDS[status === undefined || isAway ? 'away' : appState(status)];
  const { inFlight, begun, firstMs } = vitals.value;
  const basis = isPastKnown.value
    ? 'of the last 15 min'
    : `since this page opened ${duration(nowMs.value - openedAtMs)} ago`;
  return (
    <header class="strip" data-region tabIndex={-1}>
      <span class="pill">
        <Glyph state={glyph} />
        {connection.value === 'connecting' ? 'Connecting' : words}
      </span>
      {status !== undefined && (
        <span class={isAway ? 'addr away' : 'addr'}>
          <code>{status.url}</code>
          <CopyButton text={status.url} label="Copy base URL" />
        </span>
      )}
      {status !== undefined && (
        <div class="vitals">
          <span>
            <b>{count(inFlight)}</b>in flight
          </span>
          <span title="Begun within the last 60 s">
            <b>{count(begun)}</b>req/min
          </span>
          {firstMs !== null && (
            <span title={`Median time to the first token of streams, ${basis}`}>
              <b>{duration(firstMs)}</b>TTFT p50
            </span>
          )}
        </div>
      )}
    </header>
  );
}
