// What a file takes from outside itself: `os.environ/NAME`, `${NAME}` and `secret/NAME`.

import { eachScalar, type Located, type LocatedMap, type LocatedScalar, positionOf } from './located.ts';
import type { DocumentPath, ProblemList } from './problems.ts';

/** Environment variables, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface ReferenceSources {
  readonly env: Environment;
  /** Asked only when a file really refers to a secret; null: there is none of that name. */
  secret(name: string): string | null;
}

const variable = /\$\$\{|os\.environ\/([A-Za-z_]\w*)|\$\{([A-Za-z_]\w*)\}/g;
const wholeSecret = /^secret\/([\w.-]+)$/;

/** Keys of `litellm_params` that say who calls: without them a deployment cannot be called, but the file can be used. */
const credentialKey =
  /key|token|secret|password|credential|project|location|region|tenant|client_id|organization|profile|role|headers|username/;

function isDeploymentCredential(path: DocumentPath): boolean {
  const [section, , params, key] = path;
  return section === 'model_list' && params === 'litellm_params' && typeof key === 'string' && credentialKey.test(key);
}

/**
 * Puts the values of all references in place. One that is missing is an error with its place in the file; in the
 * credentials of a `model_list` entry a warning, and the value is absent there.
 */
export function resolveReferences(root: LocatedMap, sources: ReferenceSources, problems: ProblemList): void {
  const env = { ...sources.env, ...ownVariables(root, sources, problems) };
  const all = { ...sources, env };
  for (const [key, entry] of root.entries) {
    if (key === 'environment_variables') continue;
    eachScalar(entry.value, (scalar, path) => resolveScalar(scalar, [key, ...path], all, problems));
  }
}

/** LiteLLM's `environment_variables`: set for this file only, never for the process. */
function ownVariables(root: LocatedMap, sources: ReferenceSources, problems: ProblemList): Environment {
  const section: Located | undefined = root.entries.get('environment_variables')?.value;
  if (section?.kind !== 'map') return {};
  const own: Record<string, string> = {};
  for (const [name, { value }] of section.entries) {
    if (value.kind !== 'scalar' || value.value === null) continue;
    resolveScalar(value, ['environment_variables', name], sources, problems);
    if (value.missing === null) own[name] = String(value.value);
  }
  return own;
}

function resolveScalar(
  scalar: LocatedScalar,
  path: DocumentPath,
  sources: ReferenceSources,
  problems: ProblemList,
): void {
  const { value } = scalar;
  if (typeof value !== 'string' || scalar.isSubstituted) return;
  const secret = wholeSecret.exec(value)?.[1];
  if (secret !== undefined) {
    replace(scalar, path, sources.secret(secret), { is: 'secret', name: secret }, problems);
    return;
  }
  if (!value.includes('os.environ/') && !value.includes('${')) return;
  const missing: string[] = [];
  const resolved = value.replace(variable, (whole, dotted?: string, braced?: string) => {
    if (whole === '$${') return '${';
    const name = dotted ?? braced ?? '';
    const found = sources.env[name];
    if (found === undefined) missing.push(name);
    return found ?? '';
  });
  const [name] = missing;
  if (name !== undefined) replace(scalar, path, null, { is: 'variable', name }, problems);
  else if (resolved !== value) replace(scalar, path, resolved, null, problems);
}

function replace(
  scalar: LocatedScalar,
  path: DocumentPath,
  value: string | null,
  reference: { readonly is: 'secret' | 'variable'; readonly name: string } | null,
  problems: ProblemList,
): void {
  scalar.isSubstituted = true;
  if (value !== null || reference === null) {
    scalar.value = value;
    return;
  }
  const { is, name } = reference;
  const because =
    is === 'secret' ? `the secret "${name}" is not stored` : `the environment variable ${name} is not set`;
  scalar.missing = because;
  const code = is === 'secret' ? 'secret_missing' : 'variable_missing';
  if (isDeploymentCredential(path)) {
    // Further in stand headers and lists, where an empty text is the nearest to nothing.
    scalar.value = path.length === 4 ? null : '';
    problems.warning(positionOf(scalar), path, { code, message: `${because}; this deployment is not called` });
  } else {
    problems.error(positionOf(scalar), path, { code, message: because });
  }
}
