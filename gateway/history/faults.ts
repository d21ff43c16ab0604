// What can be wrong with the history, in words for people and in consequences for the recorder.

/** What to do with rows while the fault lasts, and when to look again. */
export type FaultClass =
  /** Passing (full disk, locked, I/O error): rows are held within bounds and written when it is over. */
  | 'passing'
  /** Somebody has to act, or another gateway to end; nothing is held, and we look again now and then. */
  | 'lasting'
  /** Nothing that happens while this process runs can cure it. */
  | 'final'
  /** These very rows cannot be written, now or later: they are given up and counted. */
  | 'rows'
  /** The file is damaged: it is set aside and a new one begun, inside the worker. */
  | 'corrupt';

export interface Fault {
  readonly class: FaultClass;
  /** A sentence without a final stop. */
  readonly because: string;
}

/** Thrown inside the worker where the cause is known without SQLite. */
export class HistoryFault extends Error {
  override readonly name = 'HistoryFault';
  readonly fault: Fault;
  constructor(faultClass: FaultClass, because: string) {
    super(because);
    this.fault = { class: faultClass, because };
  }
}

/**
 * Names what went wrong with that file. Codes: https://sqlite.org/rescode.html for `SQLITE_…` (extended ones begin with
 * the same word), errno names for the file system.
 */
export function faultOf(error: unknown, file: string): Fault {
  if (error instanceof HistoryFault) return error.fault;
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : String(error);
  if (code.startsWith('SQLITE_CORRUPT') || code.startsWith('SQLITE_NOTADB')) {
    return { class: 'corrupt', because: `${file} is damaged (${message})` };
  }
  if (code.startsWith('SQLITE_FULL') || code === 'ENOSPC' || code === 'EDQUOT') {
    return { class: 'passing', because: `the disk with ${file} is full` };
  }
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) {
    return { class: 'passing', because: `${file} is locked by another program` };
  }
  if (code.startsWith('SQLITE_READONLY') || code === 'EROFS' || code === 'EACCES' || code === 'EPERM') {
    return { class: 'lasting', because: `${file} cannot be written (${message})` };
  }
  if (code.startsWith('SQLITE_CANTOPEN') || code === 'ENOTDIR' || code === 'ENOENT' || code === 'EISDIR') {
    return { class: 'lasting', because: `${file} cannot be opened (${message})` };
  }
  if (code === '' || code.startsWith('ERR_'))
    return { class: 'rows', because: `rows could not be written (${message})` };
  return { class: 'passing', because: `${file} cannot be used now (${message})` };
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}

/** better-sqlite3 13 is built for Node-API 10 and kills the process with a segmentation fault below it (measured: Node 20.20). */
const leastNodeApi = 10;

/** Null: SQLite can be loaded here; else why not. `nodeApi` is `process.versions.napi`. */
export function whyNoDatabase(nodeApi: string | undefined): string | null {
  const version = Number(nodeApi);
  if (version >= leastNodeApi) return null;
  return `this Node (Node-API ${nodeApi ?? 'unknown'}) is too old for the database: Node 22.19 or newer is needed`;
}
