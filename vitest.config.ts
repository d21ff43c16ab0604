import { defineConfig } from 'vitest/config';

/**
 * Three kinds of test, told apart by the end of the file name:
 * `*.test.ts` are quick and own nothing outside themselves, so they share threads;
 * `*.server.test.ts` start servers, gateways or databases, so each file has a process of its own;
 * `*.real.test.ts` talk to model servers that the environment names, and run only with `npm run test:real`.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'quick',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.server.test.ts', 'test/**/*.real.test.ts'],
          pool: 'threads',
          isolate: false,
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'server',
          include: ['test/**/*.server.test.ts'],
          pool: 'forks',
          // They mostly wait for each other's servers; with one at a time two cores stood idle half of the time.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'real',
          include: ['test/**/*.real.test.ts'],
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
