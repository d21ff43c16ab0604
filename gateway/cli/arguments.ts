// Reading the command line: every command, flag and exit code stands in this one list.

import { parseArgs } from 'node:util';
import { didYouMean } from '../config/nearest.ts';

/** What the process ends with. Other people's scripts rely on it. */
export const exitCode = {
  done: 0,
  /** It failed, or `check` found what it looks for; standard error or the output says what. */
  failed: 1,
  /** The command line makes no sense. */
  usage: 2,
  /** No gateway with this data folder answers there. */
  notRunning: 3,
  /** `start` was told a second time to stop and did not wait for running requests. */
  forced: 4,
} as const;

export type CommandName = 'start' | 'check' | 'status' | 'discover' | 'token' | 'schema' | 'explain' | 'ui';

/** What every command is given. */
export interface CommandInput {
  /** Each `--config`, in order. */
  readonly config: readonly string[];
  readonly data: string | null;
  readonly port: number | null;
  readonly host: string | null;
  readonly isStrict: boolean;
  readonly isJson: boolean;
  /** What is made is to be opened in the browser. */
  readonly isToOpen: boolean;
  /** What stands behind the command without a flag. */
  readonly files: readonly string[];
  /** The request to be explained. */
  readonly asked: AskedRequest;
}

/** A request as the command line describes it, not checked yet. */
export interface AskedRequest {
  readonly model: string | null;
  /** Each as written, `NAME: VALUE`. */
  readonly headers: readonly string[];
  /** A file with the JSON body; `-` is standard input. */
  readonly body: string | null;
  /** Providers to be thought of as down. */
  readonly down: readonly string[];
  readonly endpoint: string | null;
}

const flagNames = [
  'config',
  'data',
  'port',
  'host',
  'strict',
  'json',
  'open',
  'model',
  'header',
  'body',
  'down',
  'endpoint',
] as const;

type Flag = (typeof flagNames)[number];

interface CommandFacts {
  readonly usage: string;
  readonly summary: string;
  readonly flags: readonly Flag[];
  readonly takesFiles: boolean;
}

const common: readonly Flag[] = ['config', 'data', 'port'];

export const commands: Readonly<Record<CommandName, CommandFacts>> = {
  start: {
    usage: 'start [--config FILE]... [--port N] [--host HOST] [--data DIR]',
    summary: 'run the gateway until it is told to stop',
    flags: [...common, 'host'],
    takesFiles: false,
  },
  check: {
    usage: 'check [--strict] [--json] [FILE]...',
    summary: 'print every problem of a configuration, as file:line:col severity code message',
    flags: [...common, 'strict', 'json'],
    takesFiles: true,
  },
  status: {
    usage: 'status [--json]',
    summary: 'show what the running gateway is doing',
    flags: [...common, 'json'],
    takesFiles: false,
  },
  ui: {
    usage: 'ui [--open]',
    summary: 'print a link that opens the window and signs one browser in: once, within a minute',
    flags: [...common, 'open'],
    takesFiles: false,
  },
  explain: {
    usage: "explain [--model M] [--header 'K: V']... [--body FILE] [--down PROVIDER]... [--endpoint E] [--json]",
    summary: 'show who would be asked for a request, and why; nothing is sent',
    flags: [...common, 'model', 'header', 'body', 'down', 'endpoint', 'json'],
    takesFiles: false,
  },
  discover: {
    usage: 'discover [--json]',
    summary: 'look for model servers on this machine and print them as a configuration',
    flags: [...common, 'json'],
    takesFiles: false,
  },
  token: { usage: 'token', summary: 'print the token that opens /admin', flags: common, takesFiles: false },
  schema: {
    usage: 'schema',
    summary: 'print the JSON Schema of the configuration, for completion in editors',
    flags: common,
    takesFiles: false,
  },
};

export const helpText = `switchyard: one local address for every model you host

Usage: switchyard COMMAND [FLAGS]

${Object.values(commands)
  .map(({ usage, summary }) => `  ${usage}\n      ${summary}`)
  .join('\n')}

Flags of every command, which say what gateway is meant:
  --config FILE   a configuration; several are merged, the first counts most
                  (else SWITCHYARD_CONFIG, ./switchyard.yaml, the one in the per-user folder)
  --data DIR      the folder of history and token (else the per-user one)
  --port N        the port (else server.port, else 4000; start with 0 picks a free one)
  --help, --version

Flags of explain, which describe the request:
  --model M         the model it names
  --header 'K: V'   a header of it, such as 'X-Provider: ollama' (repeated for more)
  --body FILE       its JSON body, - for standard input
  --endpoint E      chat, completions, embeddings, messages, ollama_chat, ... or a path (chat)
  --down PROVIDER   decide as if this provider were down (repeated for more)

Exit codes: 0 done, 1 failed or problems found, 2 wrong usage, 3 no such gateway is running,
4 stopped by force; explain ends with 0 also for a request that would be refused
`;

/** The command line makes no sense; the message says why. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export type Parsed =
  | { readonly is: 'help' }
  | { readonly is: 'version' }
  | { readonly is: 'command'; readonly name: CommandName; readonly input: CommandInput };

const options = {
  config: { type: 'string', multiple: true },
  data: { type: 'string' },
  port: { type: 'string' },
  host: { type: 'string' },
  strict: { type: 'boolean' },
  json: { type: 'boolean' },
  open: { type: 'boolean' },
  model: { type: 'string' },
  header: { type: 'string', multiple: true },
  body: { type: 'string' },
  down: { type: 'string', multiple: true },
  endpoint: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
} as const;

function isCommand(name: string): name is CommandName {
  return Object.hasOwn(commands, name);
}

/** Throws `UsageError`. */
export function parseCommandLine(args: readonly string[]): Parsed {
  const { values, positionals } = parsed(args);
  if (values.help === true) return { is: 'help' };
  if (values.version === true) return { is: 'version' };
  const [name, ...files] = positionals;
  if (name === undefined) throw new UsageError('no command was given');
  if (!isCommand(name)) throw new UsageError(`there is no command "${name}"${didYouMean(name, Object.keys(commands))}`);
  const { flags, takesFiles } = commands[name];
  const surplus = flagNames.find((flag) => values[flag] !== undefined && !flags.includes(flag));
  if (surplus !== undefined) throw new UsageError(`${name} takes no --${surplus}`);
  if (files.length > 0 && !takesFiles) throw new UsageError(`${name} takes no "${files[0]}"`);
  const input: CommandInput = {
    config: values.config ?? [],
    data: values.data ?? null,
    port: values.port === undefined ? null : portOf(values.port),
    host: values.host ?? null,
    isStrict: values.strict === true,
    isJson: values.json === true,
    isToOpen: values.open === true,
    files,
    asked: {
      model: values.model ?? null,
      headers: values.header ?? [],
      body: values.body ?? null,
      down: values.down ?? [],
      endpoint: values.endpoint ?? null,
    },
  };
  return { is: 'command', name, input };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const unknown = /^Unknown option '(--?[^']*)'/.exec(error.message)?.[1];
    if (unknown === undefined) throw new UsageError(error.message);
    const known = Object.keys(options).map((flag) => `--${flag}`);
    throw new UsageError(`there is no flag ${unknown}${didYouMean(unknown, known)}`);
  }
}

function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw new UsageError(`--port ${text}: expected a number from 0 to 65535`);
}
