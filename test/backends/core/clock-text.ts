// Times and ids as servers write them.

import { randomBytes } from 'node:crypto';

let dateSecond = 0;
let dateText = '';

/** The `Date` header's value, worked out once a second. */
export function httpDate(): string {
  const nowMs = Date.now();
  const second = Math.floor(nowMs / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(nowMs).toUTCString();
  }
  return dateText;
}

export function epochSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

/** RFC 3339 with nanoseconds, as Go writes a time. */
export function goTime(atMs: number = Date.now()): string {
  const nanos = String(Math.floor(Math.random() * 1e6) + 1).padStart(6, '0');
  return new Date(atMs).toISOString().replace('Z', `${nanos}Z`);
}

export function hex(bytes: number): string {
  return randomBytes(bytes).toString('hex');
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** Letters and digits, as llama.cpp makes its ids. */
export function letters(count: number): string {
  let result = '';
  for (const byte of randomBytes(count)) result += LETTERS[byte % LETTERS.length];
  return result;
}

export function randomBelow(limit: number): number {
  return Math.floor(Math.random() * limit);
}
