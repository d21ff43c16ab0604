// `npm run check`: everything that must hold before a commit, cheapest first. All of it runs, then the verdict.
import { spawnSync } from 'node:child_process';

const checks: readonly (readonly [name: string, ...command: string[]])[] = [
  ['types', 'node_modules/typescript/bin/tsc', '--pretty', 'false'],
  ['types of the window', 'node_modules/typescript/bin/tsc', '--pretty', 'false', '-p', 'renderer'],
  ['lint and format', 'node_modules/@biomejs/biome/bin/biome', 'check', '.'],
  ['unused code', 'node_modules/knip/bin/knip.js'],
  ['tests', 'scripts/test.ts'],
];

const failed = checks.filter(([name, script = '', ...args]) => {
  console.log(`\n== ${name}`);
  return spawnSync(process.execPath, [script, ...args], { stdio: 'inherit' }).status !== 0;
});
console.log(failed.length === 0 ? '\nall checks passed' : `\nfailed: ${failed.map(([name]) => name).join(', ')}`);
process.exit(failed.length === 0 ? 0 : 1);
