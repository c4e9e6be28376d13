import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { device, isRoot, readTree, treeArbitrary, withTempDir, writeTree } from '@redup/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromText } from '../archive/index.js';
import { deviceMajor, deviceMinor, type TreeEntry } from './entry.js';
import { comparePaths } from './paths.js';
import { type Selection, trimSlashes, walk } from './walk.js';

const entriesOf = (root: string, select?: Selection, followLinks = false): TreeEntry[] =>
  [...walk({ root: fromText(root), followLinks, ...(select === undefined ? {} : { select }) })].map((item) =>
    item.type === 'unreadable' ? expect.unreachable(item.reason) : item,
  );

describe('a walk', () => {
  test('finds every entry once, in order, with what an independent reader finds of it', async () => {
    await fc.assert(
      fc.asyncProperty(treeArbitrary({ maxEntries: 10, maxFileBytes: 3000 }), async (model) => {
        await withTempDir('walk', (folder) => {
          const root = join(folder, 'root');
          writeTree(root, model);
          const found = entriesOf(root);
          const paths = found.map(({ path }) => path);
          expect(paths).toEqual([...paths].sort(comparePaths));
          const seen = readTree(root);
          expect(new Set(paths)).toEqual(new Set(seen.keys()));
          for (const entry of found) {
            const node = seen.get(entry.path) ?? expect.unreachable();
            const type = { char: 'character-device', block: 'block-device' }[node.type as string] ?? node.type;
            const { mode, uid, gid, mtime, size = 0, target = '', major = 0, minor = 0 } = node;
            expect(entry).toMatchObject({
              type,
              uid,
              gid,
              mtime,
              size,
              linkName: target,
              deviceMajor: major,
              deviceMinor: minor,
            });
            if (type !== 'symlink') expect(entry.mode).toBe(mode);
          }
        });
      }),
      { numRuns: 25 },
    );
  });

  test('enters no excluded folder, and shows a scanned one only with what is included below it', async () => {
    await withTempDir('walk', (root) => {
      for (const name of ['a/b/c', 'a/d', 'e/f']) mkdirSync(join(root, name), { recursive: true });
      writeFileSync(join(root, 'a/b/c/x'), '');
      writeFileSync(join(root, 'e/f/x'), '');
      const asked: string[] = [];
      const select: Selection = ({ path, type }) => {
        asked.push(path);
        if (path === 'a/b/c/x') return 'include';
        return path === 'e' ? 'exclude' : type === 'directory' ? 'scan' : 'exclude';
      };
      expect(entriesOf(root, select).map(({ path }) => path)).toEqual(['', 'a', 'a/b', 'a/b/c', 'a/b/c/x']);
      expect(asked).not.toContain('e/f');
      expect(asked).not.toContain('');
    });
  });

  test('follows links only when told to, and never in circles', async () => {
    await withTempDir('walk', (root) => {
      mkdirSync(join(root, 'd'));
      writeFileSync(join(root, 'd/x'), 'content');
      symlinkSync('d', join(root, 'l'));
      symlinkSync('..', join(root, 'd/up'));
      symlinkSync('nowhere', join(root, 'dangling'));
      expect(entriesOf(root).map(({ path, type }) => `${path} ${type}`)).toEqual([
        ' directory',
        'd directory',
        'd/up symlink',
        'd/x file',
        'dangling symlink',
        'l symlink',
      ]);
      const followed = entriesOf(root, undefined, true).map(({ path }) => path);
      expect(followed).toContain('l/x');
      expect(followed).not.toContain('dangling');
      expect(followed.length).toBeLessThan(10);
    });
  });

  test('takes a single file or a link as the whole source, and knows a slash at its end', async () => {
    await withTempDir('walk', (root) => {
      writeFileSync(join(root, 'f'), 'x');
      symlinkSync('f', join(root, 'l'));
      expect(entriesOf(join(root, 'f'))).toMatchObject([{ path: '', type: 'file', size: 1 }]);
      expect(entriesOf(`${join(root, 'l')}//`)).toMatchObject([{ path: '', type: 'symlink', linkName: 'f' }]);
      expect(entriesOf(`${root}/`)[0]).toMatchObject({ path: '', type: 'directory' });
      expect(trimSlashes('//')).toBe('/');
      expect(trimSlashes('')).toBe('');
    });
  });

  test('of nothing is an error that says so', () => {
    expect(() => entriesOf('/nowhere/at/all')).toThrow(expect.objectContaining({ code: 'SOURCE_MISSING' }));
    expect(() => entriesOf('/dev/null/x')).toThrow(expect.objectContaining({ code: 'SOURCE_MISSING' }));
  });
});

test('device numbers are those that the system shows', async () => {
  expect([deviceMajor(0x103), deviceMinor(0x103)]).toEqual([1, 3]);
  if (!isRoot()) return;
  await withTempDir('walk', (folder) => {
    const model = new Map([['n', device('block', 4095, 1_048_575)]]);
    writeTree(join(folder, 'r'), model);
    expect(existsSync(join(folder, 'r/n'))).toBe(true);
    expect(entriesOf(join(folder, 'r'))[1]).toMatchObject({ deviceMajor: 4095, deviceMinor: 1_048_575 });
  });
});
