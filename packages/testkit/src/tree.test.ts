import fs from 'node:fs';
import path from 'node:path';

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { pathArbitrary, treeArbitrary } from './arbitraries.js';
import { comparePaths, fromBytes, printable, toBytes } from './bytes.js';
import { contentBytes, contentSha256, contentSize, seeded, sliceContent } from './content.js';
import { diskPath, makeSocket, removeTree, updateTree, writeTree } from './disk.js';
import { historyArbitrary, historyStates } from './history.js';
import { diffTrees, readTree, snapshotOf } from './snapshot.js';
import { tempDir, withTempDir } from './temp.js';
import { device, directory, fifo, file, isRoot, symlink, tree } from './tree.js';

describe('names', () => {
  test('every byte gets through a byte string and back', () => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    expect(toBytes(fromBytes(all))).toEqual(all);
    expect(() => toBytes('\u0100')).toThrow(RangeError);
  });

  test('paths are ordered by components, not by bytes', () => {
    const shuffled = ['a.b/c', 'a.b', 'a/b', 'b', '', 'a', 'a\x01', 'a/b/c', 'B', '\xff'];
    expect(shuffled.sort(comparePaths)).toEqual(['', 'B', 'a', 'a/b', 'a/b/c', 'a\x01', 'a.b', 'a.b/c', 'b', '\xff']);
  });

  test('a message shows a nasty name in ASCII', () => {
    expect(printable('a "b"\n\\\xff')).toBe('"a \\x22b\\x22\\x0a\\x5c\\xff"');
  });
});

describe('contents', () => {
  test('are the same bytes in every run', () => {
    expect(contentSha256(seeded(7, 100_000))).toBe('f17c6db12e32a57423fe10c8870bf150b4d8def32a04dfd2a9f07ed17ed07031');
  });

  test('a slice of a content has the bytes of that slice', () => {
    fc.assert(
      fc.property(fc.nat(99), fc.nat(20_000), fc.nat(20_000), fc.nat(20_000), (seed, size, start, end) => {
        const content = [...seeded(seed, size), { literal: 'in between' }, ...seeded(seed + 1, 5000)];
        const slice = sliceContent(content, start, end);
        expect(contentBytes(slice).equals(contentBytes(content).subarray(start, end))).toBe(true);
        expect(contentSize(slice)).toBe(contentBytes(slice).length);
      }),
    );
  });

  test('are partly compressible', async () => {
    const { deflateRawSync } = await import('node:zlib');
    const ratio = deflateRawSync(contentBytes(seeded(1, 1 << 20))).length / (1 << 20);
    expect(ratio).toBeGreaterThan(0.3);
    expect(ratio).toBeLessThan(0.9);
  });
});

describe('trees', () => {
  test('what is written is read back the same', () => {
    fc.assert(
      fc.property(treeArbitrary({ maxFileBytes: 200_000 }), (model) => {
        const root = tempDir('tree');
        writeTree(root, model);
        const differences = diffTrees(snapshotOf(model), readTree(root), { nanoseconds: true });
        removeTree(root);
        expect(differences).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  test('an updated tree is the tree that was to be', () => {
    fc.assert(
      fc.property(historyArbitrary({ maxFileBytes: 100_000 }), (history) => {
        const root = tempDir('tree');
        let before: ReturnType<typeof tree> = new Map();
        for (const state of historyStates(history)) {
          updateTree(root, before, state);
          expect(diffTrees(snapshotOf(state), readTree(root), { nanoseconds: true })).toEqual([]);
          before = state;
        }
        removeTree(root);
      }),
      { numRuns: 60 },
    );
  });

  test('an update leaves alone what stays', () => {
    const root = tempDir('tree');
    const before = tree({ 'kept/file': file('same'), 'other/gone': file('x'), changed: file('old') });
    writeTree(root, before);
    const stat = (name: string): fs.BigIntStats => fs.lstatSync(diskPath(root, name), { bigint: true });
    const [kept, keptFile, changed] = [stat('kept'), stat('kept/file'), stat('changed')];
    updateTree(
      root,
      before,
      tree({ 'kept/file': file('same'), other: directory(), changed: file('new', { mtime: 5 }) }),
    );
    expect(stat('kept').ctimeNs).toBe(kept.ctimeNs);
    expect(stat('kept/file').ctimeNs).toBe(keptFile.ctimeNs);
    expect(stat('changed').ino).toBe(changed.ino);
    expect(fs.readFileSync(path.join(root, 'changed'), 'utf8')).toBe('new');
  });

  test.runIf(isRoot())('every kind of difference is told in one line', () => {
    const expected = tree({
      'a "file"': file('content'),
      mode: file('', { mode: 0o600 }),
      time: file('', { mtime: 1 }),
      owner: file('', { uid: 1, gid: 2 }),
      link: symlink('here'),
      dev: device('char', 1, 3),
      type: fifo(),
      missing: directory(),
    });
    const actual = tree({
      'a "file"': file('Content'),
      mode: file('', { mode: 0o4644 }),
      time: file('', { mtime: 2 }),
      owner: file(''),
      link: symlink('there'),
      dev: device('char', 1, 5),
      type: file(''),
      surplus: directory(),
    });
    const root = tempDir('tree');
    writeTree(root, actual);
    const hash = (text: string): string => contentSha256([{ literal: text }]);
    expect(diffTrees(snapshotOf(expected), readTree(root))).toEqual([
      `"a \\x22file\\x22": sha256 ${hash('Content')}, expected ${hash('content')}`,
      '"dev": device 1:5, expected 1:3',
      '"link": link target "there", expected "here"',
      '"missing": missing, expected a directory',
      '"mode": mode 4644, expected 600',
      '"owner": owner 0:0, expected 1:2',
      '"surplus": not expected, is a directory',
      '"time": mtime 2, expected 1',
      '"type": is a file, expected a fifo',
    ]);
  });

  test('generated paths fit every file system limit', () => {
    fc.assert(
      fc.property(pathArbitrary(), (name) => {
        for (const part of name.split('/')) expect(part.length).toSatisfy((size: number) => size > 0 && size < 256);
      }),
    );
  });

  test('a socket outlives its maker', async () => {
    await withTempDir('sock', (root) => {
      makeSocket(root, 'sock');
      expect(readTree(root).get('sock')?.type).toBe('socket');
    });
  });
});

test('a temporary directory is gone afterwards, whatever the modes in it', async () => {
  const gone = await withTempDir('gone', (root) => {
    writeTree(root, tree({ 'closed/file': file('x', { mode: 0 }), closed: directory({ mode: 0o500 }) }));
    return root;
  });
  expect(fs.existsSync(gone)).toBe(false);
});
