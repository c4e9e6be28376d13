#!/usr/bin/env node
// npm run fuzz [-- SECONDS [TARGET]]: every fuzz target of the workspace, one after the other, SECONDS each (default 300),
// or those whose test's name holds TARGET. FUZZ_SEED repeats a run. A line a target; an input that fails joins its corpus.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const [seconds = '300', target] = process.argv.slice(2);
const root = fileURLToPath(new URL('../../../', import.meta.url));
const folder = fs.mkdtempSync(path.join(tmpdir(), 'redup-fuzz-'));
const log = path.join(folder, 'log');
fs.writeFileSync(log, '');

const env = {
  ...process.env,
  FUZZ_SECONDS: seconds,
  FUZZ_LOG: log,
  FUZZ_SEED: process.env.FUZZ_SEED ?? `${Date.now() | 0}`,
};
const names = target === undefined ? [] : ['--testNamePattern', target];
const args = ['vitest', 'run', 'fuzz.test.ts', '--maxWorkers=1', ...names];
const { status } = spawnSync('npx', args, { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] });
process.stdout.write(fs.readFileSync(log));
fs.rmSync(folder, { recursive: true });
process.exitCode = status ?? 1;
