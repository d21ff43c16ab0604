// Names requests so that the names of later ones sort behind those of earlier ones.

import { randomUUID } from 'node:crypto';

/** Hexadecimal digits of a time in milliseconds (until the year 10889). */
const TIME_DIGITS = 12;

let lastMs = -1;
let lastPrefix = '';

/**
 * A UUID of version 7 (RFC 9562 section 5.7): time first, then chance. Random names cost the history's index a page
 * somewhere for each row; these are appended.
 * @param nowMs epoch ms
 */
export function requestId(nowMs: number): string {
  if (nowMs !== lastMs) {
    const time = Math.max(Math.trunc(nowMs), 0).toString(16).padStart(TIME_DIGITS, '0');
    lastPrefix = `${time.slice(0, 8)}-${time.slice(8)}-7`;
    lastMs = nowMs;
  }
  // A version 4 UUID is random but for its version digit, which is the one before this cut.
  return lastPrefix + randomUUID().slice(15);
}
