import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

import { run } from './process.js';
import { tempDir } from './temp.js';

const summary = fileURLToPath(new URL('../../../.ci/summary.mjs', import.meta.url));

interface Outcome {
  readonly status: string;
  readonly meta?: object;
}

async function summarise(checks: string, tests?: readonly Outcome[], file: object = {}): Promise<[string, number]> {
  const directory = tempDir('ci');
  fs.writeFileSync(path.join(directory, 'checks'), checks);
  if (tests !== undefined) {
    const assertionResults = tests.map((outcome, index) => ({ fullName: `test ${index}`, ...outcome }));
    const testResults = [{ name: '/x/a.test.ts', status: 'passed', message: '', assertionResults, ...file }];
    fs.writeFileSync(path.join(directory, 'vitest.json'), JSON.stringify({ testResults }));
  }
  const { stdout, code } = await run(process.execPath, [summary, directory]);
  return [stdout.trim().split('\n').at(-1) ?? '', code];
}

const passed = { status: 'passed' };
const failed = { status: 'failed' };

describe('the closing line of CI', () => {
  test('counts checks and tests together', async () => {
    expect(await summarise('passed lint\npassed npm test\n', [passed, passed])).toEqual([
      '4 passed, 0 failed, 0 skipped',
      0,
    ]);
  });

  test('counts a failed test once, not again as the failed command', async () => {
    expect(await summarise('failed npm test\n', [passed, failed])).toEqual(['1 passed, 1 failed, 0 skipped', 1]);
  });

  test('counts a failed lint, and a test command that failed before or beside its tests', async () => {
    expect(await summarise('failed lint\npassed npm test\n', [passed])).toEqual(['2 passed, 1 failed, 0 skipped', 1]);
    expect(await summarise('passed lint\nfailed npm test\n')).toEqual(['1 passed, 1 failed, 0 skipped', 1]);
    expect(await summarise('failed npm test\n', [passed])).toEqual(['1 passed, 1 failed, 0 skipped', 1]);
  });

  test('counts a file that could not be loaded', async () => {
    const broken = { status: 'failed', message: 'SyntaxError: here\nand there' };
    expect(await summarise('failed npm test\n', [], broken)).toEqual(['0 passed, 1 failed, 0 skipped', 1]);
  });

  test('lets a skip pass only when no CI can take its reason away', async () => {
    const forGood = { status: 'skipped', meta: { skippedForGood: 'no such hardware' } };
    expect(await summarise('passed npm test\n', [forGood])).toEqual(['1 passed, 0 failed, 1 skipped', 0]);
    expect(await summarise('passed npm test\n', [{ status: 'skipped', meta: {} }])).toEqual([
      '1 passed, 1 failed, 0 skipped',
      1,
    ]);
  });

  test('is a failure when nothing was run', async () => {
    expect(await summarise('')).toEqual(['0 passed, 1 failed, 0 skipped', 1]);
  });
});

describe('the check of licences', () => {
  const script = fileURLToPath(new URL('../../../.ci/licences.mjs', import.meta.url));
  const ofPackages = async (packages: Record<string, object>): Promise<[number, string]> => {
    const lock = path.join(tempDir('licences'), 'package-lock.json');
    fs.writeFileSync(lock, JSON.stringify({ packages }));
    const { code, stdout } = await run(process.execPath, [script, lock]);
    return [code, stdout];
  };

  test('accepts what redup depends on', async () => {
    const { code, stdout } = await run(process.execPath, [script]);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^licences: .*\d+ MIT/)]);
  });

  test('refuses a dependency under the GPL, or under none', async () => {
    for (const license of ['GPL-2.0', undefined])
      expect(await ofPackages({ 'node_modules/x': { license } })).toEqual([
        1,
        expect.stringContaining('not allowed: x'),
      ]);
  });

  test('passes over what users do not get, and takes one of several', async () => {
    const packages = {
      '': { license: 'GPL-3.0' },
      'node_modules/a': { license: 'GPL-2.0', dev: true },
      'node_modules/b': { license: '(GPL-2.0 OR MIT)' },
    };
    expect(await ofPackages(packages)).toEqual([0, expect.any(String)]);
  });
});
