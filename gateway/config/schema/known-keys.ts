// Asks the schema which keys may stand where.

import * as z from 'zod';
import type { DocumentPath } from '../problems.ts';
import { configSchema } from './root.ts';

/** The keys that may stand at a path; none where anything may, or nothing with keys. */
export function knownKeys(path: DocumentPath): readonly string[] {
  let schema: unknown = configSchema;
  for (const step of path) {
    const inner = unwrapped(schema);
    if (inner instanceof z.ZodObject) schema = inner.shape[String(step)];
    else if (inner instanceof z.ZodRecord) schema = inner.valueType;
    else if (inner instanceof z.ZodArray) schema = inner.element;
    else return [];
  }
  const inner = unwrapped(schema);
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
}

function unwrapped(schema: unknown): unknown {
  let inner = schema;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodNullable) inner = inner.unwrap();
  return inner;
}

const sections: readonly { readonly name: string; readonly path: DocumentPath }[] = [
  { name: 'router_settings', path: ['router_settings'] },
  { name: 'litellm_settings', path: ['litellm_settings'] },
  { name: 'general_settings', path: ['general_settings'] },
  { name: 'server', path: ['server'] },
  { name: 'history', path: ['history'] },
  { name: 'providers.NAME', path: ['providers', 'NAME'] },
  { name: 'an entry of patterns', path: ['patterns', 0] },
  { name: 'capabilities.NAME', path: ['capabilities', 'NAME'] },
  { name: 'fallback_chains.NAME', path: ['fallback_chains', 'NAME'] },
  { name: 'an entry of model_list', path: ['model_list', 0] },
];

/** Where else a key of this name may stand, in words. */
export function placesOfKey(key: string): readonly string[] {
  return sections.filter(({ path }) => knownKeys(path).includes(key)).map(({ name }) => name);
}
