// Base URLs: their one spelling, where they lead, and whether that is ourselves.

import { BlockList, isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import type { Place } from '../types.ts';

/** What has to be known of this machine to tell its own addresses from others. */
export interface Machine {
  readonly hostname: string;
  readonly addresses: readonly string[];
}

/** The machine this runs on. */
export function thisMachine(): Machine {
  const addresses = Object.values(networkInterfaces()).flatMap((cards) => (cards ?? []).map((card) => card.address));
  return { hostname: hostname().toLowerCase(), addresses };
}

export interface BaseUrl {
  /** Without a final slash and without a final `/v1`. */
  readonly baseUrl: string;
  /** Lower case, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Reads a base URL as people write it; a text says what is wrong with it. */
export function parseBaseUrl(text: string): BaseUrl | string {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return `expected an address such as "http://${text.replace(/^\/+/, '')}"`;
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return 'this is no valid address; expected one such as "http://127.0.0.1:11434"';
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    return 'expected an address that begins with http:// or https://';
  if (url.username !== '' || url.password !== '')
    return 'the address must not hold a name or password; use api_key or headers';
  if (url.search !== '' || url.hash !== '') return 'the address must end before "?" and "#"';
  const path = url.pathname.replace(/\/+$/, '').replace(/\/v1$/, '').replace(/\/+$/, '');
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
  return { baseUrl: `${url.protocol}//${url.host}${path}`, host: bareHost(url.hostname), port };
}

function bareHost(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8);
loopback.addAddress('::1', 'ipv6');
loopback.addAddress('0.0.0.0');
loopback.addAddress('::', 'ipv6');

/** Private, link-local and carrier-grade ranges (RFC 1918, 3927, 4193, 4291, 6598). */
const privateRanges = new BlockList();
privateRanges.addSubnet('10.0.0.0', 8);
privateRanges.addSubnet('172.16.0.0', 12);
privateRanges.addSubnet('192.168.0.0', 16);
privateRanges.addSubnet('169.254.0.0', 16);
privateRanges.addSubnet('100.64.0.0', 10);
privateRanges.addSubnet('fc00::', 7, 'ipv6');
privateRanges.addSubnet('fe80::', 10, 'ipv6');

function isIn(list: BlockList, host: string): boolean {
  const version = isIP(host);
  return version !== 0 && list.check(host, version === 6 ? 'ipv6' : 'ipv4');
}

const machineNames = new Set(['localhost', 'host.docker.internal', 'host.containers.internal']);
const privateNames = /\.(local|lan|home|internal|intranet|home\.arpa|ts\.net|test)$/;

/** Whether a host is this machine by its loopback names alone. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || isIn(loopback, host);
}

/** Where a host is: on this machine, on a private network, or anywhere else. */
export function placeOf(host: string, machine: Machine): Place {
  if (isLoopback(host) || machineNames.has(host) || host === machine.hostname) return 'local';
  if (machine.addresses.includes(host)) return 'local';
  if (isIn(privateRanges, host) || privateNames.test(host)) return 'lan';
  // A name without a dot is only known to the own network.
  return isIP(host) === 0 && !host.includes('.') ? 'lan' : 'cloud';
}

/** The address the gateway will listen on. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Whether a provider's address is the gateway's own, which would make each request come round again. */
export function isOwnAddress(url: BaseUrl, listen: ListenAddress, machine: Machine): boolean {
  if (listen.port === 0 || url.port !== listen.port) return false;
  const host = listen.host.toLowerCase();
  if (url.host === host) return true;
  const isEverywhere = host === '0.0.0.0' || host === '::';
  // A machine's own name usually leads to a loopback address.
  if (isLoopback(host) || isEverywhere) if (isLoopback(url.host) || url.host === machine.hostname) return true;
  return isEverywhere && (machineNames.has(url.host) || machine.addresses.includes(url.host));
}

/** One spelling for the addresses that mean this machine, to compare two base URLs. */
export function comparableUrl(baseUrl: string): string {
  const url = new URL(baseUrl);
  return isLoopback(bareHost(url.hostname)) ? baseUrl.replace(url.host, `loopback:${url.port}`) : baseUrl;
}
