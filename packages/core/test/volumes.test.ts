/** How sets are cut into volumes, and what lies in them. */

import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type FileNode, file, hashFiles, literal, runOk, symlink, type TreeModel, tree } from '@redup/testkit';
import { describe, expect, test } from 'vitest';
import { parseManifest } from '../src/archive/index.js';
import { MODES } from './support.js';
import { withWorld } from './world.js';

const VOLUME_BYTES = 1 << 20;

/** Content that can't be compressed, of one piece in memory. */
const noise = (size: number): FileNode => file(literal(randomBytes(size).toString('latin1')));

const bigTree = (): TreeModel =>
  tree({
    'a small file': file('small'),
    big: noise(3 * VOLUME_BYTES + 12_345),
    'dir/chunk': noise(65_536),
    'dir/link': symlink('../big'),
    ...Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`many/${i}`, noise(20_000)])),
    'z text': file('compress me '.repeat(200_000)),
  });

describe.each(MODES)('volumes, %s', (mode) => {
  test('are never larger than asked for, nor much smaller', async () => {
    await withWorld(mode, async (world) => {
      world.write(bigTree());
      const { volumes } = await world.backup({ volumeBytes: VOLUME_BYTES });
      const names = world.stored(/\.difftar/);
      expect(names.length).toBe(volumes);
      expect(volumes).toBeGreaterThan(3);
      const sizes = names.map((name) => statSync(world.place(name)).size);
      for (const size of sizes) expect(size).toBeLessThanOrEqual(VOLUME_BYTES);
      for (const size of sizes.slice(0, -1)) expect(size).toBeGreaterThan(VOLUME_BYTES * 0.6);
      await world.expectRestores();
    });
  });

  test('stay below that size too when what compresses well ends and noise begins', async () => {
    await withWorld(mode, async (world) => {
      world.write(tree({ a: file(literal('text '.repeat(4_000_000))), b: noise(3 * VOLUME_BYTES) }));
      await world.backup({ volumeBytes: VOLUME_BYTES });
      for (const name of world.stored(/\.difftar/))
        expect(statSync(world.place(name)).size).toBeLessThanOrEqual(VOLUME_BYTES);
    });
  });

  test('a file is split over volumes at its chunks, and the manifest says where', async () => {
    await withWorld(mode, async (world) => {
      world.write(bigTree());
      await world.backup();
      world.loseCache();
      // Reading back makes the local copy, which is plain whatever the target's is.
      await world.restore({ path: 'big', target: join(world.folder, 'big') });
      const { volumes } = localManifest(world.archive);
      const list = [...volumes.values()];
      const cuts = list.slice(0, -1).map((volume, i) => [volume.end, list[i + 1]?.start] as const);
      const inside = cuts.filter(([end]) => end.path === 'big' && end.chunk !== undefined);
      expect(inside.length).toBeGreaterThanOrEqual(2);
      for (const [end, start] of inside) {
        expect(start?.path).toBe('big');
        // The final chunk has no number.
        expect([undefined, (end.chunk ?? 0) + 1]).toContain(start?.chunk);
      }
      expect(list[0]?.start).toEqual({ path: '' });
      expect(list.at(-1)?.end).toEqual({ path: 'z text' });
    });
  });

  test('are the same whatever number of workers made them', async () => {
    await withWorld(mode, async (one) => {
      one.write(bigTree());
      const cutsOf = async (workers: number) => {
        const options = { workers, archiveDirectory: join(one.folder, `archive-${workers}`) };
        const target = join(one.folder, `target-${workers}`);
        await one.backup({}, { ...options, target, now: 1_700_000_000 });
        const { volumes } = localManifest(options.archiveDirectory);
        return { hashes: hashFiles(target), cuts: [...volumes.values()].map(({ start, end }) => [start, end]) };
      };
      const [none, two] = [await cutsOf(0), await cutsOf(2)];
      expect(two.cuts).toEqual(none.cuts);
      // Two encrypted messages are never the same; all else is.
      if (mode !== 'symmetric') expect(two.hashes).toEqual(none.hashes);
    });
  });
});

function localManifest(archive: string) {
  const [name = ''] = readdirSync(archive, { recursive: true, encoding: 'utf8' }).filter((n) =>
    n.endsWith('.manifest'),
  );
  return parseManifest(readFileSync(join(archive, name), 'latin1'), { files: 'keep' });
}

test('every volume is a tar of its own for any tar program', async () => {
  await withWorld('gzip', async (world) => {
    world.write(bigTree());
    await world.backup();
    const members: string[] = [];
    for (const name of world.stored(/\.difftar/)) {
      const { stdout } = await runOk('tar', ['-tzf', world.place(name)]);
      members.push(...stdout.trim().split('\n'));
    }
    expect(members[0]).toBe('snapshot/./');
    const chunks = members.filter((name) => name.startsWith('multivol_snapshot/big/'));
    expect(chunks).toEqual(chunks.map((_, i) => `multivol_snapshot/big/${i + 1}`));
    expect(chunks.length).toBe(Math.floor((3 * VOLUME_BYTES + 12_345) / 65_536) + 1);
    // An exact multiple of 64 KiB ends with an empty chunk.
    expect(members.filter((name) => name.includes('dir/chunk'))).toEqual([
      'multivol_snapshot/dir/chunk/1',
      'multivol_snapshot/dir/chunk/2',
    ]);
  });
});

test('a volume size below a chunk still makes progress, one block a volume', async () => {
  await withWorld('plain', async (world) => {
    world.write(tree({ a: file('1'), b: noise(70_000), c: file('2') }));
    const { volumes } = await world.backup({ volumeBytes: 1000 });
    expect(volumes).toBeLessThan(20);
    await world.expectRestores();
  });
});

test('an empty folder and a single file, link or fifo as source are sets of one volume', async () => {
  await withWorld('gzip', async (world) => {
    world.write(tree({}));
    expect(await world.backup()).toMatchObject({ volumes: 1, type: 'full' });
    await world.expectRestores();
  });
  await withWorld('gzip', async (world) => {
    world.write(tree({ f: noise(200_000), l: symlink('nowhere') }));
    for (const name of ['f', 'l']) {
      const options = { target: join(world.folder, `target-${name}`), name };
      await world.backup({ source: join(world.source, name) }, options);
      const place = join(world.folder, `again-${name}`);
      const { files, problems } = await world.restore({ target: place }, options);
      expect({ files, problems, there: existsSync(place) || name === 'l' }).toEqual({
        files: 1,
        problems: 0,
        there: true,
      });
    }
  });
});
