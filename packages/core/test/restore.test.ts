/** Where a restore may write, what it replaces and what it leaves alone. */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { diffTrees, file, readTree, seeded, snapshotOf, tree } from '@redup/testkit';
import { describe, expect, test } from 'vitest';
import { asTime } from '../src/index.js';
import { compileSelection } from '../src/tree/index.js';
import { errorOf, expectRefusal, START, type World, withWorld } from './world.js';

const one = () => tree({ a: file('a'), 'd/b': file(seeded(1, 100_000)) });

describe('where a restore may write', () => {
  const world = async (use: (world: World) => Promise<void>) =>
    withWorld('gzip', async (w) => {
      w.write(one());
      await w.backup();
      await use(w);
    });

  test('a new folder, with the parents it needs, or an empty one', async () => {
    await world(async (w) => {
      for (const name of ['new', 'deep/down/new', 'empty']) {
        const target = join(w.folder, name);
        if (name === 'empty') mkdirSync(target);
        await w.restore({ target });
        expect(diffTrees(snapshotOf(one()), readTree(target))).toEqual([]);
      }
    });
  });

  test('not a folder with something in it, and nothing is touched there', async () => {
    await world(async (w) => {
      const target = join(w.folder, 'full');
      mkdirSync(target);
      writeFileSync(join(target, 'a'), 'mine');
      const error = await expectRefusal(w, () => w.restore({ target }), 'TARGET_NOT_EMPTY');
      expect(error.subject).toBe(target);
      expect(readdirSync(target)).toEqual(['a']);
      expect(readFileSync(join(target, 'a'), 'utf8')).toBe('mine');
    });
  });

  test('with --force: what has the same name is replaced, everything else stays', async () => {
    await world(async (w) => {
      const target = join(w.folder, 'full');
      mkdirSync(join(target, 'd'), { recursive: true });
      mkdirSync(join(target, 'a'));
      writeFileSync(join(target, 'd/b'), 'other');
      writeFileSync(join(target, 'd/mine'), 'mine');
      writeFileSync(join(target, 'mine'), 'mine');
      const { problems } = await w.restore({ target, force: true });
      expect(problems).toBe(0);
      expect(readFileSync(join(target, 'mine'), 'utf8')).toBe('mine');
      expect(readFileSync(join(target, 'd/mine'), 'utf8')).toBe('mine');
      const found = new Map([...readTree(target)].filter(([path]) => !path.endsWith('mine')));
      expect(diffTrees(snapshotOf(one()), found)).toEqual([]);
    });
  });

  test('with --force: a folder with something in it is not removed for a file', async () => {
    await world(async (w) => {
      const target = join(w.folder, 'full');
      mkdirSync(join(target, 'a'), { recursive: true });
      writeFileSync(join(target, 'a/mine'), 'mine');
      const run = await w.restore({ target, force: true });
      expect(run.problems).toBe(1);
      expect(run.events).toContainEqual(expect.objectContaining({ code: 'NOT_RESTORED', path: 'a' }));
      expect(readFileSync(join(target, 'a/mine'), 'utf8')).toBe('mine');
      expect(readTree(target).get('d/b')?.sha256).toBe(snapshotOf(one()).get('d/b')?.sha256);
    });
  });

  test('one folder of the backup becomes the target, one file too', async () => {
    await world(async (w) => {
      const folder = join(w.folder, 'd');
      await w.restore({ target: folder, path: 'd' });
      expect([...readTree(folder).keys()]).toEqual(['', 'b']);
      const target = join(w.folder, 'new parent/b');
      await w.restore({ target, path: '/d//b/' });
      expect(readTree(target).get('')?.sha256).toBe(snapshotOf(one()).get('d/b')?.sha256);
    });
  });

  test.each([false, true])('one file onto a folder is refused, the folder stays (force: %s)', async (force) => {
    await world(async (w) => {
      for (const filled of [true, false]) {
        const target = join(w.folder, `folder-${filled}`);
        mkdirSync(target);
        if (filled) writeFileSync(join(target, 'mine'), 'mine');
        await errorOf(w.restore({ target, path: 'a', force }), 'TARGET_NOT_EMPTY');
        expect(readdirSync(target)).toEqual(filled ? ['mine'] : []);
      }
    });
  });

  test('one file onto a file only with --force', async () => {
    await world(async (w) => {
      const target = join(w.folder, 'file');
      writeFileSync(target, 'mine');
      await errorOf(w.restore({ target, path: 'a' }), 'TARGET_NOT_EMPTY');
      expect(readFileSync(target, 'utf8')).toBe('mine');
      await w.restore({ target, path: 'a', force: true });
      expect(readFileSync(target, 'utf8')).toBe('a');
    });
  });

  test('a path that is not in the backup, or leads out of it', async () => {
    await world(async (w) => {
      const error = await expectRefusal(w, () => w.restore({ path: 'd/nothing' }), 'PATH_NOT_FOUND');
      expect(error.subject).toBe('d/nothing');
      await expectRefusal(w, () => w.restore({ path: '../a' }), 'BAD_OPTION');
      // A name that only begins like one.
      await expectRefusal(w, () => w.restore({ path: 'd/bb' }), 'PATH_NOT_FOUND');
    });
  });

  test('a path of an earlier time, gone since', async () => {
    await world(async (w) => {
      w.write(tree({ a: file('a') }));
      await w.backup();
      await errorOf(w.restore({ path: 'd' }), 'PATH_NOT_FOUND');
      const { target } = await w.restore({ path: 'd', time: asTime(START + 1000) });
      expect([...readTree(target).keys()]).toEqual(['', 'b']);
    });
  });

  test('parts of the tree go elsewhere, the longest fitting name counting', async () => {
    await world(async (w) => {
      const { target, problems } = await w.restore({
        renames: [
          ['d', 'e/f'],
          ['d/b', 'b2'],
        ],
      });
      expect(problems).toBe(0);
      expect([...readTree(target).keys()].sort()).toEqual(['', 'a', 'b2', 'e', 'e/f']);
    });
  });

  test('what is selected comes back, with the folders above it and no others', async () => {
    await world(async (w) => {
      w.write(tree({ a: file('a'), 'd/b': file('b'), 'd/e/c': file('c'), 'empty/x/y': file('y') }));
      await w.backup();
      const select = compileSelection(
        [
          { kind: 'pattern', action: 'include', pattern: '**/c' },
          { kind: 'pattern', action: 'exclude', pattern: '**' },
        ],
        {},
      );
      const { target, files } = await w.restore({ select });
      expect([...readTree(target).keys()].sort()).toEqual(['', 'd', 'd/e', 'd/e/c']);
      expect(files).toBe(4);
      const nothing = compileSelection([{ kind: 'pattern', action: 'exclude', pattern: '**' }], {});
      await errorOf(w.restore({ select: nothing }), 'NO_BACKUP');
    });
  });

  test('a dry run says which volumes are needed and writes nothing', async () => {
    await world(async (w) => {
      const target = join(w.folder, 'dry');
      const run = await w.restore({ target, dryRun: true });
      expect(run.needed).toContainEqual(expect.stringMatching(/difftar/));
      expect(existsSync(target)).toBe(false);
    });
  });
});
