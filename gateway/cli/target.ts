// Which gateway the flags mean: where it should be listening, and with which certificate.

import { readFileSync } from 'node:fs';
import { loadSettings } from '../config/load.ts';
import { dataFolder, findConfigFiles } from '../config/paths.ts';
import type { CommandInput } from './arguments.ts';
import { readRunning } from './running.ts';

export interface GatewayTarget {
  readonly scheme: 'http' | 'https';
  /** An address to connect to, without brackets. */
  readonly host: string;
  readonly port: number;
  /** The gateway's own certificate, which it must show; null for plain HTTP. */
  readonly certificate: Buffer | null;
  readonly dataFolder: string;
  readonly url: string;
}

const DEFAULT_PORT = 4000;

/** An address that reaches a listener bound to this host. */
function reachable(host: string): string {
  const plain = host.replace(/^\[|\]$/g, '');
  if (plain === '0.0.0.0' || plain === 'localhost') return '127.0.0.1';
  return plain === '::' ? '::1' : plain;
}

/**
 * `--port` before all, then the note of a gateway that runs with this data folder, then the configuration, then 4000.
 * A configuration with errors says nothing here: the gateway may run on the one before it.
 */
export async function findGateway({ config, data, port }: CommandInput): Promise<GatewayTarget> {
  const folder = dataFolder(data);
  const cwd = process.cwd();
  const { files } = findConfigFiles({ given: config, env: process.env, cwd });
  const { settings } = loadSettings({ files, env: process.env, dataFolder: folder, cwd });
  const noted = port === null ? URL.parse(readRunning(folder)?.url ?? '') : null;
  const certificateFile = settings?.server.tlsCertFile ?? null;
  const isTls = noted === null ? certificateFile !== null : noted.protocol === 'https:';
  const host = reachable(noted?.hostname ?? settings?.server.host ?? '127.0.0.1');
  const notedPort = noted === null ? null : Number(noted.port || (isTls ? 443 : 80));
  const chosenPort = port ?? notedPort ?? settings?.server.port ?? DEFAULT_PORT;
  return {
    scheme: isTls ? 'https' : 'http',
    host,
    port: chosenPort,
    certificate: isTls && certificateFile !== null ? readFileSync(certificateFile) : null,
    dataFolder: folder,
    url: `${isTls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${chosenPort}`,
  };
}
