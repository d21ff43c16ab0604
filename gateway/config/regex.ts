// Patterns are matched by a linear-time engine: whatever a client names its model, matching ends.

import { RE2JS } from 're2js';

/** Letters and digits, marks without a meaning, escaped marks, and `.` once or repeated; anchors at the ends. */
const PLAIN = /^\^?(?:[\w\-/:@ ,#%&=~]|\\[.\-/+*?()[\]{}^$|]|\.[*+?]?)*\$?$/;

/** What is wrong with a pattern, or null. Lookaround and backreferences are refused: they cannot be linear. */
export function patternFault(pattern: string): string | null {
  // Most patterns are of a form that is never wrong, and a thousand of them would take the engine longer than a start may.
  if (PLAIN.test(pattern)) return null;
  try {
    RE2JS.compile(pattern);
    return null;
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    const isUnsupported = /\(\?[=!]|\(\?<[=!]|\\[1-9]|\(\?>/.test(pattern);
    const hint = isUnsupported ? ' (lookaround, backreferences and atomic groups are not supported)' : '';
    return `not a valid regular expression: ${cause}${hint}`;
  }
}
