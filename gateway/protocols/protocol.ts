// What the relay has to know of a protocol: when content begins, when an answer is complete, how an error looks.
// One table of endpoints; observers watch bytes go by and never change them.

import type { Protocol, Usage } from '../types.ts';

/** How the parts of a stream are told apart on the wire. */
export type StreamFraming = 'sse' | 'ndjson' | 'none';

export interface EndpointTraits {
  readonly protocol: Protocol;
  /** The path clients use, always with `/v1` or `/api`. */
  readonly path: string;
  readonly framing: StreamFraming;
  /** Whether a request without `stream` is a stream (Ollama's native chat and generate). */
  readonly streamsByDefault: boolean;
  /** The successful answer of a non-stream request is JSON (false: audio and other bytes). */
  readonly answersJson: boolean;
  /** The request is a form with files instead of JSON. */
  readonly takesForm: boolean;
}

/** An error as a provider put it inside a stream or a 200 answer. */
export interface ProtocolError {
  readonly message: string;
  /** An HTTP status if the error names one. */
  readonly status: number | null;
  /** The parsed object, for the adapter's classification. */
  readonly raw: unknown;
}

/**
 * Watches one stream. Feed every chunk as it came, cut anywhere; nothing is buffered but the unfinished tail.
 * Content is text, reasoning, a tool call or audio: roles, empty strings, comments and pings are not.
 */
export interface StreamObserver {
  push(chunk: Uint8Array): void;
  /**
   * The HTTP body ended. An unterminated last line counts only if it is the end itself and clients can do without its
   * terminator: a whole NDJSON line with `done`, and `[DONE]`. They drop any other unterminated event, so it counts for
   * nothing here either. The boundary stays before it.
   */
  end(): void;
  readonly hasContent: boolean;
  /** How many pushes so far brought new content: lets the caller restart its idle clock. */
  readonly contentCount: number;
  /** Every choice has a finish reason (not `abort` or `error`) and the protocol's own end came. */
  readonly isComplete: boolean;
  /** The first error event or line, also one that follows content. */
  readonly error: ProtocolError | null;
  /** Something that cannot belong to the protocol was seen (an HTML page, raw text): its first 500 characters. */
  readonly garbage: string | null;
  /**
   * Where the protocol's own end begins (offset in the whole stream) when it came although some choice has no proper
   * finish: a client stops reading there, so the relay must put its error event before it. Null: no such thing came.
   */
  readonly falseEndAt: number | null;
  /** Offset in the whole stream just behind the last complete event, comment or line: what may be shown to a client. */
  readonly boundary: number;
  readonly usage: Usage | null;
  /** The model name the provider wrote into the answer. */
  readonly model: string | null;
  /** Characters of generated text and reasoning so far, for an estimate where no usage is reported. */
  readonly contentCharacters: number;
  /** The finish reasons by choice, as far as they came. */
  readonly finishReasons: readonly string[];
}

/** What a whole JSON answer says of itself. */
export interface AnswerInspection {
  /** It has the shape of this endpoint's answer. */
  readonly isProtocol: boolean;
  /** Every choice ended properly. */
  readonly isComplete: boolean;
  readonly error: ProtocolError | null;
  readonly usage: Usage | null;
  readonly model: string | null;
  readonly contentCharacters: number;
  readonly finishReasons: readonly string[];
}

/** An error of the gateway as bytes of a protocol. */
export interface RenderedError {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}
