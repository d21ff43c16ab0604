// Builds the window into a folder: `node scripts/build-window.ts [OUTPUT]`. Static files with hashed names; nothing inline,
// so that the page can run under a policy that allows nothing inline.

import path from 'node:path';
import { build } from 'vite';

const root = path.join(import.meta.dirname, '..');

/** Where a gateway that runs from its sources looks for the window. */
export const windowFolder = path.join(root, 'dist', 'window');

/** Bundles `renderer/` into `outDir`, which is emptied first. Rejects when it does not build. */
export async function buildWindow(outDir: string): Promise<void> {
  await build({
    root: path.join(root, 'renderer'),
    configFile: false,
    base: '/ui/',
    logLevel: 'warn',
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    build: {
      outDir,
      emptyOutDir: true,
      target: 'chrome128',
      // An inlined file would be a data: address, which the page's policy refuses.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
    },
  });
}

if (import.meta.main) await buildWindow(path.resolve(process.argv[2] ?? windowFolder));
