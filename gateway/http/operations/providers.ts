// Switching, snoozing, probing and resetting providers.

import * as z from 'zod';
import { testProvider } from '../../catalog/provider-test.ts';
import { didYouMean } from '../../config/nearest.ts';
import type { AdminFoundServer, AdminProvider, AdminProviderResetResult } from '../../contract.ts';
import { GatewayError } from '../../errors.ts';
import type { HttpDependencies } from '../dependencies.ts';
import { given } from './inputs.ts';
import { type Operation, operation } from './operation.ts';

const switched = z.strictObject({
  enabled: z.boolean(),
  cancelRunning: z
    .boolean()
    .optional()
    .meta({ description: 'With `enabled: false`: requests that run there are ended.' }),
  until: z
    .union([z.number().int().positive(), z.literal('restart')])
    .optional()
    .meta({
      description: 'Off for a while only, whatever the files say: until that time (epoch ms), or until the next start.',
    }),
});

const reset = z.strictObject({
  model: z.string().min(1).optional().meta({ description: 'Only that deployment, else all of the provider.' }),
});

const tested = z.strictObject({
  baseUrl: z.string().min(1).max(2_000).meta({ description: '`host`, `host:port` or a whole URL.' }),
  kind: z.enum(['ollama', 'vllm', 'llama_cpp', 'llama_cpp_python', 'openai']).optional(),
  apiKey: z.string().min(1).optional(),
  headers: z.record(z.string(), z.string()).optional(),
  caFile: z.string().min(1).optional(),
  isTlsInsecure: z.boolean().optional(),
});

/** How long a step of the test may take. */
const STEP_MS = 3_000;

export const providerOperations: readonly Operation[] = [
  operation({
    method: 'POST',
    path: '/admin/providers/test',
    summary: 'Tries an address as a provider; each step is told when it has ended. Nothing is kept.',
    answers: 'AdminTestStep, one JSON object per line.',
    answerType: 'application/x-ndjson',
    body: tested,
    run: async ({ deps, response, body }) => {
      const left = new AbortController();
      response.once('close', () => left.abort());
      response.setHeader('content-type', 'application/x-ndjson; charset=utf-8');
      const options = { clock: deps.clock, timeoutMs: STEP_MS, signal: left.signal };
      for await (const step of testProvider(given(body), options)) response.write(`${JSON.stringify(step)}\n`);
      response.end();
    },
  }),
  operation({
    method: 'POST',
    path: '/admin/discover',
    summary: 'Looks for servers on the usual ports of this machine that are no providers yet.',
    answers: 'AdminFoundServer[]',
    body: z.strictObject({}),
    run: async ({ deps }): Promise<AdminFoundServer[]> =>
      (await deps.catalog.discover()).map(({ provider, product, version, modelCount, needsKey }) => {
        const { name, kind, baseUrl } = provider;
        return { name, kind, baseUrl, product, version, models: modelCount, needsKey };
      }),
  }),
  operation({
    method: 'POST',
    path: '/admin/providers/probe',
    summary: 'Probes every provider now; answers when the slowest has been heard.',
    answers: 'AdminProvider[]',
    body: z.strictObject({}),
    run: async ({ deps }) => {
      await deps.catalog.sweep();
      return deps.catalog.status();
    },
  }),
  operation({
    method: 'GET',
    path: '/admin/providers',
    summary: 'The providers as they stand.',
    answers: 'AdminProvider[]',
    run: ({ deps }) => deps.catalog.status(),
  }),
  operation({
    method: 'PATCH',
    path: '/admin/providers/:name',
    summary: 'Switches a provider; requests that run there end by themselves. Kept in the file that names it.',
    answers: 'AdminProvider',
    body: switched,
    run: ({ deps, variable, body }) => switchProvider(deps, variable, body),
  }),
  operation({
    method: 'POST',
    path: '/admin/providers/:name/probe',
    summary: 'Probes a provider now, where it is on and probed at all; answers when it is done.',
    answers: 'AdminProvider',
    body: z.strictObject({}),
    run: async ({ deps, variable }) => {
      requireProvider(deps, variable);
      await deps.catalog.probe(variable);
      return stillThere(deps, variable);
    },
  }),
  operation({
    method: 'POST',
    path: '/admin/providers/:name/reset',
    summary: 'Forgets what live traffic has against a provider, or against one model there.',
    answers: 'AdminProviderResetResult',
    body: reset,
    run: ({ deps, variable, body: { model } }): AdminProviderResetResult => {
      requireProvider(deps, variable);
      const forgotten = deps.resetProvider(variable, model);
      return { provider: requireProvider(deps, variable), forgotten };
    },
  }),
];

async function switchProvider(
  deps: HttpDependencies,
  name: string,
  { enabled, until, cancelRunning = false }: z.output<typeof switched>,
): Promise<AdminProvider> {
  requireProvider(deps, name);
  if (cancelRunning && enabled) throw refused('cancelRunning', 'it goes with "enabled": false only');
  if (until === undefined) await deps.setProviderEnabled(name, enabled);
  else if (enabled) throw refused('until', 'it goes with "enabled": false only: a provider is off until then');
  else if (until !== 'restart' && until <= deps.clock.now())
    throw refused('until', 'expected a time to come, in epoch ms');
  else deps.catalog.snooze(name, until);
  if (cancelRunning) deps.cancelRequestsAt(name);
  return stillThere(deps, name);
}

function refused(param: string, why: string): GatewayError {
  return new GatewayError('invalid_request', `${param}: ${why}`, { param });
}

function stillThere(deps: HttpDependencies, name: string): AdminProvider {
  const after = deps.catalog.status().find((provider) => provider.name === name);
  if (after) return after;
  throw new GatewayError('conflict', `The provider ${name} was taken out of the configuration meanwhile.`);
}

/** Throws `not_found` with the nearest name. */
export function requireProvider(deps: HttpDependencies, name: string): AdminProvider {
  const providers = deps.catalog.status();
  const found = providers.find((provider) => provider.name === name);
  if (found) return found;
  const near = didYouMean(
    name,
    providers.map((provider) => provider.name),
  );
  throw new GatewayError('not_found', `There is no provider ${JSON.stringify(name)}${near}`, { param: 'name' });
}
