// What is done with a provider's answer, by what it turns out to be: a refusal, a stream, a JSON body, other bytes.

import { endpointTraits } from '../protocols/endpoints.ts';
import { type AnswerHost, type AnswerReader, headerValue } from './answer.ts';
import type { ProviderHeaders } from './attempt-contract.ts';
import { BytesReader } from './bytes-answer.ts';
import { JsonReader } from './json-answer.ts';
import { RefusalReader } from './refusal.ts';
import { StreamReader } from './stream-answer.ts';

/** Chooses by status and content type, before the first byte of the body. */
export function createAnswerReader(host: AnswerHost, status: number, headers: ProviderHeaders): AnswerReader {
  const traits = endpointTraits[host.input.endpoint];
  const encoding = headerValue(headers, 'content-encoding');
  if (status >= 300 || (encoding !== '' && encoding !== 'identity')) return new RefusalReader(host, status, headers);
  const type = headerValue(headers, 'content-type').toLowerCase();
  if (traits.framing === 'sse' && type.startsWith('text/event-stream')) {
    // A whole answer was asked for: its client cannot read events.
    return host.input.isStream ? new StreamReader(host, status, headers) : new RefusalReader(host, status, headers);
  }
  if (traits.framing === 'ndjson' && type.startsWith('application/x-ndjson'))
    return new StreamReader(host, status, headers);
  if (traits.answersJson || type.startsWith('application/json')) return new JsonReader(host, status, headers);
  return new BytesReader(host, status, headers);
}
