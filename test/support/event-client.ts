// A client of the event stream, as a page has one: reads over a real connection and remembers what came.

import type { AdminChange, AdminSnapshot } from '../../gateway/contract.ts';

export interface ReceivedEvent {
  readonly event: string;
  readonly id: string;
  readonly data: unknown;
}

export interface EventClient extends AsyncDisposable {
  /** All so far. */
  readonly received: readonly ReceivedEvent[];
  /** Comments so far. */
  readonly comments: number;
  readonly isEnded: boolean;
  /** The id to resume from. */
  readonly lastId: string;
  readonly changes: readonly AdminChange[];
  readonly snapshots: readonly AdminSnapshot[];
  /** Resolves with the first change (also an earlier one) that is so; rejects after 10 s. */
  change<Kind extends AdminChange['kind']>(
    kind: Kind,
    isMeant?: (change: Extract<AdminChange, { kind: Kind }>) => boolean,
  ): Promise<Extract<AdminChange, { kind: Kind }>>;
  /** Resolves when an event of that name came. */
  event(name: string): Promise<ReceivedEvent>;
  close(): Promise<void>;
}

export interface EventClientOptions {
  readonly headers: Readonly<Record<string, string>>;
}

const PATIENCE_MS = 10_000;

/** Resolves once the stream has begun; rejects with the answer's text where it is no stream. */
export async function eventClient(url: string, { headers }: EventClientOptions): Promise<EventClient> {
  const controller = new AbortController();
  const response = await fetch(url, { headers, signal: controller.signal });
  if (!response.ok || response.body === null) throw new Error(`${response.status} ${await response.text()}`);
  const received: ReceivedEvent[] = [];
  const waiting = new Set<() => void>();
  const state = { comments: 0, isEnded: false };
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const take = (block: string) => {
    if (block.startsWith(':')) state.comments += 1;
    else {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1] ?? '';
      received.push({ event: field('event'), id: field('id'), data: JSON.parse(field('data')) });
    }
    for (const look of waiting) look();
  };
  const reading = (async () => {
    let text = '';
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        text += value;
        const blocks = text.split('\n\n');
        text = blocks.pop() ?? '';
        for (const block of blocks) take(block);
      }
    } catch {
      // Left, by either side.
    }
    state.isEnded = true;
  })();
  const until = <Found>(find: () => Found | undefined, what: string): Promise<Found> => {
    const { promise, resolve, reject } = Promise.withResolvers<Found>();
    const limit = setTimeout(() => {
      waiting.delete(look);
      reject(new Error(`${what} never came; came: ${JSON.stringify(received).slice(0, 2_000)}`));
    }, PATIENCE_MS);
    const look = () => {
      const found = find();
      if (found === undefined) return;
      clearTimeout(limit);
      waiting.delete(look);
      resolve(found);
    };
    waiting.add(look);
    look();
    return promise;
  };
  const changesOf = () => received.filter(({ event }) => event === 'change').map(({ data }) => data as AdminChange);
  const close = async () => {
    controller.abort();
    await reading;
  };
  return {
    received,
    get comments() {
      return state.comments;
    },
    get isEnded() {
      return state.isEnded;
    },
    get lastId() {
      return received.findLast(({ id }) => id !== '')?.id ?? '';
    },
    get changes() {
      return changesOf();
    },
    get snapshots() {
      return received.filter(({ event }) => event === 'snapshot').map(({ data }) => data as AdminSnapshot);
    },
    change: <Kind extends AdminChange['kind']>(
      kind: Kind,
      isMeant: (change: Extract<AdminChange, { kind: Kind }>) => boolean = () => true,
    ) => {
      const isIt = (change: AdminChange): change is Extract<AdminChange, { kind: Kind }> => change.kind === kind;
      return until(() => changesOf().filter(isIt).find(isMeant), `the change ${kind}`);
    },
    event: (name) => until(() => received.find(({ event }) => event === name), `the event ${name}`),
    close,
    [Symbol.asyncDispose]: close,
  };
}
