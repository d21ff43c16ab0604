// Who listens on a port of this machine, as far as the system tells.

import { execFile } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { get } from 'node:http';

interface Holder {
  readonly name: string;
  readonly pid: number;
}

const ASK_TIMEOUT_MS = 1_000;
const LISTENING = '0A';

/** The socket inodes that listen on that port, from a table of /proc/net (proc(5): local address `HEX:PORT`, state, inode). */
export function listeningInodes(table: string, port: number): readonly string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return table.split('\n').flatMap((line) => {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
    return local?.endsWith(suffix) && state === LISTENING && inode !== undefined ? [inode] : [];
  });
}

async function holderFromProc(port: number): Promise<Holder | null> {
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8').catch(() => '')),
  );
  const wanted = new Set(tables.flatMap((table) => listeningInodes(table, port)).map((inode) => `socket:[${inode}]`));
  if (wanted.size === 0) return null;
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    // Other users' processes cannot be looked into; neither can those that have just ended.
    const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
    for (const descriptor of descriptors) {
      const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '');
      if (wanted.has(target)) return { pid: Number(pid), name: (await readFile(`/proc/${pid}/comm`, 'utf8')).trim() };
    }
  }
  return null;
}

/** Reads `lsof -Fpc` (lsof(8): one field per line, `p` the process id, `c` the command). */
export function parseLsof(output: string): Holder | null {
  const pid = /^p(\d+)$/m.exec(output)?.[1];
  const name = /^c(.+)$/m.exec(output)?.[1];
  return pid === undefined || name === undefined ? null : { pid: Number(pid), name };
}

function holderFromLsof(port: number): Promise<Holder | null> {
  return new Promise((resolve) => {
    const args = ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-Fpc'];
    execFile('lsof', args, { timeout: ASK_TIMEOUT_MS }, (_error, stdout) => resolve(parseLsof(stdout)));
  });
}

/** What a listener says of itself at `/health/readiness`, if it is one of ours. */
function readSwitchyard(address: string, port: number): Promise<{ readonly version: string } | null> {
  return new Promise((resolve) => {
    const options = { host: address, port, path: '/health/readiness', timeout: ASK_TIMEOUT_MS, agent: false };
    const request = get(options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > 64 * 1024) request.destroy();
      });
      response.on('close', () => resolve(switchyardOf(text)));
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(null));
  });
}

function switchyardOf(text: string): { readonly version: string } | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('product' in value) || value.product !== 'switchyard')
      return null;
    return { version: 'version' in value && typeof value.version === 'string' ? value.version : 'unknown' };
  } catch {
    return null;
  }
}

/** `another Switchyard (version 0.1.0, node, process 42)`, `ollama (process 42)`, or null when nothing can be found out. */
export async function describePortHolder(address: string, port: number): Promise<string | null> {
  const fromSystem = process.platform === 'linux' ? holderFromProc(port) : Promise.resolve(null);
  const [ours, proc] = await Promise.all([readSwitchyard(address, port), fromSystem.catch(() => null)]);
  const holder = proc ?? (process.platform === 'win32' ? null : await holderFromLsof(port));
  if (ours) {
    const process = holder === null ? '' : `, process ${holder.pid}`;
    return `another Switchyard (version ${ours.version}${process})`;
  }
  return holder === null ? null : `${holder.name} (process ${holder.pid})`;
}
