/** Disks that get full: the target's, the temporary folder's, the archive directory's, and the one restored to. */

import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MemoryStorage } from '@redup/storage';
import { diffTrees, file, literal, readTree, snapshotOf, type TreeModel, tree, withSmallDisk } from '@redup/testkit';
import { describe, expect, test } from 'vitest';
import { MODES } from './support.js';
import { errorOf, START, withWorld } from './world.js';

const MIB = 1 << 20;
const noise = (size: number) => file(literal(randomBytes(size).toString('latin1')));
const small = (): TreeModel => tree({ a: file('a'), d: noise(100_000) });
const large = (): TreeModel => tree({ ...Object.fromEntries(small()), big: noise(4 * MIB), z: file('z') });

/** Takes space until `give` is called. */
function filler(disk: string, bytes: number): () => void {
  const place = join(disk, 'filler');
  writeFileSync(place, Buffer.alloc(bytes, 'x'));
  return () => rmSync(place);
}

describe.each(MODES)('a full disk, %s', (mode) => {
  test('of the target: what was stored stays, and with room the next run is fine', async (context) => {
    await withSmallDisk(context, 12 * MIB, async (disk) => {
      await withWorld(
        mode,
        async (world) => {
          mkdirSync(world.target);
          const first = small();
          world.write(first);
          await world.backup();
          const give = filler(disk, 9 * MIB);
          world.write(large());
          const error = await errorOf(world.backup(), 'NO_SPACE');
          expect(error.message).toContain(world.target);
          expect(error.hint ?? '').not.toBe('');
          await world.expectRestores(first, START + 1000);
          give();
          expect((await world.backup()).type).toBe('incremental');
          await world.expectRestores();
        },
        { target: join(disk, 'target') },
      );
    });
  });

  test('of the archive directory: one message that names it, and the next run is fine', async (context) => {
    await withSmallDisk(context, MIB, async (disk) => {
      await withWorld(
        mode,
        async (world) => {
          const give = filler(disk, MIB - 16_384);
          world.write(large());
          const error = await errorOf(world.backup(), 'NO_SPACE');
          expect(error.message).toContain(disk);
          expect(error.hint).toContain('--archive-dir');
          give();
          expect((await world.backup()).stored).toBe(true);
          await world.expectRestores(world.tree, undefined);
        },
        { archiveDirectory: join(disk, 'archive') },
      );
    });
  });
});

describe('a full disk', () => {
  test('of the temporary folder, where volumes for a remote storage wait', async (context) => {
    await withSmallDisk(context, MIB, async (disk) => {
      await withWorld('gzip', async (world) => {
        world.write(large());
        const storage = new MemoryStorage();
        const options = { storage, temporaryDirectory: disk };
        const error = await errorOf(world.backup({ volumeBytes: 3 * MIB }, options), 'NO_SPACE');
        expect(error.message).toContain(disk);
        expect(error.hint).toContain('--tempdir');
        // Nothing stays behind that keeps it full.
        expect(readdirSync(disk)).toEqual([]);
        expect((await world.backup({ volumeBytes: MIB / 4 }, options)).stored).toBe(true);
        await world.expectRestores(world.tree, undefined, options);
      });
    });
  });

  test('restored to: no half file under a name, and the same again with room and --force is right', async (context) => {
    await withSmallDisk(context, 6 * MIB, async (disk) => {
      await withWorld('gzip', async (world) => {
        world.write(large());
        await world.backup();
        const give = filler(disk, 4 * MIB);
        const target = join(disk, 'restored');
        const error = await errorOf(world.restore({ target }), 'NO_SPACE');
        expect(error.message).toContain('big');
        const expected = snapshotOf(world.tree);
        for (const [path, node] of readTree(target)) {
          expect(node.type).toBe(expected.get(path)?.type);
          if (node.type === 'file') expect(node.sha256).toBe(expected.get(path)?.sha256);
        }
        give();
        await world.restore({ target, force: true });
        expect(diffTrees(expected, readTree(target))).toEqual([]);
      });
    });
  });

  test('of the temporary folder while deltas are applied', async (context) => {
    await withSmallDisk(context, MIB, async (disk) => {
      await withWorld('gzip', async (world) => {
        const content = randomBytes(6 * MIB).toString('latin1');
        world.write(tree({ f: file(literal(content)) }));
        await world.backup();
        world.write(tree({ f: file(literal(`${content}more`), { mtime: 1_650_000_000 }) }));
        await world.backup();
        const target = join(world.folder, 'restored');
        const error = await errorOf(world.restore({ target }, { temporaryDirectory: disk }), 'NO_SPACE');
        expect(error.message).toContain(disk);
        expect(existsSync(join(target, 'f'))).toBe(false);
        expect(readdirSync(disk)).toEqual([]);
        expect(statSync(disk).isDirectory()).toBe(true);
        await world.expectRestores();
      });
    });
  });
});
