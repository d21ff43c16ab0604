// A gateway as users run it, in this process, on a free port and with a data folder of its own.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Clock } from '../../gateway/clock.ts';
import type { DispatchLimits } from '../../gateway/dispatch/limits.ts';
import { readManagementToken } from '../../gateway/http/management-token.ts';
import { type Gateway, startGateway } from '../../gateway/index.ts';
import type { Log, LogFields } from '../../gateway/telemetry/log.ts';
import type { Outcome } from '../../gateway/types.ts';

export interface TestGateway extends AsyncDisposable {
  readonly url: string;
  readonly gateway: Gateway;
  readonly dataFolder: string;
  readonly configFile: string;
  /** Every line it logged: level, message. */
  readonly lines: readonly string[];
  /** The stored outcome of an answer, by its `x-request-id`. */
  outcome(requestId: string): Promise<Outcome>;
  /** Calls the admin API with the token. */
  admin(target: string, init?: RequestInit): Promise<Response>;
  close(): Promise<void>;
}

export interface TestGatewayOptions {
  readonly dispatchLimits?: Partial<DispatchLimits>;
  readonly env?: NodeJS.ProcessEnv;
  /** Ports to look at while nothing is configured; without it nothing is looked for. */
  readonly discoveryPorts?: readonly number[];
  readonly dataFolder?: string;
  /** Else a free one. */
  readonly port?: number;
  /** In place of the system's: a `MovableClock`, where cooldowns and windows are to pass. */
  readonly clock?: Clock;
}

/** Starts a gateway on that YAML; it is ready and has listed its providers when this resolves. */
export async function testGateway(yaml: string, options: TestGatewayOptions = {}): Promise<TestGateway> {
  const folder = mkdtempSync(path.join(tmpdir(), 'switchyard-test-'));
  const dataFolder = options.dataFolder ?? path.join(folder, 'data');
  const configFile = path.join(folder, 'switchyard.yaml');
  writeFileSync(configFile, yaml);
  const lines: string[] = [];
  const note = (level: string) => (message: string, fields?: LogFields) => {
    lines.push(`${level} ${message}${fields === undefined ? '' : ` ${JSON.stringify(fields)}`}`);
  };
  const log: Log = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
  const gateway = await startGateway({
    configFiles: [configFile],
    dataFolder,
    env: options.env ?? {},
    log,
    port: options.port ?? 0,
    discovery: options.discoveryPorts === undefined ? null : { ports: options.discoveryPorts },
    ...(options.clock === undefined ? {} : { clock: options.clock }),
    ...(options.dispatchLimits === undefined ? {} : { dispatchLimits: options.dispatchLimits }),
  });
  const url = gateway.urls[0] ?? '';
  const admin = (target: string, init: RequestInit = {}) => {
    const token = readManagementToken(dataFolder) ?? '';
    return fetch(url + target, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } });
  };
  const close = async () => {
    await gateway.close({ isForced: true });
    rmSync(folder, { recursive: true, force: true });
  };
  return {
    url,
    gateway,
    dataFolder,
    configFile,
    lines,
    admin,
    outcome: async (requestId) => {
      const response = await admin(`/admin/requests/${requestId}`);
      if (!response.ok) throw new Error(`no outcome ${requestId}: ${await response.text()}`);
      return (await response.json()) as Outcome;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
