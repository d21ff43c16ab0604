// The one connection the window lives on: opens the event stream, resumes it, and says how it stands.

import type { AdminChange, AdminSnapshot } from '../../gateway/contract.ts';

/** `signed_out`: the gateway no longer takes our session, and only a new link helps. */
export type Connection = 'connecting' | 'live' | 'disconnected' | 'signed_out';

export interface FeedListener {
  snapshot(snapshot: AdminSnapshot): void;
  changes(changes: readonly AdminChange[]): void;
  connection(connection: Connection): void;
}

/** Between attempts; the last one is kept to. A little is drawn by lot, so that several windows do not come back at once. */
const WAITS_MS = [250, 500, 1_000, 2_000, 4_000, 8_000];
/** The gateway shows every 15 s that it is there; a connection that stays silent for longer is dead. */
const SILENCE_MS = 40_000;

/** How long to wait before attempt number `attempt`, from 0; `chance` is from 0 to 1. */
function waitBefore(attempt: number, chance: number): number {
  const most = WAITS_MS[Math.min(attempt, WAITS_MS.length - 1)] ?? 0;
  return most * (0.75 + chance / 4);
}

export class Feed {
  readonly #listener: FeedListener;
  #lastId: string | null = null;
  #attempt = 0;
  #abort: AbortController | null = null;
  #retry: ReturnType<typeof setTimeout> | null = null;

  constructor(listener: FeedListener) {
    this.#listener = listener;
    // A laptop that wakes or a network that comes back need not wait for the next attempt.
    addEventListener('online', () => this.reconnect());
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden && this.#retry !== null) this.reconnect();
    });
  }

  /** Connects now, whatever was planned. */
  reconnect(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    this.#abort?.abort();
    void this.#run(new AbortController());
  }

  async #run(abort: AbortController): Promise<void> {
    this.#abort = abort;
    try {
      // Not an EventSource: it does not tell a refused session from a gateway that is away.
      const response = await fetch('/admin/events', {
        headers: this.#lastId === null ? {} : { 'last-event-id': this.#lastId },
        signal: abort.signal,
      });
      if (response.status === 401) {
        this.#listener.connection('signed_out');
        return;
      }
      if (!response.ok || response.body === null) throw new Error(`the events answered ${response.status}`);
      await this.#read(response.body, abort);
    } catch {
      // Refused, cut or silent: they all mean to try again.
    }
    if (this.#abort !== abort) return;
    this.#retry = setTimeout(() => this.reconnect(), waitBefore(this.#attempt++, Math.random()));
    this.#listener.connection('disconnected');
  }

  async #read(body: ReadableStream<Uint8Array>, abort: AbortController): Promise<void> {
    const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
    let rest = '';
    for (;;) {
      const silence = setTimeout(() => abort.abort(), SILENCE_MS);
      const { done, value } = await reader.read().finally(() => clearTimeout(silence));
      if (done) return;
      const blocks = (rest + value).split('\n\n');
      rest = blocks.pop() ?? '';
      this.#take(blocks);
    }
  }

  #take(blocks: readonly string[]): void {
    let changes: AdminChange[] = [];
    for (const block of blocks) {
      const { id, event, data } = fieldsOf(block);
      if (event === 'snapshot') {
        changes = [];
        this.#listener.snapshot(JSON.parse(data) as AdminSnapshot);
      } else if (event === 'change') changes.push(JSON.parse(data) as AdminChange);
      if (id !== '') this.#lastId = id;
    }
    this.#attempt = 0;
    if (changes.length > 0) this.#listener.changes(changes);
    this.#listener.connection('live');
  }
}

/** The lines of one event; the gateway writes each field once, and its data in one line. */
function fieldsOf(block: string): { readonly id: string; readonly event: string; readonly data: string } {
  const fields = { id: '', event: '', data: '' };
  for (const line of block.split('\n')) {
    const at = line.indexOf(': ');
    const name = line.slice(0, at);
    if (name === 'id' || name === 'event' || name === 'data') fields[name] = line.slice(at + 2);
  }
  return fields;
}
