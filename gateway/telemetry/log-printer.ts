// A log line for a person at a terminal: time, level, message, key=value.

import { styleText } from 'node:util';

const levels: Readonly<Record<string, string>> = {
  trace: styled('dim', 'TRACE'),
  debug: styled('dim', 'DEBUG'),
  info: styled('green', 'INFO '),
  warn: styled('yellow', 'WARN '),
  error: styled('red', 'ERROR'),
};

function styled(style: 'dim' | 'green' | 'yellow' | 'red', text: string): string {
  return styleText(style, text, { validateStream: false });
}

/** Turns one JSON line of the log into what a terminal shows, with its line end. `hasColours`: as the terminal wishes. */
export function printLine(json: string, hasColours: boolean): string {
  const { time, level, message, error, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const label = levels[String(level)] ?? String(level);
  const clock = timeOfDay(String(time));
  const pairs = Object.entries(fields).map(([name, value]) => ` ${name}=${inWords(value)}`);
  const head = hasColours ? `${styled('dim', clock)} ${label}` : `${clock} ${String(level).toUpperCase().padEnd(5)}`;
  return `${head} ${harmless(String(message))}${pairs.join('')}${errorInWords(error)}\n`;
}

/** The time of day here, from an ISO time. */
function timeOfDay(iso: string): string {
  const date = new Date(iso);
  const two = (value: number): string => String(value).padStart(2, '0');
  const ms = String(date.getMilliseconds()).padStart(3, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`;
}

function inWords(value: unknown): string {
  if (typeof value !== 'string') return harmless(JSON.stringify(value) ?? 'undefined');
  return /^[\w./:@+-]+$/.test(value) ? value : harmless(JSON.stringify(value));
}

function errorInWords(error: unknown): string {
  if (error === undefined) return '';
  if (typeof error !== 'object' || error === null || !('stack' in error)) return ` error=${inWords(error)}`;
  return String(error.stack)
    .split('\n')
    .map((line) => `\n    ${harmless(line)}`)
    .join('');
}

/** Names come from strangers: an escape sequence in one must not reach the terminal. */
function harmless(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
