// Owns the current settings: loads them, watches every file they came from, and swaps only what is whole and valid.

import { existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type FSWatcher, watch } from 'chokidar';
import { type Clock, systemClock } from '../clock.ts';
import { type LoadOptions, type LoadResult, loadSettings } from './load.ts';
import { formatProblem } from './problems.ts';
import type { ConfigProblem, Settings } from './settings.ts';
import { digestOf, digestOfFile, type ReadFile } from './sources.ts';
import { type WatchedPaths, watchedPaths } from './watched-paths.ts';

export interface StoreOptions extends LoadOptions {
  /** The file that counts once it exists, while `files` is empty. */
  readonly createdAt?: string | null;
  readonly clock?: Clock;
  /** How long files have to be quiet before they are read (80). The watcher itself drops what follows within 50. */
  readonly debounceMs?: number;
}

/** What became of an edit. */
export interface SettingsChange {
  /** What runs now. */
  readonly settings: Settings;
  /** What ran before; the same value when the edit was refused. */
  readonly previous: Settings;
  /** False: the files are invalid and the last good settings run on. */
  readonly isCurrent: boolean;
  readonly problems: readonly ConfigProblem[];
}

export type SettingsListener = (change: SettingsChange) => void;

/** A configuration that cannot be started with. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(
      problems
        .filter(({ severity }) => severity === 'error')
        .map(formatProblem)
        .join('\n'),
    );
    this.problems = problems;
  }
}

/** Holds the settings; see `open`. */
export class SettingsStore {
  readonly #options: StoreOptions;
  readonly #clock: Clock;
  readonly #listeners = new Set<SettingsListener>();
  #current: Settings;
  #problems: readonly ConfigProblem[];
  #isCurrent = true;
  #read: readonly ReadFile[];
  #watcher: FSWatcher | null = null;
  #watched: WatchedPaths = { folders: new Set(), entries: new Set() };
  #cancelReload: (() => void) | null = null;
  #isClosed = false;

