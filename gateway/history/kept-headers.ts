// Which header values may be kept with a request.

/** They carry credentials: conditions cannot read them, and no disk gets to see them. */
const SECRET = /^(?:proxy-)?authorization$|cookie|api-?key|-key$|token|secret|password|signature|credential/;
/** They differ with every request or connection, or speak of the client's library: no rule goes by them. */
const MECHANICS = /^(?:content-length|connection|keep-alive|transfer-encoding|accept-encoding|x-stainless-.*)$/;
/** A longer value is no label. */
export const LONGEST_KEPT_VALUE = 256;

/** @param name in lower case */
export function isHeaderKept(name: string): boolean {
  return !SECRET.test(name) && !MECHANICS.test(name);
}
