// How a tool is pointed at the gateway, ready to be pasted.

import { useSignal } from '@preact/signals';
import { CopyButton } from '../../parts/copy.tsx';

const TABS = ['curl', 'OpenAI SDK', 'Env vars', 'Container'] as const;
type Tab = (typeof TABS)[number];

/** The lines of a tab. `model`: one that is there, so that what is pasted works. */
function snippet(tab: Tab, url: string, model: string): string {
  switch (tab) {
    case 'curl':
      return `curl ${url}/v1/chat/completions \\\n  -H 'content-type: application/json' \\\n  -d '{"model": "${model}",\n    "messages": [{"role": "user",\n      "content": "Hello"}]}'`;
    case 'OpenAI SDK':
      return `from openai import OpenAI\nclient = OpenAI(\n  base_url="${url}/v1",\n  api_key="none")\nclient.chat.completions.create(\n  model="${model}", messages=[...])`;
    case 'Env vars':
      return `OPENAI_BASE_URL=${url}/v1\nOPENAI_API_KEY=none\nANTHROPIC_BASE_URL=${url}\nOLLAMA_HOST=${url}`;
    case 'Container': {
      const inside = url.replace(/\/\/[^:/]+/, '//host.docker.internal');
      return `OPENAI_BASE_URL=${inside}/v1\n\n# on Linux besides:\ndocker run --add-host \\\n  host.docker.internal:host-gateway ...`;
    }
  }
}

export function Connect({ url, model }: { url: string; model: string }) {
  const tab = useSignal<Tab>('curl');
  const text = snippet(tab.value, url, model);
  const move = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    tab.value = TABS[(TABS.indexOf(tab.value) + step + TABS.length) % TABS.length] ?? 'curl';
    const list = event.currentTarget as HTMLElement;
    requestAnimationFrame(() => list.querySelector<HTMLElement>('[aria-selected=true]')?.focus());
  };
  return (
    <section class="card conn" aria-label="Connect a client">
      <div class="panel-h">
        <h2>Connect a client</h2>
        <span class="push">
          <CopyButton text={text} label="Copy these lines" words="Copy" />
        </span>
      </div>
      <div class="tabs" role="tablist" aria-label="Kind of client" onKeyDown={move}>
        {TABS.map((one) => (
          <button
            key={one}
            type="button"
            role="tab"
            id={`connect-${TABS.indexOf(one)}`}
            aria-selected={one === tab.value}
            aria-controls="connect-lines"
            tabIndex={one === tab.value ? 0 : -1}
            onClick={() => {
              tab.value = one;
            }}
          >
            {one}
          </button>
        ))}
      </div>
      <div class="in" id="connect-lines" role="tabpanel" aria-labelledby={`connect-${TABS.indexOf(tab.value)}`}>
        <pre class="snip" tabIndex={0}>
          {text}
        </pre>
      </div>
    </section>
  );
}
