// The built window as it is served: exactly the files that lie in its folder, held in memory, each with its headers.

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';

/** One file, ready to be sent. */
export interface WindowFile {
  readonly type: string;
  readonly bytes: Buffer;
  /** Its name changes with its content, so it can be kept for ever. */
  readonly isHashed: boolean;
}

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
};

/** Beside the bundle, and where `scripts/build-window.ts` puts it for a gateway that runs from its sources. */
const FOLDERS = [
  path.join(import.meta.dirname, 'window'),
  path.join(import.meta.dirname, '..', '..', 'dist', 'window'),
] as const;

/** The files by their path below `/ui/`. The folder is read when first asked for, and again when its page was built anew. */
export class WindowFiles {
  readonly #folder: string | null;
  #files: ReadonlyMap<string, WindowFile> = new Map();
  #builtAtMs = 0;

  constructor(folder: string | null = FOLDERS.find((one) => existsSync(path.join(one, 'index.html'))) ?? null) {
    this.#folder = folder;
  }

  /** The page itself; null where the window was never built. */
  page(): WindowFile | null {
    this.#readAgain();
    return this.#files.get('index.html') ?? null;
  }

  /** Any file but the page, by its path (`assets/index-1a2b.js`); null for all that does not lie there. */
  asset(name: string): WindowFile | null {
    if (this.#builtAtMs === 0) this.#readAgain();
    return name === 'index.html' ? null : (this.#files.get(name) ?? null);
  }

  #readAgain(): void {
    if (this.#folder === null) return;
    const builtAtMs =
      statSync(path.join(this.#folder, 'index.html'), { throwIfNoEntry: false })?.mtimeMs ?? this.#builtAtMs;
    if (builtAtMs === this.#builtAtMs) return;
    this.#files = filesBelow(this.#folder);
    this.#builtAtMs = builtAtMs;
  }
}

function filesBelow(folder: string): ReadonlyMap<string, WindowFile> {
  const files = new Map<string, WindowFile>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const type = TYPES[path.extname(entry.name)];
    if (!entry.isFile() || type === undefined) continue;
    const file = path.join(entry.parentPath, entry.name);
    const name = path.relative(folder, file).split(path.sep).join('/');
    files.set(name, { type, bytes: readFileSync(file), isHashed: name.startsWith('assets/') });
  }
  return files;
}
