// Every recorded answer that looks more or less like success and is none: why, and what has to come of it.

import { loadRecording, type Recording } from './recordings.ts';

/** How it is broken. */
type Breakage =
  | 'no_answer'
  | 'empty'
  | 'no_end'
  | 'no_finish'
  | 'error_event'
  | 'raw_text'
  | 'connection_lost'
  | 'aborted'
  | 'error_status'
  | 'silent';

export interface BrokenRecording {
  readonly recording: Recording;
  readonly breakage: Breakage;
  readonly why: string;
  /** Content reached the client before it broke: then nobody else may be asked, and the stream has to end with an error. */
  readonly hasContent: boolean;
  /** The connection stays open without a word: only a time limit finds it. */
  readonly isSilent: boolean;
  readonly must: string;
}

const BEFORE = 'ask another provider, or answer with an error; never pass it on as an answer';
const AFTER = "end the client's stream with the protocol's own error event and record it as broken";

const LIST: readonly (readonly [name: string, breakage: Breakage, hasContent: boolean, why: string])[] = [
  ['ollama/runner-killed-mid-stream', 'error_event', true, 'the runner died: an error line, then a proper end'],
  [
    'ollama/runner-killed-mid-stream-v1',
    'no_end',
    true,
    'the runner died: an empty chunk of model "", no finish, no [DONE], a proper end',
  ],
  ['ollama/runner-killed-mid-stream-messages', 'no_end', true, 'the runner died: the events just stop, a proper end'],
  [
    'ollama/server-sigkill-mid-stream',
    'connection_lost',
    true,
    'the server was killed: FIN without the end of the body',
  ],
  [
    'llama-server/kvfull-concurrent-1',
    'error_event',
    true,
    'the shared cache overflowed: error object, no [DONE], a proper end',
  ],
  [
    'llama-server/kvfull-concurrent-2',
    'error_event',
    true,
    'the shared cache overflowed: error object, no [DONE], a proper end',
  ],
  [
    'llama-server/kvfull-concurrent-4',
    'error_status',
    false,
    'the shared cache overflowed: 500, though the request itself fits',
  ],
  [
    'llama-server/router-child-killed-mid-stream',
    'raw_text',
    true,
    "the router's child died: bare text in the event stream, a proper end",
  ],
  [
    'llama-server/server-sigterm-mid-stream',
    'connection_lost',
    true,
    'SIGTERM: a comment, then FIN without the end of the body',
  ],
  ['llama-server/server-sigkill-nonstream', 'no_answer', false, 'the server was killed: FIN without a byte'],
  ['llama-server/half-close-nonstream', 'empty', false, '200 with an empty body'],
  [
    'llama-cpp-python/two-concurrent-first',
    'no_finish',
    true,
    'interrupted by another request: [DONE] without a finish reason, then FIN',
  ],
  [
    'llama-cpp-python/three-concurrent-1',
    'no_finish',
    true,
    'interrupted by another request: [DONE] without a finish reason, then FIN',
  ],
  [
    'llama-cpp-python/three-concurrent-2',
    'no_finish',
    true,
    'interrupted by another request: [DONE] without a finish reason, then FIN',
  ],
  [
    'llama-cpp-python/err-prompt-too-long-stream',
    'empty',
    false,
    'the prompt is too long: 200 and not one event, a proper end',
  ],
  ['llama-cpp-python/half-close-stream', 'no_answer', false, 'FIN without a byte'],
  ['vllm/killed_engine_kill_stream', 'error_event', true, 'the engine died: error object, then [DONE], a proper end'],
  ['vllm/killed_api_term_run2_stream', 'error_event', true, 'SIGTERM: error object, then [DONE], a proper end'],
  ['vllm/killed_api_term_run3_stream', 'error_event', true, 'SIGTERM: error object, then [DONE], a proper end'],
  ['vllm/killed_api_term_nonstream', 'error_status', false, 'SIGTERM: 500'],
  ['vllm/killed_api_term_run2_nonstream', 'error_status', false, 'SIGTERM: 500'],
  ['vllm/killed_api_term_run3_nonstream', 'error_status', false, 'SIGTERM: 500'],
  [
    'vllm/killed_api_kill_stream',
    'connection_lost',
    true,
    'the API process was killed: FIN without the end of the body',
  ],
  ['vllm/killed_api_kill_nonstream', 'no_answer', false, 'the API process was killed: FIN without a byte'],
  ['vllm/killed_api_term_devmode_stream', 'aborted', true, 'SIGTERM: finish reason "abort", then [DONE], a proper end'],
  ['vllm/killed_api_term_devmode_nonstream', 'aborted', true, 'SIGTERM: 200 with finish reason "abort"'],
  [
    'vllm/killed_api_term_toolparser_stream',
    'aborted',
    true,
    'SIGTERM: finish reason "abort", then [DONE], a proper end',
  ],
  ['vllm/killed_api_term_toolparser_nonstream', 'aborted', true, 'SIGTERM: 200 with finish reason "abort"'],
  [
    'vllm/dev_stream_when_paused_with_abort',
    'aborted',
    true,
    'paused: finish reason "abort", then [DONE], a proper end',
  ],
  [
    'vllm/killed_api_term_shutdown_timeout_10_new_request_after_signal',
    'error_status',
    false,
    'draining: 500 while the health is still 200',
  ],
  [
    'vllm/killed_api_term_shutdown_timeout_10_new_stream_after_signal',
    'error_status',
    false,
    'draining: 500 while the health is still 200',
  ],
  ['vllm/frozen_engine_chat_stream', 'silent', false, 'the engine is frozen: 200 and a head, then nothing'],
  ['vllm/dev_paused_chat_stream', 'silent', false, 'paused: 200 and a head, then nothing'],
  [
    'vllm/killed_api_term_8blocks_stream',
    'silent',
    true,
    'SIGTERM: the stream falls silent, the connection stays open',
  ],
  ['vllm/killed_api_term_dev_stream', 'silent', true, 'SIGTERM: the stream falls silent, the connection stays open'],
  ['vllm/killed_api_term_8blocks_nonstream', 'silent', false, 'SIGTERM: no answer, the connection stays open'],
  ['vllm/killed_api_term_dev_nonstream', 'silent', false, 'SIGTERM: no answer, the connection stays open'],
  ['vllm/dev_sleep0_chat', 'silent', false, 'asleep: no answer, the connection stays open'],
  ['ollama/half-close-stream', 'silent', false, 'no answer, the connection stays open'],
  ['ollama/half-close-nonstream', 'silent', false, 'no answer, the connection stays open'],
];

/** All of them; `isSilent` ones need a time limit to be found. */
export function brokenOnes(): BrokenRecording[] {
  return LIST.map(([name, breakage, hasContent, why]) => ({
    recording: loadRecording(name),
    breakage,
    why,
    hasContent,
    isSilent: breakage === 'silent',
    must: hasContent ? AFTER : BEFORE,
  }));
}
