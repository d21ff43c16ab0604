// `npm test`: all tests but those against real servers; arguments are handed to the test runner.
// Its own last line is counted from what ran, so that an empty run cannot pass for a good one.
import { startVitest } from 'vitest/node';

const args = process.argv.slice(2);
const projectAt = args.indexOf('--project');
const project = projectAt >= 0 ? args.splice(projectAt, 2)[1] : undefined;

const vitest = await startVitest('test', args, { watch: false, project: project ? [project] : ['quick', 'server'] });
const counts = { passed: 0, failed: 0, skipped: 0 };
for (const module of vitest.state.getTestModules()) {
  // A file that could not even be loaded has no tests: it counts as one failure.
  if (module.errors().length > 0) counts.failed += 1;
  for (const test of module.children.allTests())
    counts[test.result().state === 'pending' ? 'skipped' : (test.result().state as keyof typeof counts)] += 1;
}
counts.failed += vitest.state.getUnhandledErrors().length;
await vitest.close();
const isEmpty = counts.passed + counts.failed + counts.skipped === 0;
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exit(counts.failed > 0 || isEmpty ? 1 : 0);
