import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, test } from 'vitest';

import { findViolations, importsOf, type Manifest, type SourceFile } from './architecture.js';

const packages = fileURLToPath(new URL('../../', import.meta.url));
const folders = fs.readdirSync(packages).filter((name) => fs.existsSync(path.join(packages, name, 'package.json')));

/** This file shows, as text, what is forbidden. */
const COUNTEREXAMPLES = path.basename(fileURLToPath(import.meta.url));

function readManifest(folder: string): Manifest {
  const json = JSON.parse(fs.readFileSync(path.join(packages, folder, 'package.json'), 'utf8'));
  return {
    folder,
    name: json.name,
    isPrivate: json.private === true,
    dependencies: Object.keys({
      ...json.dependencies,
      ...json.optionalDependencies,
      ...json.peerDependencies,
      // What a bundle takes in is installed for development only.
      ...(json.files?.includes('bundle') === true ? json.devDependencies : {}),
    }),
    devDependencies: Object.keys(json.devDependencies ?? {}),
  };
}

function readSources(folder: string): SourceFile[] {
  return ['src', 'test'].flatMap((part) => {
    const root = path.join(packages, folder, part);
    if (!fs.existsSync(root)) return [];
    return fs
      .readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.[cm]?tsx?$/.test(name) && name !== COUNTEREXAMPLES)
      .map((name) => ({
        path: `${folder}/${part}/${name.split(path.sep).join('/')}`,
        text: fs.readFileSync(path.join(root, name), 'utf8'),
      }));
  });
}

describe('the workspace', () => {
  test('has dependencies that point one way, and folders with one door', () => {
    expect(findViolations(folders.map(readManifest), folders.flatMap(readSources))).toEqual([]);
  });

  test.each(folders)(
    '%s is a whole package: it exports something, says what it is and under which licence',
    (folder) => {
      const read = (name: string): string => fs.readFileSync(path.join(packages, folder, name), 'utf8');
      const code = read('src/index.ts').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
      expect(code.replace(/export \{\s*\};?/g, '').trim()).not.toBe('');
      expect(read('README.md')).toMatch(/^# .+\n[\s\S]{200,}/);
      expect(read('LICENSE')).toContain('MIT License');
      expect(JSON.parse(read('package.json')).license).toBe('MIT');
    },
  );
});

describe('the rules notice', () => {
  const manifest = (folder: string, name: string, dependencies: string[] = [], isPrivate = false): Manifest => ({
    folder,
    name,
    isPrivate,
    dependencies,
    devDependencies: [],
  });
  const good = [
    manifest('cli', 'redup', ['@redup/core', '@redup/storage-s3', 'commander']),
    manifest('core', '@redup/core', ['@redup/storage', 'librsync-wasm']),
    manifest('storage', '@redup/storage'),
    manifest('storage-s3', '@redup/storage-s3', ['@redup/storage']),
    manifest('librsync-wasm', 'librsync-wasm'),
    manifest('testkit', '@redup/testkit', [], true),
  ];
  const violationsOf = (at: string, text: string): string[] => findViolations(good, [{ path: at, text }]);

  test.each([
    ['core/src/commands/backup.ts', "import { walk } from '../tree/index.js';"],
    ['core/src/commands/backup.ts', "import { RedupError } from '../errors.js';\nimport './helper.js';"],
    ['core/src/repository.ts', "export * from './commands/index.js';"],
    ['core/src/archive/tar.ts', "import { Buffer } from 'node:buffer';"],
    ['core/src/tree/walk.ts', "import fs from 'node:fs';\nimport type { Storage } from '@redup/storage';"],
    ['core/src/tree/walk.test.ts', "import { tree } from '@redup/testkit';\nimport fc from 'fast-check';"],
    ['librsync-wasm/src/rdiff-wasm/files.ts', "import fs from 'node:fs';\nimport '../index.js';"],
    ['cli/src/main.ts', "const { S3 } = await import('@redup/storage-s3');"],
    ['core/src/tree/walk.ts', "/** import x from 'nowhere'; */\n// import x from 'nowhere';"],
  ])('nothing in %s: %j', (at, text) => {
    expect(violationsOf(at, text)).toEqual([]);
  });

  test.each([
    ['core/src/a.ts', "import { S3 } from '@redup/storage-s3';", 'core may not know storage-s3'],
    ['storage/src/a.ts', "export type { Repository } from '@redup/core';", 'storage may not know core'],
    ['cli/src/a.ts', "import '@redup/storage';", 'cli may not know storage'],
    ['core/src/a.ts', "import { tree } from '@redup/testkit';", 'core may not know testkit'],
    ['testkit/src/a.ts', "import { open } from '@redup/core';", 'testkit may not know core'],
    ['core/src/a.ts', "import x from 'lodash';", 'is no dependency of core'],
    ['core/src/a.ts', "await import(\n  'lodash',\n);", 'is no dependency of core'],
    ['core/src/a.ts', "import x from '@redup/storage/dist/x.js';", 'goes past the exports of the package'],
    ['core/src/a.ts', "import x from '../../storage/src/x.js';", 'leads out of the package'],
    ['core/src/a.ts', "import fs from 'fs';", 'is a module of Node, written without node:'],
    ['core/src/commands/a.ts', "import { x } from '../tree/walk.js';", 'the door of tree/ is its index.ts'],
    ['core/src/a.ts', "import { x } from './tree/walk.js';", 'the door of tree/ is its index.ts'],
    ['core/src/archive/tar.ts', "import fs from 'node:fs';", 'archive/ does no I/O'],
    ['core/src/archive/tar.ts', 'const now = Date.now();', 'archive/ knows no clock'],
    ['librsync-wasm/src/a.ts', "import fs from 'node:fs';", 'librsync-wasm knows no API of Node'],
    ['librsync-wasm/src/a.ts', "import './rdiff-wasm/files.js';", 'librsync-wasm does not know its command'],
  ])('in %s: %j', (at, text, reason) => {
    expect(violationsOf(at, text)).toEqual([expect.stringContaining(reason)]);
  });

  test('a package.json that points the wrong way, an unknown package, a private one that is not', () => {
    const found = findViolations([manifest('storage', '@redup/storage', ['@redup/core']), ...good.slice(1, 2)], []);
    expect(found).toEqual(['storage/package.json: storage may not depend on core']);
    expect(findViolations([manifest('extras', 'extras')], [])).toHaveLength(1);
    expect(findViolations([manifest('testkit', '@redup/testkit')], [])).toHaveLength(1);
  });

  test('every form of import, with its line', () => {
    const text = "import a from 'a';\nexport {\n  b,\n} from 'b';\nimport 'c';\nconst d = await import('d');\n";
    const found = importsOf(text).map(({ specifier, line }) => `${specifier} ${line}`);
    expect(found).toEqual(['a 1', 'b 4', 'c 5', 'd 6']);
  });
});
