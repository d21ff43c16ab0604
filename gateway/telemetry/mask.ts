// Keeps keys out of texts that people read.

const shown = '***';
/** Shorter ones would tear holes into every text, and a key that short protects nothing. */
const shortestSecret = 4;

/**
 * The text with every known secret in it replaced by `***`, also where it stands inside JSON (with its quotes escaped) or
 * a URL. Secrets shorter than four characters are left.
 */
export function maskSecrets(text: string, secrets: readonly string[]): string {
  let masked = text;
  for (const form of formsOf(secrets)) if (masked.includes(form)) masked = masked.replaceAll(form, shown);
  return masked;
}

const known = new WeakMap<readonly string[], readonly string[]>();

/** Every way in which one of them may be written, the longest first: one may contain another. Worked out once per list. */
function formsOf(secrets: readonly string[]): readonly string[] {
  let forms = known.get(secrets);
  if (!forms) {
    const all = secrets.filter((secret) => secret.length >= shortestSecret).flatMap(spellings);
    forms = [...new Set(all)].sort((a, b) => b.length - a.length);
    known.set(secrets, forms);
  }
  return forms;
}

function spellings(secret: string): string[] {
  return [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret.toWellFormed())];
}
