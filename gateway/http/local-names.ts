// Which names and addresses mean this machine. Pure.

/** An IP address as sockets report it (`127.0.0.1`, `::1`, `::ffff:127.0.0.1`) that never leaves this machine. */
export function isLoopbackAddress(address: string): boolean {
  const plain = address.startsWith('::ffff:') ? address.slice(7) : address;
  return plain === '::1' || (plain.startsWith('127.') && /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(plain));
}

/** `localhost`, `anything.localhost` (RFC 6761: always loopback) and loopback addresses; lower case, without brackets. */
export function isLoopbackName(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost') || isLoopbackAddress(name);
}

/**
 * The name in a Host header or an authority: lower case, without port, brackets and the root's dot.
 * Null when it is no host at all.
 */
export function hostNameOf(authority: string): string | null {
  const bracketed = /^\[([0-9a-f:.]+)\](?::\d{0,5})?$/i.exec(authority);
  if (bracketed?.[1]) return bracketed[1].toLowerCase();
  const plain = /^([a-z0-9._-]+?)\.?(?::\d{0,5})?$/i.exec(authority);
  return plain?.[1] ? plain[1].toLowerCase() : null;
}

/**
 * Names under which this machine and its containers call it, besides the loopback ones: its own name as it is,
 * without its domain, and that name in the local network's zone; Docker's and Podman's names for the host.
 */
export function machineNames(hostname: string): readonly string[] {
  const full = hostname.toLowerCase();
  const short = full.split('.')[0] ?? full;
  const names = ['host.docker.internal', 'host.containers.internal'];
  return short === '' ? names : [...names, full, short, `${short}.local`];
}
