// Bundles the gateway, and the window beside it, into a folder: `node scripts/build.ts OUTPUT`. One file read instead of
// a thousand halves the start and a quarter of the memory (docs/benchmarks.md); what runs is the same code.

import { cpSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import path from 'node:path';
import { build, type Plugin } from 'vite';
import { buildWindow } from './build-window.ts';

const root = path.join(import.meta.dirname, '..');
const outDir = path.resolve(process.argv[2] ?? path.join(root, 'dist', 'gateway'));

/** Modules of Node that the gateway and its packages import under that name. */
const BUILTIN = /^(?:node:)?(.+)$/;

/**
 * Takes Node's own modules by `process.getBuiltinModule`. An `import` of one reads every property it has, also those that
 * are loaded when they are asked for: `node:http` alone brings in Node's own copy of undici, a tenth of the start.
 */
const lazyBuiltins: Plugin = {
  name: 'lazy-builtins',
  enforce: 'pre',
  resolveId(id, _importer, { kind }) {
    const name = BUILTIN.exec(id)?.[1] ?? '';
    // `require` returns them as they are.
    if (kind !== 'import-statement' || !isBuiltin(`node:${name}`)) return null;
    return `\0builtin:${name}`;
  },
  load(id) {
    if (!id.startsWith('\0builtin:')) return null;
    const name = id.slice('\0builtin:'.length);
    const names = Object.keys(process.getBuiltinModule(`node:${name}`) ?? {}).filter((key) =>
      /^(?!default$)[a-z_$][\w$]*$/i.test(key),
    );
    return {
      code: [
        `const builtin = process.getBuiltinModule('node:${name}');`,
        'export default builtin;',
        // What nobody imports is left out, and so never read.
        ...names.map((key) => `export const ${key} = /* @__PURE__ */ (() => builtin.${key})();`),
      ].join('\n'),
      moduleSideEffects: false,
    };
  },
};

/**
 * Takes the parts of undici that the gateway imports: its index loads `fetch`, mocks and caches as well, which is a tenth
 * of the start and several MB. An import of something else fails the build by its name.
 */
const smallUndici: Plugin = {
  name: 'small-undici',
  enforce: 'pre',
  resolveId: (id) => (id === 'undici' ? '\0undici' : null),
  load(id) {
    if (id !== '\0undici') return null;
    const parts = {
      Agent: 'dispatcher/agent',
      Client: 'dispatcher/client',
      Dispatcher: 'dispatcher/dispatcher',
      Pool: 'dispatcher/pool',
      errors: 'core/errors',
      request: 'api/api-request',
    };
    const folder = path.join(root, 'node_modules', 'undici', 'lib');
    return [
      ...Object.entries(parts).map(
        ([name, file]) => `import ${name} from ${JSON.stringify(path.join(folder, `${file}.js`))};`,
      ),
      'Object.assign(Dispatcher.prototype, { request });',
      'export { Agent, Client, errors, Pool };',
    ].join('\n');
  },
};

await build({
  root,
  configFile: false,
  plugins: [lazyBuiltins, smallUndici],
  logLevel: 'warn',
  build: {
    ssr: true,
    outDir,
    emptyOutDir: true,
    target: 'node22',
    // Names and lines in a stack trace are worth more than bytes on a disk.
    minify: false,
    rollupOptions: {
      input: {
        cli: 'gateway/cli.ts',
        worker: 'gateway/history/worker.ts',
        'sensors-child': 'gateway/hardware/sensors-child.ts',
      },
      // Native, so it stays a package; the others are loaded only when a schedule or a look at the machine asks for them.
      external: ['better-sqlite3', 'node-cron', 'systeminformation'],
      output: { entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js' },
    },
  },
  ssr: { noExternal: true },
});
// The worker reads them beside itself.
cpSync(path.join(root, 'gateway', 'history', 'migrations'), path.join(outDir, 'migrations'), { recursive: true });
await buildWindow(path.join(outDir, 'window'));
