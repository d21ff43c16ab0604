// Names and causes come from strangers: nothing in them may steer the terminal.

/** The text with a question mark in place of each control character. */
export function harmless(text: string): string {
  return text.replace(/\p{Cc}/gu, '?');
}
