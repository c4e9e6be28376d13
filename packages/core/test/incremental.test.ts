/** What an incremental backup sees, stores and leaves alone. */

import { lutimesSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  device,
  diffTrees,
  directory,
  fifo,
  file,
  isRoot,
  makeSocket,
  readTree,
  runOk,
  seeded,
  snapshotOf,
  symlink,
  type TreeNode,
  tree,
} from '@redup/testkit';
import { describe, expect, test } from 'vitest';
import { asTime } from '../src/index.js';
import { MODES } from './support.js';
import { START, withWorld } from './world.js';

async function members(place: string): Promise<string[]> {
  const { stdout } = await runOk('tar', ['-tf', place]);
  return stdout.split('\n').filter((line) => line !== '');
}

describe.each(MODES)('an incremental backup, %s', (mode) => {
  test('without any change is one volume with nothing in it, and restores', async () => {
    await withWorld(mode, async (world) => {
      world.write(tree({ a: file('a'), 'd/b': file(seeded(1, 200_000)), l: symlink('a') }));
      await world.backup();
      const { type, volumes, statistics } = await world.backup();
      expect({ type, volumes }).toEqual({ type: 'incremental', volumes: 1 });
      expect(statistics).toMatchObject({ newFiles: 0, changedFiles: 0, deletedFiles: 0, deltaEntries: 0, errors: 0 });
      await world.expectRestores();
      await world.expectRestores(world.tree, START + 1000);
    });
  });

  test('replaces every type by every other, and each time restores', async () => {
    const kinds: Record<string, TreeNode> = {
      file: file(seeded(3, 70_000)),
      empty: file(''),
      directory: directory({ mode: 0o750 }),
      symlink: symlink('nowhere'),
      fifo: fifo(),
      ...(isRoot() ? { device: device('char', 1, 3) } : {}),
    };
    const before = Object.entries(kinds).flatMap(([from, node]) =>
      Object.keys(kinds).map((to) => [`${from} to ${to}`, node] as const),
    );
    const after = Object.keys(kinds).flatMap((from) =>
      Object.entries(kinds).map(([to, node]) => [`${from} to ${to}`, node] as const),
    );
    const withChildren = (list: readonly (readonly [string, TreeNode])[]) => {
      const nodes = new Map<string, TreeNode>(list);
      for (const [name, node] of list) if (node.type === 'directory') nodes.set(`${name}/x`, file('below'));
      return tree(Object.fromEntries(nodes));
    };
    await withWorld(mode, async (world) => {
      const [first, second] = [withChildren(before), withChildren(after)];
      world.write(first);
      await world.backup();
      world.write(second);
      await world.backup();
      await world.expectRestores(second);
      await world.expectRestores(first, START + 1000);
      expect(await world.list()).toEqual(
        [...snapshotOf(second).keys()].sort((a, b) => (a.replaceAll('/', '\0') < b.replaceAll('/', '\0') ? -1 : 1)),
      );
      world.write(first);
      await world.backup();
      await world.expectRestores(first);
    });
  });
});

