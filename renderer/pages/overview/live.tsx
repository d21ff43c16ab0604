// The requests that run now: who asked, for what, who answers, for how long.

import type { AdminLiveRequest } from '../../../gateway/contract.ts';
import { Icon } from '../../parts/icon.tsx';
import { cancelRequest } from '../../store/actions.ts';
import { liveRequests, nowMs } from '../../store/store.ts';
import { bytes, elapsed } from '../../words/format.ts';

/** Rows shown here; the rest is a number. */
const SHOWN = 6;

const DOING: Readonly<Record<AdminLiveRequest['is'], string>> = {
  deciding: 'choosing',
  queued: 'waits for a place',
  asking: 'asked',
  answering: 'answering',
};

function Row({ request }: { request: AdminLiveRequest }) {
  const { id, receivedAtMs, client, requestedModel, model, provider, is, bytesOut, attempts } = request;
  return (
    <tr>
      <td class="num age">{elapsed(nowMs.value - receivedAtMs)}</td>
      <td class="cut">
        <code>{requestedModel ?? 'no model named'}</code>
        {model !== null && model !== requestedModel && <span class="t3"> as {model}</span>}
      </td>
      <td class="cut">
        {provider === null ? <span class="t3">nobody yet</span> : <b>{provider}</b>}{' '}
        <span class="t3">{is === 'answering' ? bytes(bytesOut) : DOING[is]}</span>
        {attempts > 0 && <span class="warn"> after {attempts} failed</span>}
      </td>
      <td class="cut t3 client">{client}</td>
      <td class="act">
        <button
          type="button"
          class="btn ghost sq sm"
          aria-label={`End request ${id}`}
          title="End this request"
          onClick={() => void cancelRequest(id)}
        >
          <Icon name="stop" size={14} />
        </button>
      </td>
    </tr>
  );
}

export function LiveRequests() {
  const all = liveRequests.value;
  if (all.length === 0) return null;
  return (
    <section class="card live" aria-label="In flight">
      <div class="panel-h">
        <h2>In flight</h2>
        {all.length > SHOWN && (
          <span class="push s11 t3">
            the oldest {SHOWN} of {all.length}
          </span>
        )}
      </div>
      <table class="tbl compact fix">
        <colgroup>
          <col class="age" />
          <col />
          <col />
          <col class="client" />
          <col class="act" />
        </colgroup>
        <thead class="vh">
          <tr>
            <th>For</th>
            <th>Model</th>
            <th>Provider</th>
            <th>Client</th>
            <th>End it</th>
          </tr>
        </thead>
        <tbody>
          {all.slice(0, SHOWN).map((request) => (
            <Row key={request.id} request={request} />
          ))}
        </tbody>
      </table>
    </section>
  );
}
