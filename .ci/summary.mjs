#!/usr/bin/env node
/**
 * The closing line of `.ci/run`: `N passed, N failed, N skipped` over its checks and vitest's tests.
 *
 * A skipped test counts as failed unless it marked itself as impossible in any CI (`skipForGood` of the testkit): CI
 * provides every peer, so a skip there would hide that something was not tested.
 *
 * usage: summary.mjs DIRECTORY, with `checks` (lines "passed NAME" or "failed NAME") and vitest's `vitest.json`
 */
import fs from 'node:fs';
import path from 'node:path';

const directory = process.argv[2] ?? '.';
const vitestReport = read('vitest.json');
const { passed, failed, skipped, notes } = summarise(
  read('checks') ?? '',
  vitestReport === undefined ? undefined : JSON.parse(vitestReport),
);
process.stdout.write(`${[...notes, `${passed} passed, ${failed} failed, ${skipped} skipped`].join('\n')}\n`);
process.exitCode = failed > 0 ? 1 : 0;

function summarise(checks, vitest) {
  const total = { passed: 0, failed: 0, skipped: 0, notes: [] };
  const count = (outcome, note) => {
    total[outcome] += 1;
    if (note !== undefined) total.notes.push(note);
  };
  for (const file of vitest?.testResults ?? []) {
    for (const test of file.assertionResults) countTest(file, test, count);
    const isExplained = file.status !== 'failed' || file.assertionResults.some(({ status }) => status === 'failed');
    if (!isExplained) count('failed', `failed: ${file.name}: ${file.message.split('\n')[0]}`);
  }
  const failedTests = total.failed;
  for (const line of checks.split('\n').filter(Boolean)) {
    const [outcome, ...words] = line.split(' ');
    const name = words.join(' ');
    if (outcome === 'passed') count('passed');
    // Failed tests have been counted one by one; without any, something else went wrong there.
    else if (name !== 'npm test' || failedTests === 0) count('failed', `failed: ${name}`);
  }
  if (total.passed + total.failed === 0) count('failed', 'failed: nothing was run');
  return total;
}

function countTest(file, test, count) {
  const name = `${path.basename(file.name)}: ${test.fullName}`;
  if (test.status === 'passed') return count('passed');
  if (test.status === 'failed') return count('failed', `failed: ${name}`);
  const reason = test.meta?.skippedForGood;
  if (reason !== undefined) return count('skipped', `skipped: ${name}: ${reason}`);
  return count('failed', `failed: ${name}: ${test.status} without a reason that CI can't take away`);
}

function read(name) {
  const file = path.join(directory, name);
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : undefined;
}
