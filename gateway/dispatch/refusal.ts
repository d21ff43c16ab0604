// An answer that is none: an error status, a redirect, or a body nobody asked for. Read so far as to know whom it blames.

import { type AnswerHost, type AnswerReader, headerValue } from './answer.ts';
import type { ProviderHeaders } from './attempt-contract.ts';

/** Milliseconds a Retry-After asks for (RFC 9110 section 10.2.3: seconds or a date); null when absent or nonsense. */
function retryAfterMs(value: string, nowMs: number): number | null {
  if (value === '') return null;
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value) * 1_000;
  const atMs = Date.parse(value);
  return Number.isNaN(atMs) ? null : Math.max(atMs - nowMs, 0);
}

/** `text` parsed, or undefined. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export class RefusalReader implements AnswerReader {
  readonly isCommitted = false;
  readonly isDelivered = false;
  readonly usage = null;
  readonly contentCharacters = 0;
  readonly changes: readonly string[] = [];
  refusal: AnswerReader['refusal'] = null;
  readonly #host: AnswerHost;
  readonly #status: number;
  readonly #headers: ProviderHeaders;
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(host: AnswerHost, status: number, headers: ProviderHeaders) {
    this.#host = host;
    this.#status = status;
    this.#headers = headers;
  }

  onData(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes >= this.#host.dispatchLimits.refusalBytes) this.#judge();
  }

  onEnd(): void {
    this.#judge();
  }

  /** The status alone tells enough when its explanation breaks off. */
  onCut(): void {
    this.#judge();
  }

  release(): void {
    this.#chunks = [];
  }

  #judge(): void {
    const { adapter, endpoint, provider } = this.#host.input;
    const status = this.#status;
    if (status < 300) {
      const type = headerValue(this.#headers, 'content-type') || 'no content type';
      const encoding = headerValue(this.#headers, 'content-encoding');
      const what = encoding === '' ? type : `${encoding}-compressed ${type}`;
      this.#host.fail('bad_answer', `${provider.name} answered ${what}, which was not asked for`);
      return;
    }
    if (status < 400) {
      const target = headerValue(this.#headers, 'location') || 'elsewhere';
      this.#host.fail(
        'bad_answer',
        `${provider.name} redirects to ${target}: redirects are not followed, correct its base_url`,
      );
      return;
    }
    const text = Buffer.concat(this.#chunks).toString('utf8', 0, this.#host.dispatchLimits.refusalBytes);
    const json = parseJson(text);
    this.refusal = { status, text, json };
    const headers: Record<string, string> = {};
    for (const name of Object.keys(this.#headers)) headers[name] = headerValue(this.#headers, name);
    const { kind, message } = adapter.classify({ endpoint, status, headers, text, json });
    this.#host.fail(kind, `${provider.name} answered ${status}: ${message}`, {
      status,
      retryAfterMs: retryAfterMs(headers['retry-after'] ?? '', Date.now()),
    });
  }
}
