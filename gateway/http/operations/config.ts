// The configuration as a text: read, drafted, applied and restored; and providers as parts of it.

import * as z from 'zod';
import { provider as providerSchema } from '../../config/schema/providers.ts';
import type { AdminConfig, AdminConfigCheck } from '../../contract.ts';
import { GatewayError } from '../../errors.ts';
import type { HttpDependencies } from '../dependencies.ts';
import { type Operation, operation } from './operation.ts';
import { requireProvider } from './providers.ts';

const version = z.string().min(1).max(100).meta({ description: 'That of the file the change was made from.' });
const content = z.string().max(1_000_000).meta({ description: 'The whole of the first configuration file, YAML.' });

const providerName = z.string().min(1).max(100);
const newProvider = z.strictObject({ name: providerName, settings: z.strictObject(providerSchema.shape) });
const changedProvider = z.strictObject({ settings: z.strictObject(providerSchema.shape).partial() });

const setting = z.strictObject({
  path: z
    .array(z.string().min(1).max(200))
    .min(1)
    .max(10)
    .meta({ description: 'Keys from the root: ["server", "port"].' }),
  value: z.json().optional().meta({ description: 'Absent: the key is taken out.' }),
});

export const configOperations: readonly Operation[] = [
  operation({
    method: 'GET',
    path: '/admin/config',
    summary: 'The configuration file that changes go to, with its former versions.',
    answers: 'AdminConfig',
    run: ({ deps }) => configNow(deps),
  }),
  operation({
    method: 'POST',
    path: '/admin/config/validate',
    summary: 'What there is to say of a text in place of the configuration file; changes nothing.',
    answers: 'AdminConfigCheck',
    body: z.strictObject({ text: content }),
    run: ({ deps, body: { text } }): AdminConfigCheck => {
      const problems = deps.config.check(text);
      return { isValid: problems.every(({ severity }) => severity !== 'error'), problems };
    },
  }),
  operation({
    method: 'POST',
    path: '/admin/config/apply',
    summary:
      'Puts a text in the place of the configuration file, if it is valid and the file is of that version still.',
    answers: 'AdminConfig',
    body: z.strictObject({ text: content, version }),
    run: ({ deps, body }) => {
      deps.config.apply(body.text, body.version);
      return configNow(deps);
    },
  }),
  operation({
    method: 'POST',
    path: '/admin/config/restore',
    summary: 'Puts a former version of the configuration file back.',
    answers: 'AdminConfig',
    body: z.strictObject({ savedAtMs: z.number().int().positive(), version }),
    run: ({ deps, body }) => {
      deps.config.restore(body.savedAtMs, body.version);
      return configNow(deps);
    },
  }),
  operation({
    method: 'PATCH',
    path: '/admin/settings',
    summary: 'Sets and removes values of the configuration file, all or none; comments and everything else stay.',
    answers: 'AdminConfig',
    body: z.strictObject({ changes: z.array(setting).min(1).max(100), version: version.optional() }),
    run: ({ deps, body }) => {
      const changes = body.changes.map(({ path, value }) => ({ path, value }));
      deps.config.change(changes, body.version ?? null);
      return configNow(deps);
    },
  }),
  operation({
    method: 'POST',
    path: '/admin/providers',
    summary: 'Adds a provider to the configuration file.',
    answers: 'AdminProvider',
    body: newProvider,
    run: ({ deps, body: { name, settings } }) => {
      if (deps.settings().providers.has(name))
        throw new GatewayError('conflict', `There is a provider ${JSON.stringify(name)} already.`, { param: 'name' });
      deps.config.change([{ path: ['providers', name], value: settings }]);
      return requireProvider(deps, name);
    },
  }),
  operation({
    method: 'PATCH',
    path: '/admin/providers/:name/settings',
    summary: 'Changes what the configuration file says of a provider; a null takes a key out.',
    answers: 'AdminProvider',
    body: changedProvider,
    run: ({ deps, variable: name, body }) => {
      requireInFile(deps, name);
      const changes = Object.entries(body.settings).map(([key, value]) => ({
        path: ['providers', name, key],
        value: value ?? undefined,
      }));
      deps.config.change(changes);
      return requireProvider(deps, name);
    },
  }),
  operation({
    method: 'DELETE',
    path: '/admin/providers/:name',
    summary: 'Takes a provider out of the configuration file; its history is kept.',
    answers: 'AdminProvider[]: those that are left',
    run: ({ deps, variable: name }) => {
      requireInFile(deps, name);
      deps.config.change([{ path: ['providers', name], value: undefined }]);
      return deps.catalog.status();
    },
  }),
];

function configNow(deps: HttpDependencies): AdminConfig {
  const { isCurrent, problems } = deps.configState();
  return { ...deps.config.current, isCurrent, problems };
}

/** Throws `not_found` or `conflict`: what stands in another file has to be changed there. */
function requireInFile(deps: HttpDependencies, name: string): void {
  requireProvider(deps, name);
  const position = deps.settings().providers.get(name)?.position ?? null;
  const { file } = deps.config.current;
  if (position?.file === file) return;
  const where = position === null ? 'no configuration file' : position.file;
  throw new GatewayError('conflict', `${name} stands in ${where}, not in ${file}: change it there.`, { param: 'name' });
}
