// Models in memory, and the machine they are on.

import * as z from 'zod';
import type { AdminModelActionRequest } from '../../contract.ts';
import { runModelAction } from '../admin-models.ts';
import { text } from './inputs.ts';
import { type Operation, operation } from './operation.ts';

const longestWaitMs = 600_000;

const target = z.strictObject({
  provider: text,
  model: text.meta({ description: 'By any of its names.' }),
  waitMs: z.int().min(0).max(longestWaitMs).optional().meta({
    description: 'How long to wait for requests that run there to end; 0 if absent.',
  }),
});

const actions = { load: 'into memory', unload: 'out of memory, never while requests run there' } as const;

function modelAction(action: keyof typeof actions): Operation {
  return operation<z.output<typeof target>>({
    method: 'POST',
    path: `/admin/models/${action}`,
    summary: `Takes a model ${actions[action]}; answers when it has happened, or why it has not.`,
    answers: 'AdminModelActionResult',
    body: target,
    run: ({ deps, body: { provider, model, waitMs } }) => {
      const request: AdminModelActionRequest = { provider, model, ...(waitMs === undefined ? {} : { waitMs }) };
      return runModelAction(deps, action, request);
    },
  });
}

export const machineOperations: readonly Operation[] = [
  modelAction('load'),
  modelAction('unload'),
  operation({
    method: 'GET',
    path: '/admin/keep-warm',
    summary: 'What `keep_warm` of the configuration does next, and what came of it last.',
    answers: 'AdminKeepWarm[]',
    run: ({ deps }) => deps.warmth.planned(),
  }),
  operation({
    method: 'GET',
    path: '/admin/hardware',
    summary: 'This machine now: processor, memory, GPUs, power, disks of model folders.',
    answers: 'AdminHardware',
    run: ({ deps }) => deps.hardware.read(),
  }),
];
