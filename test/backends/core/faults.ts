// Everything that can be made to go wrong, when, and for which requests. Pure: the exchange and the server carry it out.

import type { Encoding } from './outlets.ts';

/** Each fault with what the client sees. */
export const faultKinds = {
  refuse: 'the port is closed: connections are refused until the fault is lifted (or `forMs` have passed)',
  reset: 'RST before any byte of the answer',
  close: 'FIN before any byte of the answer',
  hang: 'the request is read, nothing is ever answered',
  hang_after_headers: '200 and the head, then silence',
  hang_mid_stream: 'silence after `afterContents` contents (half of a JSON body)',
  drop: 'FIN after `afterContents` contents, without the end of the body',
  drop_reset: 'RST after `afterContents` contents',
  unauthorized: '401 in the words of the kind',
  not_found: '404 for the model in the words of the kind',
  rate_limited: '429 with Retry-After (`retryAfter`, default 1; empty: none)',
  server_error: '500 in the words of the kind',
  bad_gateway: '502 with HTML, as a proxy before the server gives it',
  loading: '503, still loading the model',
  overloaded: '503, too many requests',
  cut_json: '200 whose JSON (or first event) stops in the middle, ended properly',
  truncated_sse: 'after `afterContents` contents half an event, then a proper end of the body',
  error_event_first: '200, then the error event of the kind before any content (JSON: 500)',
  error_event: 'the error event of the kind after `afterContents` contents (JSON: 500)',
  no_done: 'everything but the end marker, ended properly',
  no_finish: 'everything but the finish reason',
  finish_abort: 'finish reason `abort`',
  empty: '200 with a proper empty body',
  html: '200 with an HTML page',
  wrong_content_type: 'the right answer as text/plain',
  slow_drip: 'the right answer one byte at a time, `delayMs` apart (default 1)',
  huge_body: 'the right answer blown up to `bytes` (default 16 MiB)',
  redirect: '`status` (default 307) to `location`',
  length_too_long: 'a Content-Length larger than the body, then FIN',
  length_too_short: 'a Content-Length smaller than the body',
  close_on_reuse: 'a kept-alive connection is closed the moment its next request arrives',
  compressed: 'the right answer compressed (`encoding`, default gzip), asked for or not',
} as const;

export type FaultKind = keyof typeof faultKinds;

export interface Fault {
  readonly kind: FaultKind;
  /** Contents that get through first; 0: none. Default 1 for the faults that happen in the middle. */
  readonly afterContents?: number;
  readonly retryAfter?: string;
  readonly bytes?: number;
  readonly delayMs?: number;
  /** For `refuse`: open again after that long. */
  readonly forMs?: number;
  readonly encoding?: Encoding;
  readonly location?: string;
  readonly status?: number;
  readonly message?: string;
}

/** What a rule may look at. */
export interface FaultSubject {
  readonly method: string;
  readonly path: string;
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** A fault and the requests it is for: all conditions given must hold. */
export interface FaultRule extends Fault {
  /** Default: what generates; `probes` is everything else. */
  readonly only?: 'generation' | 'probes' | 'all';
  /** Beginning of the path. */
  readonly path?: string;
  /** Of the requests the other conditions let through, this one (counting from 1), or these. */
  readonly nth?: number | readonly number[];
  /** At most so many times. */
  readonly times?: number;
  readonly when?: (request: FaultSubject) => boolean;
}

interface Standing {
  readonly rule: FaultRule;
  seen: number;
  used: number;
}

/** The faults in force, with their counts. */
export class FaultBoard {
  #standing: Standing[] = [];

  get rules(): readonly FaultRule[] {
    return this.#standing.map(({ rule }) => rule);
  }

  replace(rules: readonly FaultRule[]): void {
    this.#standing = rules.map((rule) => ({ rule, seen: 0, used: 0 }));
  }

  /** The first rule that fits this request, counted as used. */
  pick(request: FaultSubject, isGeneration: boolean): Fault | null {
    for (const standing of this.#standing) {
      if (!fits(standing.rule, request, isGeneration)) continue;
      standing.seen += 1;
      const { nth, times } = standing.rule;
      if (nth !== undefined && !(typeof nth === 'number' ? nth === standing.seen : nth.includes(standing.seen)))
        continue;
      if (times !== undefined && standing.used >= times) continue;
      standing.used += 1;
      return standing.rule;
    }
    return null;
  }
}

function fits(rule: FaultRule, request: FaultSubject, isGeneration: boolean): boolean {
  const only = rule.only ?? 'generation';
  if (only !== 'all' && (only === 'generation') !== isGeneration) return false;
  if (rule.path !== undefined && !request.path.startsWith(rule.path)) return false;
  return rule.when?.(request) ?? true;
}

/** What a piece of a stream is, which is all a fault needs to know of it. */
export type Mark = 'opening' | 'content' | 'finish' | 'usage' | 'end' | 'comment';

/** What to do with one piece. `next` says what follows for good. */
export interface Step {
  readonly text: string;
  readonly next: 'go_on' | 'hang' | 'drop' | 'reset' | 'end' | 'error_event';
}

const FINISH_REASON = /"(finish_reason|done_reason|stop_reason)": ?"[a-z_]+"/g;

/** The finish reasons in a piece of an answer, replaced by `abort` or taken away. */
export function rewriteFinish(text: string, reason: 'abort' | null): string {
  return text.replace(
    FINISH_REASON,
    (_whole, field: string) => `"${field}":${reason === null ? 'null' : `"${reason}"`}`,
  );
}

const MID_STREAM: Readonly<Partial<Record<FaultKind, Step['next']>>> = {
  hang_mid_stream: 'hang',
  drop: 'drop',
  drop_reset: 'reset',
  error_event: 'error_event',
};

/** How a fault treats the next piece of a stream, `contents` contents having passed. */
export function nextStep(fault: Fault, mark: Mark, text: string, contents: number): Step {
  const pass: Step = { text, next: 'go_on' };
  const nothing: Step = { text: '', next: 'go_on' };
  const limit = fault.afterContents ?? 1;
  const next = MID_STREAM[fault.kind];
  if (next) {
    if (contents >= limit && mark !== 'opening') return { text: '', next };
    return mark === 'content' && contents + 1 === limit ? { text, next } : pass;
  }
  switch (fault.kind) {
    case 'error_event_first':
      return { text: '', next: 'error_event' };
    case 'cut_json':
      return { text: text.slice(0, Math.ceil(text.length / 2)), next: 'end' };
    case 'truncated_sse':
      return contents >= limit ? { text: text.slice(0, Math.ceil(text.length / 2)), next: 'end' } : pass;
    case 'no_done':
      return mark === 'end' ? nothing : pass;
    case 'no_finish':
      return mark === 'finish' ? { text: rewriteFinish(text, null), next: 'go_on' } : pass;
    case 'finish_abort':
      return { text: rewriteFinish(text, 'abort'), next: 'go_on' };
    default:
      return pass;
  }
}
