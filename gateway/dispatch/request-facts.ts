// What live traffic and dry runs alike take from a request besides what is in its body.

/** The product token of a User-Agent (RFC 9110 section 10.1.5), without its version; '' without one. */
export function clientOf(userAgent: string | undefined): string {
  return userAgent?.split(/[/\s]/, 1)[0] ?? '';
}
