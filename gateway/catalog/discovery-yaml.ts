// Finds as a configuration that a person would keep.

import { Document } from 'yaml';
import type { Find } from './discovery.ts';

const nothingFound = `# No model server was found on the usual ports of this machine. Write down where yours is:
# providers:
#   ollama:
#     kind: ollama
#     base_url: http://127.0.0.1:11434
`;

/** The text of a `switchyard.yaml` with the found servers, each with what is known of it as a comment. */
export function discoveredAsYaml(found: readonly Find[]): string {
  const first = found[0];
  if (first === undefined) return nothingFound;
  const providers = found.map(({ provider }) => [provider.name, { kind: provider.kind, base_url: provider.baseUrl }]);
  const document = new Document({
    providers: Object.fromEntries(providers),
    default_provider: first.provider.name,
  });
  document.commentBefore = ' Found on this machine. Kept as switchyard.yaml, only what stands here is used.';
  for (const find of found) {
    const entry = document.getIn(['providers', find.provider.name, 'kind'], true);
    if (isCommentable(entry)) entry.comment = ` ${describe(find)}`;
  }
  return document.toString();
}

function describe(find: Find): string {
  const parts = [find.version === null ? find.product : `${find.product} ${find.version}`];
  if (find.modelCount !== null) parts.push(find.modelCount === 1 ? '1 model' : `${find.modelCount} models`);
  if (find.needsKey) parts.push('needs an api_key');
  // A server may call itself anything; a comment has to stay one line.
  return parts.join(', ').replaceAll(/[^\x20-\x7e]/g, '');
}

function isCommentable(node: unknown): node is { comment?: string | null } {
  return typeof node === 'object' && node !== null;
}
