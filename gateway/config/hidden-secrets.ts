// Keys that stand plainly in a configuration file are shown to nobody who edits it: a numbered word stands in the place of
// each, and is exchanged for the key again when the text comes back.

import { isMap, isPair, isScalar, type Pair, parseDocument, type Scalar, visit } from 'yaml';
import { GatewayError } from '../errors.ts';

interface Secret {
  readonly start: number;
  readonly end: number;
  /** As written, quotes included. */
  readonly source: string;
}

/** Keys whose value is one: providers', clients', Redis'. */
const SECRET_KEYS = /^(?:.*api_key|key|master_key|.*password|.*secret.*|.*token)$/;
/** Figures with such a name (`input_cost_per_token`) are none. */
const COUNT_KEYS = /(?:cost_per|max_|_per_).*token/;
/** A reference says where the secret is, not what it is. */
const REFERENCE = /^(?:os\.environ\/|secret\/)|\$\{/;
const PASSWORD_IN_URL = /^[a-z][a-z0-9+.-]*:\/\/[^/\s@]*:[^/\s@]+@/i;
const PLACEHOLDER = /^«hidden (\d+)»$/;
/** For a text that is no YAML: whatever looks like one; nothing of it can be put back. */
const LOOKS_SECRET = /((?:api_key|master_key|password|secret|key)["']?\s*:\s*)(?!os\.environ\/)[^\s#,}]+/g;

/** The text with a word in the place of each plain key. A text that is no YAML comes out so that it cannot be put back. */
export function hideSecrets(text: string): string {
  const document = parseDocument(text, { strict: false, uniqueKeys: false });
  if (document.errors.length > 0) return text.replace(LOOKS_SECRET, '$1"«hidden 0»"');
  return splice(
    text,
    secretsIn(text).map(({ start, end }, index) => ({ start, end, source: `"«hidden ${index + 1}»"` })),
  );
}

/**
 * The text with the keys of `current` in the places of the words that `hideSecrets` made of them.
 * @throws GatewayError `invalid_request` for a word that stands for none of them
 */
export function revealSecrets(text: string, current: string): string {
  if (!text.includes('«hidden ')) return text;
  const secrets = secretsIn(current);
  const places: Secret[] = [];
  visit(parseDocument(text, { strict: false, uniqueKeys: false }), {
    Scalar(_key, node) {
      const number = typeof node.value === 'string' ? PLACEHOLDER.exec(node.value)?.[1] : undefined;
      const range = node.range;
      if (number === undefined || !range) return;
      const secret = secrets[Number(number) - 1];
      if (secret === undefined) {
        throw new GatewayError('invalid_request', `«hidden ${number}» stands for no key of the file any more`, {
          param: 'text',
        });
      }
      places.push({ start: range[0], end: range[1], source: secret.source });
    },
  });
  return splice(text, places);
}

function secretsIn(text: string): readonly Secret[] {
  const secrets: Secret[] = [];
  visit(parseDocument(text, { strict: false, uniqueKeys: false }), {
    Scalar(key, node, path) {
      if (key !== 'value' || typeof node.value !== 'string' || !node.range) return;
      if (
        !isSecret(
          node,
          path.filter((one): one is Pair => isPair(one)),
        )
      )
        return;
      const [start, end] = node.range;
      secrets.push({ start, end, source: text.slice(start, end) });
    },
  });
  return secrets;
}

function isSecret(node: Scalar, pairs: readonly Pair[]): boolean {
  const value = String(node.value);
  if (value === '' || REFERENCE.test(value)) return false;
  if (PASSWORD_IN_URL.test(value)) return true;
  const name = nameOf(pairs.at(-1));
  if (SECRET_KEYS.test(name) && !COUNT_KEYS.test(name)) return true;
  const holder = pairs.at(-2);
  return nameOf(holder) === 'headers' && isMap(holder?.value);
}

function nameOf(pair: Pair | undefined): string {
  return isScalar(pair?.key) ? String(pair.key.value) : '';
}

function splice(text: string, places: readonly Secret[]): string {
  let result = '';
  let last = 0;
  for (const { start, end, source } of [...places].sort((a, b) => a.start - b.start)) {
    result += text.slice(last, start) + source;
    last = end;
  }
  return result + text.slice(last);
}
