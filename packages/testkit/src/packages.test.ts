/**
 * The packages as their users get them: packed, installed into an empty project, and used there from TypeScript and JavaScript, on
 * every release of Node that they promise. The command has a test of its own (`packed.test.ts`).
 */

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkPackage, createPackageFromTarballData, type Problem } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { beforeAll, describe, expect, test } from 'vitest';

import { NODE_PEERS, requirePeer } from './peers.js';
import { cleanEnv, runOk } from './process.js';
import { tempDir } from './temp.js';

interface Manifest {
  readonly name: string;
  readonly private?: boolean;
}

const root = fileURLToPath(new URL('../../../', import.meta.url));
const manifestOf = (folder: string): Manifest => JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
const packages = fs
  .readdirSync(path.join(root, 'packages'))
  .map((name) => path.join(root, 'packages', name))
  .filter((folder) => fs.existsSync(path.join(folder, 'package.json')) && manifestOf(folder).private !== true)
  .map((folder) => ({ folder, name: manifestOf(folder).name }));
const libraries = packages.filter(({ name }) => name !== 'redup');

const work = tempDir('packages');
const project = path.join(work, 'project');
const tarballs = new Map<string, string>();
const env = { ...process.env, NO_COLOR: '1', npm_config_audit: 'false', npm_config_fund: 'false' } as Record<
  string,
  string
>;

beforeAll(async () => {
  const pack = ['pack', '--json', '--pack-destination', work, ...packages.map(({ folder }) => folder)];
  const packed: { name: string; filename: string }[] = JSON.parse(
    (await runOk('npm', pack, { cwd: root, env })).stdout,
  );
  for (const { name, filename } of packed) tarballs.set(name, path.join(work, filename));
  fs.mkdirSync(project);
  fs.writeFileSync(path.join(project, 'package.json'), '{ "type": "module" }');
  const archives = libraries.map(({ name }) => tarballs.get(name) ?? '');
  const types = `@types/node@${JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')).devDependencies['@types/node']}`;
  await runOk('npm', ['install', '--prefer-offline', '--ignore-scripts', ...archives, types], { cwd: project, env });
});

test('export what the reports in docs/api say', async () => {
  await runOk(process.execPath, [path.join(root, 'docs/scripts/api.mjs'), '--check']);
});

