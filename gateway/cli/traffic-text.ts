// What live traffic has come to, as lines for people: only what is worth a line. Pure.

import type {
  AdminCache,
  AdminCooldown,
  AdminQueue,
  AdminRateWindow,
  AdminSharing,
  AdminTimeLimits,
  AdminTraffic,
} from '../contract.ts';
import { durationText, table } from './columns.ts';

/** `, the longest for 12 s`; empty where nobody waits. */
export function waitText(queue: AdminQueue | undefined): string {
  const longestMs = Math.max(...Object.values(queue?.longestWaitMs ?? {}).map((ms) => ms ?? 0), 0);
  return longestMs === 0 ? '' : `, the longest for ${durationText(longestMs)}`;
}

/** What is taken out, limited, kept, shared and learned; none of it where there is nothing to tell. */
export function trafficLines(traffic: AdminTraffic, nowMs: number): readonly string[] {
  const { cooldowns, rateWindows, cache, sharing } = traffic;
  const learned = traffic.timeLimits.filter(({ answerMs }) => answerMs !== null);
  return [
    ...section(
      'taken out of use',
      cooldowns.map((one) => cooldownRow(one, nowMs)),
    ),
    ...section('limits per minute', rateWindows.map(windowRow)),
    ...section('learned', learned.slice(0, MOST_LEARNED).map(learnedRow)),
    ...(learned.length > MOST_LEARNED ? [`  ${learned.length - MOST_LEARNED} more: --json`] : []),
    ...(cache.is === 'off' ? [] : [cacheLine(cache)]),
    ...(sharing.is === 'off' ? [] : [sharingLine(sharing, nowMs)]),
  ];
}

/** A page of a terminal. */
const MOST_LEARNED = 20;

function section(title: string, rows: readonly (readonly string[])[]): readonly string[] {
  return rows.length === 0 ? [] : [title, ...table(rows.map(([first = '', ...rest]) => [`  ${first}`, ...rest]))];
}

function cooldownRow({ provider, model, is, untilMs, because, message }: AdminCooldown, nowMs: number): string[] {
  const left = untilMs === null ? 'tried by the next request' : `for ${durationText(untilMs - nowMs)} more`;
  const name = model === null ? `all of ${provider}` : `${provider}/${model}`;
  return [name, is, left, `${because}: ${message}`];
}

function windowRow({ scope, limits, used, limit }: AdminRateWindow): string[] {
  return [scope, `${used} of ${limit} ${limits}`];
}

function learnedRow({ provider, model, firstContentLimitMs, isConfigured, ...learned }: AdminTimeLimits): string[] {
  const { loadMs, prefillTokensPerSecond, tokensPerSecond, isDegraded } = learned;
  const { stream, json } = firstContentLimitMs;
  const rates = [
    loadMs === null ? '' : `loads in ${secondsText(loadMs)}`,
    prefillTokensPerSecond === null ? '' : `reads ${Math.round(prefillTokensPerSecond)} tokens/s`,
    tokensPerSecond === null ? '' : `writes ${Math.round(tokensPerSecond)} tokens/s`,
    isDegraded ? 'fails often: counts half' : '',
  ];
  return [
    `${provider}/${model}`,
    `first content within ${secondsText(stream)}${isConfigured ? ' (configured)' : ''}, JSON within ${secondsText(json)}`,
    rates.filter((text) => text !== '').join(', '),
  ];
}

/** Limits are compared with what is configured, which is in seconds. */
function secondsText(ms: number): string {
  return `${Math.round(ms / 1_000)} s`;
}

function cacheLine({ is, hits, misses, stored, entries, bytes }: AdminCache): string {
  const size = entries === null || bytes === null ? '' : `; ${entries} kept in ${Math.ceil(bytes / 1024)} kB`;
  return `cache in ${is}: ${hits} answered from it, ${misses} not, ${stored} taken in${size}`;
}

function sharingLine({ is, sinceMs, because }: AdminSharing, nowMs: number): string {
  const since = durationText(nowMs - sinceMs);
  if (is === 'connected') return `shared with other gateways for ${since}`;
  if (is === 'connecting') return 'sharing: connecting to Redis';
  return `sharing: Redis is away for ${since}, this gateway carries on alone${because === null ? '' : ` (${because})`}`;
}
