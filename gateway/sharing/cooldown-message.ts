// What one gateway tells the others about a cooldown. Clocks differ, so it says how long, never until when.

import type { CooldownChange } from '../dispatch/cooldowns.ts';
import type { FailureKind } from '../types.ts';

export interface CooldownMessage {
  /** The gateway it comes from. */
  readonly from: string;
  /** As in `ProviderIds`. */
  readonly providerId: string;
  readonly model: string | null;
  readonly is: Exclude<CooldownChange['is'], 'half_open'>;
  /** How long it lasts; where it is closed, how long it is worth remembering that. */
  readonly remainingMs: number;
  readonly because: FailureKind | null;
  readonly message: string;
}

/** Counts up with every change of the form; messages of another form are not for us. */
const form = 1;
const mostCharacters = 4_096;
const longestText = 500;

const kinds = {
  unreachable: true,
  timeout_connect: true,
  timeout_first_byte: true,
  timeout_idle: true,
  timeout_total: true,
  rate_limited: true,
  overloaded: true,
  loading: true,
  bad_answer: true,
  server_error: true,
  model_missing: true,
  context_exceeded: true,
  content_filtered: true,
  auth: true,
  unsupported: true,
  bad_request: true,
  broken: true,
  cancelled: true,
} as const satisfies Record<FailureKind, true>;

/** What it is stored under: one text for each provider, and for each of its deployments. */
export function cooldownField(providerId: string, model: string | null): string {
  return JSON.stringify(model === null ? [providerId] : [providerId, model]);
}

/** One line of JSON; null: longer than others would read. */
export function writeCooldown({ message, ...rest }: CooldownMessage): string | null {
  const text = JSON.stringify({ form, ...rest, message: message.slice(0, longestText) });
  return text.length > mostCharacters ? null : text;
}

/** Null for everything that `writeCooldown` of this version would not have written. */
export function readCooldown(text: string): CooldownMessage | null {
  if (text.length > mostCharacters) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  return isMessage(value) ? value : null;
}

function isMessage(value: unknown): value is CooldownMessage {
  if (typeof value !== 'object' || value === null) return false;
  const told = value as Record<keyof CooldownMessage | 'form', unknown>;
  return (
    told.form === form &&
    typeof told.from === 'string' &&
    typeof told.providerId === 'string' &&
    (told.model === null || typeof told.model === 'string') &&
    (told.is === 'cooling_down' || told.is === 'breaker_open' || told.is === 'closed') &&
    typeof told.remainingMs === 'number' &&
    told.remainingMs >= 0 &&
    (told.because === null || (typeof told.because === 'string' && Object.hasOwn(kinds, told.because))) &&
    typeof told.message === 'string'
  );
}