  private constructor(options: StoreOptions, loaded: LoadResult & { readonly settings: Settings }) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#current = loaded.settings;
    this.#problems = loaded.problems;
    this.#read = loaded.read;
  }

  /**
   * Loads the files and begins to watch them; resolves once changes are noticed.
   * Rejects with `ConfigError` when there is no valid configuration to start with.
   */
  static async open(options: StoreOptions): Promise<SettingsStore> {
    const loaded = load(options);
    const { settings } = loaded;
    if (!settings) throw new ConfigError(loaded.problems);
    const store = new SettingsStore(options, { ...loaded, settings });
    await store.#watch();
    return store;
  }

  /** The settings in force. */
  get current(): Settings {
    return this.#current;
  }

  /** False while an invalid edit is set aside. */
  get isCurrent(): boolean {
    return this.#isCurrent;
  }

  /** What there is to say about the files as they are now. */
  get problems(): readonly ConfigProblem[] {
    return this.#problems;
  }

  /** SHA-256 of a file as it was last read, to notice a change before writing; null when it was not read. */
  digestOf(file: string): string | null {
    return this.#read.find((read) => read.file === file)?.digest ?? null;
  }

  /** Calls back after each edit, whether it was taken or refused. Returns what ends that. */
  subscribe(listener: SettingsListener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Reads the files now. Does nothing when they hold what they held. */
  reload(): void {
    if (this.#isClosed) return;
    this.#cancelReload?.();
    this.#cancelReload = null;
    // Reading bytes is cheap, understanding them is most of a start.
    if (!this.#holdsWhatItHeld()) {
      const loaded = load(this.#options);
      if (!sameFiles(loaded.read, this.#read)) this.#take(loaded);
    }
    this.#watchAnew();
  }

  /**
   * What the configuration would be with that text in its first file. Reads what the text includes, changes nothing.
   * Where no file is configured the text stands for the one that would be created, else for `switchyard.yaml`.
   */
  draft(text: string): LoadResult {
    const { files, createdAt = null, cwd } = this.#options;
    const first = resolve(cwd, files[0] ?? createdAt ?? 'switchyard.yaml');
    const texts = new Map([[first, text]]);
    return loadSettings({ ...this.#options, files: [first, ...files.slice(1)], texts });
  }

  /** Whether every file that was read or looked for still holds the same; false also where that cannot be told. */
  #holdsWhatItHeld(): boolean {
    const { files, createdAt = null } = this.#options;
    const isCreated = files.length === 0 && createdAt !== null && existsSync(createdAt);
    if (isCreated && this.#read.length === 0) return false;
    return this.#read.every(({ file, digest }) => digestOfFile(file) === digest);
  }

  #take(loaded: LoadResult): void {
    this.#read = loaded.read;
    this.#problems = loaded.problems;
    this.#isCurrent = loaded.settings !== null;
    const previous = this.#current;
    this.#current = loaded.settings ?? previous;
    this.#tell({ settings: this.#current, previous, isCurrent: this.#isCurrent, problems: loaded.problems });
  }

  /** Ends watching. The settings stay readable. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelReload?.();
    this.#cancelReload = null;
    this.#listeners.clear();
    await this.#watcher?.close();
    this.#watcher = null;
  }

  #tell(change: SettingsChange): void {
    for (const listener of [...this.#listeners]) listener(change);
  }

  async #watch(): Promise<void> {
    this.#watched = this.#wanted();
    const watcher = watch([...this.#watched.folders], {
      ignoreInitial: true,
      followSymlinks: false,
      ignorePermissionErrors: true,
      depth: 0,
      ignored: (path) => !this.#watched.entries.has(path) && !this.#watched.folders.has(path),
    });
    this.#watcher = watcher;
    watcher.on('all', () => this.#reloadSoon());
    watcher.on('error', () => this.#reloadSoon());
    await new Promise<void>((resolve) => watcher.once('ready', resolve));
    // What changed between reading and watching would go unnoticed.
    this.reload();
  }

  #wanted(): WatchedPaths {
    const files = this.#read.map(({ file }) => file);
    const { createdAt = null } = this.#options;
    return watchedPaths(files.length === 0 && createdAt !== null ? [createdAt] : files);
  }

  /** Follows links that were turned, includes that were added and folders that came into being. */
  #watchAnew(): void {
    const wanted = this.#wanted();
    const isSame = isSubset(wanted.entries, this.#watched.entries) && isSubset(this.#watched.entries, wanted.entries);
    if (isSame) return;
    const former = this.#watched;
    this.#watched = wanted;
    // A folder is read again as a whole: its new entries were ignored before.
    const changed = [...wanted.folders].filter((folder) => !isSubset(entriesIn(wanted, folder), former.entries));
    this.#watcher?.unwatch(
      [...former.folders].filter((folder) => !wanted.folders.has(folder) || changed.includes(folder)),
    );
    this.#watcher?.add(changed);
    // What happened there before it was watched would go unnoticed.
    this.#reloadSoon();
  }

  #reloadSoon(): void {
    if (this.#isClosed) return;
    this.#cancelReload?.();
    const quietMs = this.#options.debounceMs ?? 80;
    this.#cancelReload = this.#clock.after(quietMs, () => {
      if (!this.#hasBeenEmptied()) this.reload();
      else this.#cancelReload = this.#clock.after(secondLookMs, () => this.reload());
    });
  }

  /** A file that was just emptied is usually about to be written: it gets a second look before it counts. */
  #hasBeenEmptied(): boolean {
    return this.#read.some(({ file, digest }) => digest !== null && digest !== emptyDigest && isEmptyFile(file));
  }
}

const emptyDigest = digestOf('');
const secondLookMs = 500;

function isEmptyFile(file: string): boolean {
  try {
    return statSync(file).size === 0;
  } catch {
    return false;
  }
}

function load(options: StoreOptions): LoadResult {
  const { files, createdAt = null } = options;
  if (files.length > 0) return loadSettings(options);
  if (createdAt !== null && existsSync(createdAt)) return loadSettings({ ...options, files: [createdAt] });
  return loadSettings(options);
}

function entriesIn({ entries }: WatchedPaths, folder: string): ReadonlySet<string> {
  return new Set([...entries].filter((entry) => dirname(entry) === folder));
}

function isSubset(part: ReadonlySet<string>, whole: ReadonlySet<string>): boolean {
  return [...part].every((entry) => whole.has(entry));
}

function sameFiles(a: readonly ReadFile[], b: readonly ReadFile[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ file, digest }, index) => b[index]?.file === file && b[index]?.digest === digest)
  );
}
