// `switchyard start`

import { flushCompileCache } from 'node:module';
import { dataFolder, findConfigFiles } from '../config/paths.ts';
import { ConfigError } from '../config/store.ts';
import { secretsOf } from '../dispatch/secrets.ts';
import { type Gateway, startGateway } from '../index.ts';
import { createLog, type LogControl } from '../telemetry/log.ts';
import { type CommandInput, exitCode } from './arguments.ts';
import { problemLine } from './problem-line.ts';
import { noteRunning } from './running.ts';

/** After being told twice: for what does not even end when it is forced to. */
const FORCED_END_MS = 3_000;
/** What was compiled is kept once the start is over, also for a gateway that is killed one day. */
const KEEP_CODE_AFTER_MS = 5_000;
/** A terminal that closes means it as well. */
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Runs until it is told to stop. The first signal lets running requests end, a second one does not. */
export async function start(input: CommandInput): Promise<number> {
  const cwd = process.cwd();
  const folder = dataFolder(input.data);
  const found = findConfigFiles({ given: input.config, env: process.env, cwd });
  const log = createLog({ level: 'info', destination: 2, isTerminal: process.stderr.isTTY === true });
  let gateway: Gateway;
  try {
    gateway = await startGateway({
      configFiles: found.files,
      configCreatedAt: found.writeTo,
      dataFolder: folder,
      env: process.env,
      log,
      onSettings: (settings) => {
        log.setLevel(settings.logLevel);
        log.setSecrets(secretsOf(settings));
      },
      ...(input.host === null ? {} : { host: input.host }),
      ...(input.port === null ? {} : { port: input.port }),
    });
  } catch (error) {
    await log.close();
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) process.stderr.write(`${problemLine(problem, cwd)}\n`);
    process.stderr.write('switchyard: the configuration has errors, so nothing was started\n');
    return exitCode.failed;
  }
  const url = gateway.urls[0] ?? '';
  const removeNote = noteRunning(folder, url);
  console.log(`listening on ${url}`);
  const keepCode = setTimeout(flushCompileCache, KEEP_CODE_AFTER_MS);
  const code = await untilStopped(gateway, log);
  clearTimeout(keepCode);
  removeNote();
  await log.close();
  return code;
}

async function untilStopped(gateway: Gateway, log: LogControl): Promise<number> {
  const { promise: ended, resolve } = Promise.withResolvers<number>();
  let told = 0;
  const stop = (signal: NodeJS.Signals) => {
    told += 1;
    if (told === 1) {
      log.info(`${signal}: no new requests are taken, running ones may end; the same again ends them at once`);
      void gateway.close().then(() => resolve(exitCode.done), endBadly);
    } else if (told === 2) {
      log.warn(`${signal} again: running requests are ended`);
      setTimeout(() => process.exit(exitCode.forced), FORCED_END_MS).unref();
      void gateway.close({ isForced: true }).then(() => resolve(exitCode.forced), endBadly);
    } else process.exit(exitCode.forced);
  };
  const endBadly = (error: unknown) => {
    log.error('the end was not clean', { error });
    resolve(exitCode.failed);
  };
  for (const signal of STOP_SIGNALS) process.on(signal, stop);
  const code = await ended;
  for (const signal of STOP_SIGNALS) process.off(signal, stop);
  return told > 1 ? exitCode.forced : code;
}