describe('what counts as a change', () => {
  test('a file rewritten within its second, with the same size and without, is stored again', async () => {
    await withWorld('plain', async (world) => {
      world.write(tree({ same: file('one'), longer: file('one') }));
      await world.backup();
      writeFileSync(join(world.source, 'same'), 'two');
      writeFileSync(join(world.source, 'longer'), 'three');
      // The very second of before.
      for (const name of ['same', 'longer']) utimesSync(join(world.source, name), 1_600_000_000.25, 1_600_000_000.25);
      const { statistics } = await world.backup();
      expect(statistics.changedFiles).toBe(2);
      const { target } = await world.restore();
      expect(diffTrees(readTree(world.source), readTree(target))).toEqual([]);
    });
  });

  test('a file rewritten with all its times put back is found by its ctime', async () => {
    await withWorld('plain', async (world) => {
      world.write(tree({ f: file('one'), untouched: file('x') }));
      await world.backup();
      writeFileSync(join(world.source, 'f'), 'two');
      lutimesSync(join(world.source, 'f'), 1_600_000_000, 1_600_000_000);
      expect((await world.backup()).statistics.changedFiles).toBe(1);
      const { target } = await world.restore();
      expect(diffTrees(readTree(world.source), readTree(target))).toEqual([]);
    });
  });

  test('without extensions both are missed, as by duplicity', async () => {
    await withWorld(
      'plain',
      async (world) => {
        world.write(tree({ f: file('one') }));
        await world.backup();
        writeFileSync(join(world.source, 'f'), 'three');
        lutimesSync(join(world.source, 'f'), 1_600_000_000, 1_600_000_000);
        expect((await world.backup()).statistics.deltaEntries).toBe(0);
      },
      { extensions: false },
    );
  });

  test('a file whose inode alone changed is read, found the same and not stored', async () => {
    await withWorld('plain', async (world) => {
      world.write(tree({ 'd/f': file(seeded(1, 100_000)) }));
      await world.backup();
      const place = join(world.source, 'd/f');
      await runOk('cp', ['-p', place, `${place}.new`]);
      renameSync(`${place}.new`, place);
      lutimesSync(join(world.source, 'd'), 1_600_000_000, 1_600_000_000);
      expect((await world.backup()).statistics).toMatchObject({ deltaEntries: 0, changedFiles: 0 });
    });
  });

  test('a file that was only touched costs a few bytes, and its new time is restored', async () => {
    await withWorld('plain', async (world) => {
      const content = seeded(1, 900_000);
      world.write(tree({ f: file(content) }));
      await world.backup();
      world.write(tree({ f: file(content, { mtime: 1_650_000_000, mode: 0o600 }) }));
      const { statistics } = await world.backup();
      expect(statistics.changedFiles).toBe(1);
      expect(statistics.rawDeltaSize).toBeLessThan(100);
      const [volume = ''] = world.stored(/inc.*difftar/);
      expect(await members(world.place(volume))).toEqual(['diff/f']);
      expect(statSync(world.place(volume)).size).toBeLessThan(20_480);
      await world.expectRestores();
    });
  });

  test('a change in the middle of a large file stores that part, not the file', async () => {
    await withWorld('plain', async (world) => {
      const [a, b] = [seeded(1, 3_000_000), seeded(2, 3_000_000)];
      world.write(tree({ f: file([...a, ...b]) }));
      await world.backup();
      world.write(tree({ f: file([...a, { literal: 'inserted here' }, ...b], { mtime: 1_650_000_000 }) }));
      expect((await world.backup()).statistics.rawDeltaSize).toBeLessThan(20_000);
      await world.expectRestores();
    });
  });

  test('a directory that vanished takes every entry below it along, each by name', async () => {
    await withWorld('plain', async (world) => {
      world.write(tree({ 'd/e/f': file('f'), 'd.x': file('x'), g: file('g') }));
      await world.backup();
      world.write(tree({ 'd.x': file('x'), g: file('g') }));
      const { statistics } = await world.backup();
      const [volume = ''] = world.stored(/inc.*difftar/);
      expect(await members(world.place(volume))).toEqual(['deleted/d', 'deleted/d/e', 'deleted/d/e/f']);
      expect(statistics.deletedFiles).toBe(3);
      expect(world.manifest(/inc.*manifest/).files).toEqual([{ action: 'deleted', path: 'd/e/f' }]);
      expect(await world.list()).toEqual(['', 'd.x', 'g']);
      await world.expectRestores();
    });
  });

  test('nothing changed and nothing is to be stored then: nothing is', async () => {
    await withWorld('plain', async (world) => {
      world.write(tree({ a: file('a') }));
      await world.backup();
      const before = world.stored(/./);
      expect(await world.backup({ skipIfNoChange: true })).toMatchObject({ stored: false, type: 'incremental' });
      expect(world.stored(/./)).toEqual(before);
      world.write(tree({ a: file('b', { mtime: 1_650_000_000 }) }));
      expect(await world.backup({ skipIfNoChange: true })).toMatchObject({ stored: true });
      await world.expectRestores();
    });
  });

  test('a dry run looks at everything and stores nothing', async () => {
    await withWorld('plain', async (world) => {
      world.write(tree({ a: file('a') }));
      const { stored, statistics } = await world.backup({ dryRun: true });
      expect({ stored, newFiles: statistics.newFiles }).toEqual({ stored: false, newFiles: 2 });
      expect(world.stored(/duplicity/)).toEqual([]);
    });
  });
});

test('a full backup when the last one is too old, an incremental one else', async () => {
  await withWorld('plain', async (world) => {
    world.write(tree({ a: file('a') }));
    const types = [];
    for (let i = 0; i < 4; i++) types.push((await world.backup({ fullIfOlderThan: 1500 })).type);
    expect(types).toEqual(['full', 'incremental', 'full', 'incremental']);
    await world.expectRestores();
  });
});

test('times far from now, names of other bytes and modes of nobody survive three sets', async () => {
  const nasty = {
    'zo\xeb \xff\n"': file('x', { mtime: 4_102_444_800, mode: 0o4755 }),
    [`long/${'n'.repeat(255)}/${'m'.repeat(200)}`]: file(seeded(4, 66_000), { mtime: 0 }),
    closed: directory({ mode: isRoot() ? 0 : 0o500 }),
    'link \x01': symlink('\xfe'.repeat(120)),
  };
  await withWorld('symmetric', async (world) => {
    world.write(tree(nasty));
    for (let i = 0; i < 3; i++) {
      await world.backup();
      await world.expectRestores();
    }
  });
});

test('a time before 1970 becomes 1970', async () => {
  await withWorld('plain', async (world) => {
    world.write(tree({ a: file('a') }));
    await runOk('touch', ['-d', '@-86400', join(world.source, 'a')]);
    expect(statSync(join(world.source, 'a')).mtimeMs).toBe(-86_400_000);
    await world.backup();
    const { target } = await world.restore();
    expect(statSync(join(target, 'a')).mtimeMs).toBe(0);
    expect((await world.backup()).statistics.changedFiles).toBe(0);
  });
});

test('sockets are named and left out', async () => {
  await withWorld('plain', async (world) => {
    world.write(tree({ a: file('a') }));
    makeSocket(world.source, 'socket');
    lutimesSync(world.source, 1_600_000_000, 1_600_000_000);
    const { events, statistics } = await world.backup();
    expect(events).toContainEqual(expect.objectContaining({ type: 'warning', code: 'SOCKET_SKIPPED', path: 'socket' }));
    expect(statistics.errors).toBe(0);
    expect(await world.list()).toEqual(['', 'a']);
    await world.expectRestores();
  });
});

test('a list and a restore of a time between two sets show the earlier', async () => {
  await withWorld('plain', async (world) => {
    world.write(tree({ a: file('a') }));
    await world.backup();
    const first = world.tree;
    world.write(tree({ b: file('b') }));
    await world.backup();
    expect(await world.list(START + 1999)).toEqual(['', 'a']);
    expect(await world.list(START + 2000)).toEqual(['', 'b']);
    await world.expectRestores(first, START + 1999);
    const early = await world.restore({ time: asTime(START) });
    expect(early.events).toContainEqual(expect.objectContaining({ code: 'TIME_BEFORE_FIRST' }));
  });
});
