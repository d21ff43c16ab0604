// How the event stream is written: server-sent events, each with the id it can be resumed from.

/** Between two events when nothing changes; proxies and sleepy networks close what is silent. */
export const HEARTBEAT = Buffer.from(': still here\n\n');

/** The last event of a stream that the gateway ends. */
export const END = Buffer.from('event: end\ndata: {"because":"shutting_down"}\n\n');

/** `INSTANCE:NUMBER`: numbers of another start mean nothing. */
export function eventId(instance: string, number: number): string {
  return `${instance}:${number}`;
}

/** The number in an id of this instance; null for anything else. */
export function numberOf(id: string, instance: string): number | null {
  const found = /^(.*):(\d{1,15})$/.exec(id);
  return found?.[1] === instance ? Number(found[2]) : null;
}

/** JSON has no bare line breaks, so the data is one line. */
export function frame(event: 'snapshot' | 'change', id: string, data: unknown): Buffer {
  return Buffer.from(`id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}
