// Before there is any provider: what to start, and where it will appear.

import { CopyButton } from '../../parts/copy.tsx';
import { Glyph } from '../../parts/glyph.tsx';

const STARTS = [
  ['Ollama', 'ollama serve'],
  ['llama.cpp', 'llama-server -m model.gguf --port 8080'],
  ['vLLM', 'vllm serve Qwen/Qwen3-8B --port 8000'],
] as const;

export function FirstRun({ url }: { url: string }) {
  return (
    <>
      <div class="answer">
        <h1>
          No model server yet. <span>The gateway runs, and waits for one.</span>
        </h1>
      </div>
      <section class="card first" aria-label="Start a server">
        <h2>Start one of these, and it appears here</h2>
        <ul>
          {STARTS.map(([name, command]) => (
            <li key={name}>
              <b>{name}</b>
              <code>{command}</code>
              <CopyButton text={command} label={`Copy the command for ${name}`} />
            </li>
          ))}
        </ul>
        <p class="look">
          <Glyph state="pending" size={12} />
          The usual ports of this computer are looked at while nothing is configured. A server elsewhere goes into
          switchyard.yaml, which is read again when it is saved.
        </p>
      </section>
      <p class="s12 t3">
        Tools are pointed at <code>{url}/v1</code> (OpenAI) or <code>{url}</code> (Ollama, Anthropic).
      </p>
    </>
  );
}
