// What is said of those admin routes whose input is read where they are answered.

import * as z from 'zod';
import type { OperationAbout } from './operation.ts';

const followed = z.strictObject({
  since: z.string().optional().meta({ description: 'As the header `Last-Event-ID`.' }),
  look: z.enum(['hardware']).optional().meta({ description: 'The machine is sampled while this stream is open.' }),
});

/** By method and path. */
export const described: Readonly<Record<string, OperationAbout>> = {
  'GET /admin/status': { summary: 'The state of everything.', answers: 'AdminStatus' },
  'GET /admin/openapi.json': { summary: 'This document.', answers: 'An OpenAPI 3.1 document.' },
  'GET /admin/events': {
    summary:
      'A stream of events: `snapshot` (AdminSnapshot), then each `change` (AdminChange), at most every 250 ms; `end` before the gateway stops. Goes on after the id in `Last-Event-ID` where that is known still.',
    answers: 'Server-sent events',
    answerType: 'text/event-stream',
    query: followed,
  },
  'GET /admin/challenge': {
    summary: 'Proves that this is the gateway that the management token belongs to; needs no token.',
    answers: '{ product, instance, proof }',
    query: z.strictObject({ nonce: z.string().min(16).max(128) }),
  },
  'GET /admin/requests/:id': {
    summary:
      'One request that has ended, with its attempts and its decision; as lines of text for `Accept: text/plain`.',
    answers: 'AdminStoredRequest',
  },
  'POST /admin/explain': {
    summary: 'What would be decided for a request; nothing is sent.',
    answers: 'AdminDecision',
    body: z
      .looseObject({})
      .meta({ description: 'AdminExplainRequest, or the body of a request as a client sends it.' }),
  },
  'POST /admin/replay': {
    summary: 'What other rules would have changed about the latest requests.',
    answers: 'AdminReplay',
    body: z.looseObject({}).meta({ description: 'AdminReplayRequest' }),
  },
  'POST /admin/ui-links': {
    summary: 'A link that opens the window once, for whoever has the management token.',
    answers: 'AdminWindowLink',
    body: z.strictObject({}),
  },
};
