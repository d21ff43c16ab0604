// `providers` to `ProviderSettings`.

import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isOwnAddress, parseBaseUrl, placeOf } from '../address.ts';
import { parameters } from '../amounts.ts';
import { checkCron } from '../cron.ts';
import { defaultProvider, emptyModel, noTimeLimits } from '../defaults.ts';
import type { DocumentPath } from '../problems.ts';
import type { ModelValues, ProbeValues, ProviderValues } from '../schema/providers.ts';
import type { DeclaredModel, KeepWarmEntry, ProbeSettings, ProviderSettings } from '../settings.ts';
import { at, entriesOf, entryAt, type Reading, scalarAt, timeLimits, timeMs } from './reading.ts';

/** All of `providers`, in the order of the file; those that cannot be used are reported and left out. */
export function readProviders(reading: Reading, probe: ProbeSettings): Map<string, ProviderSettings> {
  const providers = new Map<string, ProviderSettings>();
  for (const [name, values, path] of entriesOf(reading, 'providers', reading.values.providers)) {
    if (name === 'none')
      reading.problems.error(entryAt(reading, path), path, {
        code: 'reserved_name',
        message: '"none" stands for no fallback and cannot be the name of a provider',
      });
    const provider = readProvider(reading, name, values, path, probe);
    if (provider) providers.set(name, provider);
  }
  return providers;
}

function readProvider(
  reading: Reading,
  name: string,
  values: ProviderValues,
  path: DocumentPath,
  probe: ProbeSettings,
): ProviderSettings | null {
  const address = checkedAddress(reading, values.base_url, [...path, 'base_url']);
  if (!address) return null;
  remarkOnSecurity(reading, values, path);
  return {
    name,
    kind: values.kind,
    vendor: null,
    ...address,
    // An empty key is what an unused variable leaves behind: no key.
    apiKey: values.api_key || null,
    headers: { ...values.headers },
    notCallableBecause: null,
    isEnabled: values.enabled ?? true,
    priority: values.priority ?? defaultProvider.priority,
    weight: values.weight ?? defaultProvider.weight,
    maxParallelRequests: values.max_parallel_requests ?? null,
    maxQueue: values.max_queue ?? defaultProvider.maxQueue,
    queueTimeoutMs:
      timeMs(reading, [...path, 'queue_timeout'], values.queue_timeout, values.queue_timeout_ms) ??
      defaultProvider.queueTimeoutMs,
    caFile: readableFile(reading, values.ca_file, [...path, 'ca_file']),
    isTlsInsecure: values.tls_insecure ?? false,
    rpm: values.rpm ?? null,
    tpm: values.tpm ?? null,
    timeouts: timeLimits(reading, [...path, 'timeouts'], values.timeouts) ?? noTimeLimits,
    defaultModel: values.default_model ?? null,
    models: readModels(values.models),
    probe: readProbe(reading, [...path, 'probe'], values.probe, probe),
    keepWarm: readKeepWarm(reading, [...path, 'keep_warm'], values.keep_warm),
    isDiscovered: false,
    isNamedInFile: true,
    position: entryAt(reading, path),
  };
}

/** The one spelling of a base URL and where it leads; null after saying what is wrong with it. */
export function checkedAddress(
  reading: Reading,
  text: string,
  path: DocumentPath,
): Pick<ProviderSettings, 'baseUrl' | 'place'> | null {
  const { problems, listen, machine } = reading;
  const url = parseBaseUrl(text.trim());
  if (typeof url === 'string') {
    problems.error(at(reading, path), path, { code: 'invalid_url', message: url });
    return null;
  }
  if (isOwnAddress(url, listen, machine)) {
    problems.error(at(reading, path), path, {
      code: 'own_address',
      message: `${url.baseUrl} is the address of this gateway itself: requests would come round again`,
    });
    return null;
  }
  return { baseUrl: url.baseUrl, place: placeOf(url.host, machine) };
}

function remarkOnSecurity(reading: Reading, values: ProviderValues, path: DocumentPath): void {
  if (values.tls_insecure)
    reading.problems.warning(at(reading, [...path, 'tls_insecure']), [...path, 'tls_insecure'], {
      code: 'tls_insecure',
      message: 'any certificate is accepted: whoever is between can read and change everything',
    });
  remarkOnPlainSecret(reading, values.api_key, [...path, 'api_key']);
}

/** Servers that check no key are given words like `none` or `EMPTY`. */
const shortestSecret = 8;

/** Keys belong outside the file. */
export function remarkOnPlainSecret(reading: Reading, value: string | null | undefined, path: DocumentPath): void {
  const scalar = scalarAt(reading, path);
  if (!value || value.length < shortestSecret || !scalar || scalar.isSubstituted) return;
  reading.problems.lint(at(reading, path), path, {
    code: 'plain_secret',
    message: 'a key in plain text; os.environ/NAME or secret/NAME keeps it out of the file',
  });
}

/** An absolute path, from the folder of the file that names it. A file that is not there is an error. */
export function readableFile(reading: Reading, written: string | null | undefined, path: DocumentPath): string | null {
  if (!written) return null;
  const position = at(reading, path);
  const file = resolve(dirname(position.file), written);
  if (!existsSync(file))
    reading.problems.error(position, path, { code: 'file_missing', message: `${file} does not exist` });
  return file;
}

function readModels(models: ProviderValues['models']): ReadonlyMap<string, DeclaredModel> {
  const declared = new Map<string, DeclaredModel>();
  for (const [id, values] of Object.entries(models ?? {})) declared.set(id, readModel(id, values));
  return declared;
}

function readModel(id: string, values: ModelValues | null): DeclaredModel {
  if (!values) return emptyModel(id);
  return {
    ...emptyModel(id),
    aliases: values.aliases ?? [],
    size: values.size == null ? null : parameters(values.size),
    activeSize: values.active_size == null ? null : parameters(values.active_size),
    context: values.context ?? null,
    capabilities: values.capabilities ? new Set(values.capabilities) : null,
    rpm: values.rpm ?? null,
    tpm: values.tpm ?? null,
    weight: values.weight ?? null,
    priority: values.priority ?? null,
    inputCostPerToken: values.input_cost_per_token ?? null,
    outputCostPerToken: values.output_cost_per_token ?? null,
    maxParallelRequests: values.max_parallel_requests ?? null,
  };
}

function readProbe(
  reading: Reading,
  path: DocumentPath,
  values: ProbeValues | null | undefined,
  general: ProbeSettings,
): ProbeSettings {
  if (!values) return general;
  if (values.schedule != null)
    checkCron(reading.problems, at(reading, [...path, 'schedule']), [...path, 'schedule'], values.schedule);
  return {
    schedule: values.schedule ?? null,
    intervalMs: timeMs(reading, [...path, 'interval'], values.interval, values.interval_ms) ?? general.intervalMs,
    timeoutMs: timeMs(reading, [...path, 'timeout'], values.timeout, values.timeout_ms) ?? general.timeoutMs,
    retries: values.retries ?? general.retries,
  };
}

function readKeepWarm(
  reading: Reading,
  path: DocumentPath,
  entries: ProviderValues['keep_warm'],
): readonly KeepWarmEntry[] {
  return (entries ?? []).map((entry, index) => {
    const schedulePath = [...path, index, 'schedule'];
    checkCron(reading.problems, at(reading, schedulePath), schedulePath, entry.schedule);
    return { ...entry };
  });
}
