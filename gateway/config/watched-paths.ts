// What has to be watched to notice that a file now has another content, however that came about.

import { existsSync, lstatSync, readlinkSync } from 'node:fs';
import { dirname, join, parse, resolve, sep } from 'node:path';

/** Longer chains of links are circles. */
const mostLinks = 40;

export interface WatchedPaths {
  /** Folders that exist, each to be watched for its own entries. */
  readonly folders: ReadonlySet<string>;
  /** The entries of those folders that matter. */
  readonly entries: ReadonlySet<string>;
}

/**
 * For each file (absolute): the file, every link on the way to it, and what they lead to. Of what does not exist yet
 * the nearest folder that does, so that its creation is noticed.
 */
export function watchedPaths(files: Iterable<string>): WatchedPaths {
  const folders = new Set<string>();
  const entries = new Set<string>();
  for (const file of files)
    for (const entry of entriesOnTheWay(file)) {
      entries.add(entry);
      folders.add(dirname(entry));
    }
  return { folders, entries };
}

/** Links among the parts of a path, and its end: the file itself, or the first part that is missing. */
function entriesOnTheWay(file: string): readonly string[] {
  const entries: string[] = [];
  let path = resolve(file);
  for (let links = 0; links <= mostLinks; links++) {
    const found = firstLinkOrEnd(path);
    entries.push(found.entry);
    if (found.leadsTo === null) break;
    path = found.leadsTo;
  }
  return entries;
}

function firstLinkOrEnd(path: string): { readonly entry: string; readonly leadsTo: string | null } {
  const { root } = parse(path);
  const parts = path.slice(root.length).split(sep);
  let entry = root;
  for (const [index, part] of parts.entries()) {
    entry = join(entry, part);
    const target = linkTarget(entry);
    if (target !== null) return { entry, leadsTo: resolve(dirname(entry), target, ...parts.slice(index + 1)) };
    if (!existsSync(entry)) return { entry, leadsTo: null };
  }
  return { entry, leadsTo: null };
}

function linkTarget(path: string): string | null {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : null;
  } catch {
    return null;
  }
}
