// From files to settings: read, merge, resolve, validate, interpret, remark, freeze.

import { resolve } from 'node:path';
import { type ListenAddress, type Machine, thisMachine } from './address.ts';
import { defaultServer, emptySettings } from './defaults.ts';
import { freezeDeep } from './freeze.ts';
import { readChains, readFirstRequest, readStrategies } from './interpret/chains.ts';
import { readModelList } from './interpret/model-list.ts';
import { readProviders } from './interpret/providers.ts';
import type { Reading } from './interpret/reading.ts';
import { strategyName } from './interpret/reading.ts';
import {
  readAliases,
  readCache,
  readCallbacks,
  readGeneralProbe,
  readRedis,
  readReliability,
  readStrategyOptions,
} from './interpret/router.ts';
import {
  readCapabilities,
  readExactMatches,
  readMetadataRules,
  readMode,
  readPatterns,
  readRedundantModels,
  readSizeRules,
} from './interpret/rules.ts';
import { readHardware, readHistory, readLogLevel, readServer } from './interpret/server.ts';
import { lintNames } from './lint.ts';
import { remarkOnLitellm } from './litellm-remarks.ts';
import type { LocatedMap } from './located.ts';
import { hasErrors, ProblemList } from './problems.ts';
import { type Environment, resolveReferences } from './references.ts';
import { readSecretsFile, secretsFile } from './secrets-file.ts';
import type { ConfigProblem, ProviderSettings, RoutingSettings, Settings } from './settings.ts';
import { digestOf, type ReadFile, readSources } from './sources.ts';
import { validateDocument } from './validate.ts';

export interface LoadOptions {
  /** The files, the one that counts most first; none: nothing is configured. Relative ones are taken from `cwd`. */
  readonly files: readonly string[];
  readonly env: Environment;
  /** Where `secrets.yaml` lies. */
  readonly dataFolder: string;
  readonly cwd: string;
  /** What the command line says in place of `server.host` and `server.port`. */
  readonly listen?: Partial<ListenAddress>;
  /** Secrets handed over by whoever started the gateway; asked before `secrets.yaml`. */
  readonly secrets?: ReadonlyMap<string, string>;
  /** A last look by those who will use the settings (conditions are parsed where they are evaluated). */
  readonly verify?: (settings: Settings) => readonly ConfigProblem[];
  readonly machine?: Machine;
  /** What files (absolute) would hold: taken in place of their content, also where there is no such file. */
  readonly texts?: ReadonlyMap<string, string>;
}

export interface LoadResult {
  /** Null when there is any error. */
  readonly settings: Settings | null;
  /** Errors, warnings and lints, by file and line. */
  readonly problems: readonly ConfigProblem[];
  /** All files that were read or looked for, also those that were not there. */
  readonly read: readonly ReadFile[];
}

/** Reads a configuration and reports everything there is to say about it. Never throws for what files contain. */
export function loadSettings(options: LoadOptions): LoadResult {
  const problems = new ProblemList();
  const files = options.files.map((file) => resolve(options.cwd, file));
  const { root, read } = readSources(files, { env: options.env, problems, texts: options.texts ?? new Map() });
  const secrets = new SecretStore(options, problems);
  resolveReferences(root, { env: options.env, secret: (name) => secrets.find(name) }, problems);
  const declaredProviders = namesUnder(root, 'providers');
  const values = validateDocument(root, problems);
  let settings: Settings | null = null;
  if (values) {
    const listen = {
      host: options.listen?.host ?? values.server?.host ?? defaultServer.host,
      port: options.listen?.port ?? values.server?.port ?? defaultServer.port,
    };
    const machine = options.machine ?? thisMachine();
    const reading: Reading = { values, root, problems, machine, listen, env: options.env };
    settings = interpret(reading, files);
    remarkOnLitellm(root, problems);
    lintNames(reading, settings, declaredProviders);
    problems.addAll(options.verify?.(settings) ?? []);
  }
  const all = problems.list();
  const watched = secrets.wasAsked ? [...read, secrets.asReadFile()] : read;
  if (!settings || hasErrors(all)) return { settings: null, problems: all, read: watched };
  return { settings: freezeDeep({ ...settings, problems: all }), problems: all, read: watched };
}

function namesUnder(root: LocatedMap, section: string): ReadonlySet<string> {
  const node = root.entries.get(section)?.value;
  return new Set(node?.kind === 'map' ? node.entries.keys() : []);
}

function interpret(reading: Reading, files: readonly string[]): Settings {
  const probe = readGeneralProbe(reading);
  const providers = readProviders(reading, probe);
  const routing = readRouting(reading, providers, probe);
  const redis = readRedis(reading);
  return {
    ...emptySettings(),
    files,
    server: readServer(reading),
    history: readHistory(reading),
    hardware: readHardware(reading),
    logLevel: readLogLevel(reading),
    providers,
    routing,
    reliability: readReliability(reading),
    cache: readCache(reading, redis),
    redis,
    callbacks: readCallbacks(reading),
  };
}

function readRouting(
  reading: Reading,
  providers: Map<string, ProviderSettings>,
  probe: ReturnType<typeof readGeneralProbe>,
): RoutingSettings {
  const { values } = reading;
  const strategies = readStrategies(reading);
  return {
    mode: readMode(reading),
    aliases: readAliases(reading),
    metadataRules: readMetadataRules(reading),
    exactMatches: readExactMatches(reading),
    redundantModels: readRedundantModels(reading),
    patterns: readPatterns(reading),
    ...readModelList(reading, providers, probe),
    capabilities: readCapabilities(reading),
    sizeRules: readSizeRules(reading),
    defaultProvider: values.default_provider ?? null,
    fallbackChains: readChains(reading),
    strategy: strategyName(values.router_settings?.routing_strategy),
    strategies,
    strategyOptions: readStrategyOptions(reading, strategies.get('usage_based')?.weights ?? null),
    firstRequest: readFirstRequest(reading),
    metrics: values.routing_metrics ? new Set(values.routing_metrics) : null,
  };
}

/** Opens `secrets.yaml` only when some value refers to a secret. */
class SecretStore {
  readonly #options: LoadOptions;
  readonly #problems: ProblemList;
  #stored: ReadonlyMap<string, string> | null = null;

  constructor(options: LoadOptions, problems: ProblemList) {
    this.#options = options;
    this.#problems = problems;
  }

  get wasAsked(): boolean {
    return this.#stored !== null;
  }

  find(name: string): string | null {
    this.#stored ??= readSecretsFile(this.#options.dataFolder, this.#problems);
    return this.#options.secrets?.get(name) ?? this.#stored.get(name) ?? null;
  }

  /** The names and values as they were read, to notice when they change. */
  asReadFile(): ReadFile {
    const digest = digestOf(JSON.stringify([...(this.#stored ?? [])]));
    return { file: secretsFile(this.#options.dataFolder), digest };
  }
}