describe.each(packages)('$name, packed,', ({ name, folder }) => {
  test('passes publint', async () => {
    const pkg = manifestOf(folder);
    const tarball = new Uint8Array(fs.readFileSync(tarballs.get(name) ?? '')).buffer;
    const { messages } = await publint({ strict: true, pack: { tarball } });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  test('has types that are right, for ES modules and bundlers', async () => {
    const archive = createPackageFromTarballData(fs.readFileSync(tarballs.get(name) ?? ''));
    const result = await checkPackage(archive);
    expect(result.types).not.toBe(false);
    expect(
      'problems' in result ? result.problems.filter(concernsUs).map((problem) => JSON.stringify(problem)) : [],
    ).toEqual([]);
  });
});

/** The packages are ES modules: neither `require` before Node 22 nor the resolution of Node 10, which knows no `exports`. */
function concernsUs(problem: Problem): boolean {
  return !('resolutionKind' in problem) || !['node10', 'node16-cjs'].includes(problem.resolutionKind);
}

/** What a user writes, in the part of the language that both share. */
const PROGRAM = `
import { strict as assert } from 'node:assert';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import * as compress from '@redup/compress';
import { RedupError, Repository, Secret, StorageRegistry } from '@redup/core';
import * as openpgp from '@redup/openpgp';
import { MemoryStorage } from '@redup/storage';
import { storageConformance } from '@redup/storage/conformance';
import { registerS3 } from '@redup/storage-s3';
import { loadRsync } from 'librsync-wasm';

assert.equal(MemoryStorage.name, 'MemoryStorage');
for (const part of [storageConformance, loadRsync, compress.gzip, openpgp.Secret]) assert.equal(typeof part, 'function');
assert.ok(registerS3(new StorageRegistry()).schemes.includes('s3'));

const folder = mkdtempSync(join(tmpdir(), 'redup-user-'));
try {
  const passphrase = Secret.fromText('secret');
  const repository = Repository.open(pathToFileURL(join(folder, 'target')).href, {
    encryption: { seal: { passphrase }, open: { passphrase } },
    archiveDirectory: join(folder, 'cache'),
  });
  const source = join(folder, 'letter');
  for (const word of ['Dear', 'Dear reader, '.repeat(100_000)]) {
    writeFileSync(source, word);
    const backup = repository.backup({ source });
    for await (const event of backup) if (event.type === 'warning') throw new Error(event.message);
    const { statistics } = await backup;
    assert.equal(statistics.errors, 0);
  }
  assert.deepEqual((await repository.snapshots()).map(({ type }) => type), ['full', 'incremental']);
  await repository.restore({ target: join(folder, 'restored') });
  assert.deepEqual(readFileSync(join(folder, 'restored')), readFileSync(source));
  assert.equal(await text(repository.open('')), readFileSync(source, 'utf8'));
  await assert.rejects(repository.restore({ target: source }), (error) => error instanceof RedupError && error.code === 'TARGET_NOT_EMPTY');
  await repository.close();
  console.log(process.versions.node, 'restored');
} finally {
  rmSync(folder, { recursive: true });
}
`;

describe('a project that installed them', () => {
  test.each([
    ['NodeNext', 'NodeNext'],
    ['ESNext', 'bundler'],
  ])('compiles in the strictest TypeScript with module %s and resolution %s', async (module, moduleResolution) => {
    const base = JSON.parse(fs.readFileSync(path.join(root, 'tsconfig.base.json'), 'utf8')).compilerOptions;
    // Declarations are checked as well: users need not skip them.
    const compilerOptions = {
      ...base,
      module,
      moduleResolution,
      skipLibCheck: false,
      noEmit: true,
      declarationMap: false,
    };
    const config = path.join(project, `tsconfig.${moduleResolution}.json`);
    fs.writeFileSync(config, JSON.stringify({ compilerOptions, files: ['program.ts'] }));
    fs.writeFileSync(path.join(project, 'program.ts'), PROGRAM);
    await runOk(path.join(root, 'node_modules/.bin/tsc'), ['-p', config]);
  });

  test.for(NODE_PEERS)('runs as plain JavaScript on %s', async (name, context) => {
    const node = requirePeer(context, name);
    fs.writeFileSync(path.join(project, 'program.js'), PROGRAM);
    const { stdout } = await runOk(node.command[0], ['program.js'], { cwd: project, env: cleanEnv({ HOME: work }) });
    expect(stdout).toBe(`${node.version} restored\n`);
  });
});

/** Rows of docs/dependencies.md: `| package | own kB | kB with everything it needs | packages | modules loaded |`. */
const STATED = new Map(
  [
    ...fs
      .readFileSync(path.join(root, 'docs/dependencies.md'), 'utf8')
      .matchAll(/^\| `([^`]+)` \| ([\d,]+) kB \| ([\d,]+) kB \| (\d+) \| (\d+) \|$/gm),
  ].map(([, name = '', ...numbers]) => [name, numbers.map((text) => Number(text.replaceAll(',', '')))]),
);

describe.each(libraries)('installing and importing $name', ({ name }) => {
  test('costs what docs/dependencies.md says, and loads neither openpgp nor an S3 client', async () => {
    const needed = closureOf(name);
    const loaded = await modulesOf(name);
    const kilobytes = (names: readonly string[]) =>
      Math.round(names.reduce((sum, each) => sum + sizeOf(installed(each)), 0) / 1000);
    const found = [kilobytes([name]), kilobytes(needed), needed.length, loaded.length];
    const stated = STATED.get(name) ?? [];
    const isAsStated = found.every((n, i) => Math.abs(n - (stated[i] ?? Number.NaN)) <= 0.25 * n);
    if (!isAsStated) expect.fail(`docs/dependencies.md says ${stated.join(' | ')}, it is ${found.join(' | ')}`);
    expect(loaded.filter((url) => /node_modules\/(?:openpgp|@aws-sdk|@smithy)\//.test(url))).toEqual([]);
  });
});

function installed(name: string): string {
  return path.join(project, 'node_modules', name);
}

/** A package and everything that its installation brings. */
function closureOf(name: string): string[] {
  const found = new Set<string>();
  const add = (each: string): void => {
    if (found.has(each) || !fs.existsSync(installed(each))) return;
    found.add(each);
    const { dependencies = {} } = JSON.parse(fs.readFileSync(path.join(installed(each), 'package.json'), 'utf8'));
    for (const dependency of Object.keys(dependencies)) add(dependency);
  };
  add(name);
  return [...found];
}

function sizeOf(folder: string): number {
  return fs
    .readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => fs.statSync(path.join(folder, name)))
    .reduce((sum, stats) => sum + (stats.isFile() ? stats.size : 0), 0);
}

/** Every file that `import` of a package loads. */
async function modulesOf(name: string): Promise<string[]> {
  const hook = `import fs from 'node:fs'; export async function load(url, context, next) {
    if (url.startsWith('file:')) fs.appendFileSync(process.env.LOADED, url + '\\n');
    return next(url, context);
  }`;
  const list = path.join(work, `${name.replace('/', '-')}.loaded`);
  const program = `import { register } from 'node:module'; register('data:text/javascript,' + ${JSON.stringify(encodeURIComponent(hook))}); await import(${JSON.stringify(name)});`;
  fs.writeFileSync(path.join(project, 'loaded.mjs'), program);
  await runOk(process.execPath, ['loaded.mjs'], { cwd: project, env: cleanEnv({ LOADED: list }) });
  return fs.readFileSync(list, 'utf8').trim().split('\n');
}
