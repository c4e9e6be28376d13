/**
 * redup as users get it: packed, installed into an empty folder with what its package.json asks for and nothing else. And how
 * long it takes to start.
 */

import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  cleanEnv,
  diffTrees,
  file,
  type RunResult,
  readTree,
  requirePeer,
  run,
  runOk,
  seeded,
  snapshotOf,
  tempDir,
  tree,
  withGpgHome,
  writeTree,
} from '@redup/testkit';
import { beforeAll, describe, expect, it } from 'vitest';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
/** Enough to be compressed in worker threads, several volumes. */
const MODEL = tree({
  a: file('hello\n'),
  'd/big': file(seeded(3, 3_000_000)),
  'd/text': file('word '.repeat(200_000)),
});

const folder = tempDir('packed');
const bin = join(folder, 'empty/node_modules/.bin/redup');
const target = `file://${folder}/target`;

beforeAll(async () => {
  const npmEnv = { ...process.env, NO_COLOR: '1', npm_config_audit: 'false', npm_config_fund: 'false' } as Record<
    string,
    string
  >;
  await runOk('npm', ['pack', '--pack-destination', folder], { cwd: PACKAGE, env: npmEnv });
  mkdirSync(join(folder, 'empty'));
  const [archive = ''] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  const install = ['install', '--prefer-offline', '--no-save', join(folder, archive)];
  await runOk('npm', install, { cwd: join(folder, 'empty'), env: npmEnv });
  writeTree(join(folder, 'src'), MODEL);
});

function redup(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<RunResult> {
  const full = cleanEnv({ HOME: folder, XDG_CACHE_HOME: `${folder}/cache`, TMPDIR: folder, ...env });
  return run(bin, args, { env: full, cwd: folder });
}

async function redupOk(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<RunResult> {
  const result = await redup(args, env);
  expect([args[0], result.code, result.stderr]).toEqual([args[0], 0, '']);
  return result;
}

describe('redup, packed and installed', () => {
  it('backs up, verifies and restores with nothing else of this repository', async () => {
    const env = { PASSPHRASE: 'secret' };
    await redupOk(['full', '--volsize', '1', '--workers', '2', 'src', target], env);
    await redupOk(['verify', '--compare-data', target, 'src'], env);
    await redupOk(['restore', target, 'out'], env);
    expect(diffTrees(snapshotOf(MODEL), readTree(join(folder, 'out')))).toEqual([]);
  });

  it('loads what only some need: keys and S3', async (context) => {
    requirePeer(context, 'gpg');
    await withGpgHome(async (gpg) => {
      const id = await gpg.generateKey('Packed <packed@example.org>');
      const key = join(folder, 'key.asc');
      writeFileSync(key, (await gpg.run(['--armor', '--export', id])).stdout);
      await redupOk(['full', '--encrypt-key', key, 'src', `${target}-key`]);
    });
    const s3 = await redup(['st', '--num-retries', '1', '--s3-endpoint-url', 'http://127.0.0.1:9', 's3://bucket/x'], {
      AWS_ACCESS_KEY_ID: 'x',
      AWS_SECRET_ACCESS_KEY: 'x',
    });
    expect([s3.code, s3.stderr]).toEqual([38, expect.stringContaining('127.0.0.1')]);
  });

  it('brings the licences of what it contains, the schemas and its types along', () => {
    const root = join(folder, 'empty/node_modules/redup');
    const licences = readFileSync(join(root, 'bundle/LICENSES.txt'), 'utf8');
    for (const name of ['commander', '@aws-sdk/client-s3', '@smithy/core']) expect(licences).toContain(`${name} `);
    expect(readdirSync(join(root, 'schema'))).toContain('output.schema.json');
    expect(readFileSync(join(root, 'dist/main.d.ts'), 'utf8')).toContain('function main(');
    const installed = readdirSync(join(folder, 'empty/node_modules')).filter((name) => !name.startsWith('.'));
    expect(installed.sort()).toEqual(['openpgp', 'redup']);
  });

  it('starts with less than 150 ms of work', async () => {
    await redupOk(['full', '--no-encryption', 'src', `${target}-plain`]);
    for (const args of [['--version'], ['--help'], ['collection-status', `${target}-plain`]]) {
      const times: number[] = [];
      for (let i = 0; i < 9; i++) times.push(await processorTime(args));
      expect([args[0], Math.min(...times)]).toEqual([args[0], expect.toSatisfy((ms: number) => ms < 150)]);
    }
  });

  it('keeps compiled code in a folder of the user alone, if Node can', async () => {
    const { env } = { env: { XDG_CACHE_HOME: join(folder, 'kept') } };
    await redupOk(['--version'], env);
    const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
    const kept = join(folder, 'kept/redup/compiled');
    if (major > 22 || (major === 22 && minor >= 1)) expect(statSync(kept).isDirectory()).toBe(true);
    expect((await redup(['--version'], { HOME: '', XDG_CACHE_HOME: '' })).code).toBe(0);
    expect((await redup(['--version'], { HOME: '/proc/nothing', XDG_CACHE_HOME: '' })).code).toBe(0);
  });
});

/**
 * User and system time in milliseconds. The time on the wall is that and what other programs take: on a machine that runs
 * tests it tells nothing.
 */
async function processorTime(args: readonly string[]): Promise<number> {
  const env = cleanEnv({ HOME: folder, XDG_CACHE_HOME: `${folder}/cache` });
  const script = `TIMEFORMAT='%3U %3S'; time "$@" > /dev/null`;
  const { stderr } = await runOk('bash', ['-c', script, 'bash', bin, ...args], { env, cwd: folder });
  const [user = Number.NaN, system = Number.NaN] = stderr.trim().split(' ').map(Number);
  return (user + system) * 1000;
}
