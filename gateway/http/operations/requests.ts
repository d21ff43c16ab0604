// The list of requests, what is taken out of it, and the end of one that runs.

import { once } from 'node:events';
import * as z from 'zod';
import type { AdminCancelled } from '../../contract.ts';
import { GatewayError } from '../../errors.ts';
import { filterFields, given } from './inputs.ts';
import { type Operation, operation } from './operation.ts';

const page = z.strictObject({
  ...filterFields,
  limit: z.coerce.number().int().min(1).max(500).default(100),
  cursor: z.string().min(1).max(100).optional().meta({ description: '`nextCursor` of the page before.' }),
});

const exported = z.strictObject({ ...filterFields, format: z.enum(['ndjson', 'csv']).default('ndjson') });

const exportTypes = { ndjson: 'application/x-ndjson', csv: 'text/csv' } as const;

export const requestOperations: readonly Operation[] = [
  operation({
    method: 'GET',
    path: '/admin/requests',
    summary: 'Requests that have ended, newest first, a page at a time.',
    answers: 'AdminRequestPage',
    query: page,
    run: async ({ deps, query: { limit, cursor, ...filter } }) => {
      // Rows are written in batches, and who opens a list wants to see what has just ended.
      if (cursor === undefined) await deps.history.flush();
      return deps.history.requestPage(given(filter), limit, cursor);
    },
  }),
  operation({
    method: 'GET',
    path: '/admin/requests/export',
    summary: 'All requests that the filter finds, as text, newest first.',
    answers: 'One JSON object per line, or a table whose first line names the columns.',
    answerType: 'application/x-ndjson',
    query: exported,
    run: async ({ deps, request, response, query: { format, ...filter } }) => {
      const lines = deps.history.exportRequests(given(filter), format);
      // Before the head goes out: a history that cannot be read is an error, not an empty file.
      let next = await lines.next();
      response.setHeader('content-type', `${exportTypes[format]}; charset=utf-8`);
      response.setHeader('content-disposition', `attachment; filename="requests.${format}"`);
      if (request.method === 'HEAD') {
        await lines.return();
        response.end();
        return;
      }
      while (!next.done && !response.destroyed) {
        if (!response.write(next.value)) await Promise.race([once(response, 'drain'), once(response, 'close')]);
        next = await lines.next();
      }
      await lines.return();
      response.end();
    },
  }),
  operation({
    method: 'POST',
    path: '/admin/requests/:id/cancel',
    summary: 'Ends a request that runs: its client gets an error, its provider stops working for it.',
    answers: 'AdminCancelled',
    body: z.strictObject({}),
    run: ({ deps, variable: id }): AdminCancelled => {
      const request = deps.cancelRequest(id);
      if (request !== null) return { id, request };
      throw new GatewayError(
        'not_found',
        `No request ${JSON.stringify(id.slice(0, 100))} runs: it has ended, or never was.`,
        {
          param: 'id',
        },
      );
    },
  }),
];
