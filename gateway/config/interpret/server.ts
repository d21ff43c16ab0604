// `server`, `history`, log level and `general_settings.master_key`.

import { createHash } from 'node:crypto';
import { isLoopback } from '../address.ts';
import { defaultHardware, defaultHistory, defaultLimits, defaultServer } from '../defaults.ts';
import type { LimitValues, ServerValues } from '../schema/server.ts';
import type {
  ApiKey,
  HardwareSettings,
  HistorySettings,
  LimitSettings,
  ServerSettings,
  Settings,
} from '../settings.ts';
import { readableFile, remarkOnPlainSecret } from './providers.ts';
import { at, entryAt, type Reading, timeMs } from './reading.ts';

export function readServer(reading: Reading): ServerSettings {
  const values = reading.values.server ?? {};
  const apiKeys = [...readApiKeys(reading, values), ...readMasterKey(reading)];
  const { host, port } = reading.listen;
  if (!isLoopbackBind(host) && apiKeys.length === 0)
    reading.problems.error(at(reading, ['server', 'host']), ['server', 'host'], {
      code: 'lan_without_keys',
      message: `listening on ${host} needs API keys: other machines could use it; add server.api_keys`,
    });
  checkOrigins(reading, values);
  const tls = {
    tlsCertFile: readableFile(reading, values.tls_cert, ['server', 'tls_cert']),
    tlsKeyFile: readableFile(reading, values.tls_key, ['server', 'tls_key']),
  };
  if ((tls.tlsCertFile === null) !== (tls.tlsKeyFile === null)) {
    const [there, absent] = tls.tlsCertFile === null ? ['tls_key', 'tls_cert'] : ['tls_cert', 'tls_key'];
    const message = `"${there}" needs "${absent}" beside it`;
    reading.problems.error(at(reading, ['server', there]), ['server', absent], { code: 'missing_key', message });
  }
  return {
    host,
    port,
    apiKeys,
    allowedHosts: values.allowed_hosts ?? [],
    allowedOrigins: values.allowed_origins ?? [],
    isRemoteAdminAllowed: values.remote_admin ?? false,
    ...tls,
    isModelManagementAllowed: values.allow_model_management ?? false,
    shutdownTimeoutMs:
      timeMs(reading, ['server', 'shutdown_timeout'], values.shutdown_timeout, values.shutdown_timeout_ms) ??
      defaultServer.shutdownTimeoutMs,
    limits: readLimits(values.limits ?? {}),
  };
}

/** `0.0.0.0` reaches this machine too, but listens to all. */
function isLoopbackBind(host: string): boolean {
  return isLoopback(host) && host !== '0.0.0.0' && host !== '::';
}

function readApiKeys(reading: Reading, values: ServerValues): readonly ApiKey[] {
  const keys: ApiKey[] = [];
  for (const [index, { name, key, sha256 }] of (values.api_keys ?? []).entries()) {
    const path = ['server', 'api_keys', index];
    if ((key == null) === (sha256 == null)) {
      const code = key == null ? 'missing_key' : 'conflicting_keys';
      const message = `the API key "${name}" needs either "key" or "sha256"`;
      reading.problems.error(entryAt(reading, path), path, { code, message });
      continue;
    }
    if (keys.some((other) => other.name === name))
      reading.problems.error(at(reading, [...path, 'name']), path, {
        code: 'duplicate_name',
        message: `there is already an API key named "${name}"`,
      });
    remarkOnPlainSecret(reading, key, [...path, 'key']);
    keys.push({ name, sha256: sha256?.toLowerCase() ?? sha256Of(key ?? '') });
  }
  return keys;
}

/** A file that asked for keys never runs open: an empty master key is an error, not no key. */
function readMasterKey(reading: Reading): readonly ApiKey[] {
  const key = reading.values.general_settings?.master_key;
  if (key == null) return [];
  const path = ['general_settings', 'master_key'];
  if (key === '') {
    reading.problems.error(at(reading, path), path, {
      code: 'invalid_value',
      message: 'the master key is empty; give it a value or remove the line',
    });
    return [];
  }
  remarkOnPlainSecret(reading, key, path);
  return [{ name: 'master_key', sha256: sha256Of(key) }];
}

function sha256Of(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

function checkOrigins(reading: Reading, values: ServerValues): void {
  for (const [index, origin] of (values.allowed_origins ?? []).entries()) {
    if (/^[a-z][a-z0-9+.-]*:\/\/[^/*\s]+$/i.test(origin)) continue;
    const path = ['server', 'allowed_origins', index];
    const message = `expected an origin such as "https://chat.example.com" (no path, no "*"), got ${JSON.stringify(origin)}`;
    reading.problems.error(at(reading, path), path, { code: 'invalid_value', message });
  }
}

const megabyte = 1024 * 1024;

function readLimits(values: LimitValues): LimitSettings {
  const bytes = (amount: number | null | undefined, unit: number, otherwise: number): number =>
    amount == null ? otherwise : Math.round(amount * unit);
  return {
    bodyBytes: bytes(values.body_mb, megabyte, defaultLimits.bodyBytes),
    heldBodiesBytes: bytes(values.held_bodies_mb, megabyte, defaultLimits.heldBodiesBytes),
    headerBytes: bytes(values.header_kb, 1024, defaultLimits.headerBytes),
    jsonDepth: values.json_depth ?? defaultLimits.jsonDepth,
    modelNameCharacters: values.model_name_characters ?? defaultLimits.modelNameCharacters,
    connections: values.connections ?? defaultLimits.connections,
    heldAnswerBytes: bytes(values.held_answer_mb, megabyte, defaultLimits.heldAnswerBytes),
    heldAnswersBytes: bytes(values.held_answers_mb, megabyte, defaultLimits.heldAnswersBytes),
    sseLineBytes: bytes(values.sse_line_mb, megabyte, defaultLimits.sseLineBytes),
    logFiles: values.log_files ?? defaultLimits.logFiles,
    logFileBytes: bytes(values.log_file_mb, megabyte, defaultLimits.logFileBytes),
  };
}

export function readHistory(reading: Reading): HistorySettings {
  const { retention_days: days, max_mb: megabytes } = reading.values.history ?? {};
  return { retentionDays: days ?? defaultHistory.retentionDays, maxMb: megabytes ?? defaultHistory.maxMb };
}

export function readHardware({ values }: Reading): HardwareSettings {
  return { isRecorded: values.history?.record_hardware ?? defaultHardware.isRecorded };
}

/** `log_level`, else what the guides' switches for more output ask for. */
export function readLogLevel({ values }: Reading): Settings['logLevel'] {
  const isVerbose =
    values.debug || values.debug_router || values.router_settings?.set_verbose || values.litellm_settings?.set_verbose;
  return values.log_level ?? (isVerbose ? 'debug' : 'info');
}
