/** `check --repair`: what is made again is what was lost, and real duplicity goes on with it. */

import { createHash } from 'node:crypto';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import {
  type DuplicityHome,
  diffTrees,
  duplicityHome,
  duplicityOk,
  file,
  flipBit,
  hashFiles,
  type Peer,
  readTree,
  requirePeer,
  seeded,
  snapshotOf,
  symlink,
  type TreeModel,
  tree,
  truncateFile,
} from '@redup/testkit';
import { describe, expect, test } from 'vitest';
import type { CheckResult, RestoreOptions } from '../src/index.js';
import { MODES, PASSPHRASE } from './support.js';
import { errorOf, START, type World, withWorld } from './world.js';

const PEERS = ['duplicity-debian', 'duplicity-current'] as const;

/** Every kind of entry, contents around the limits, changes of all kinds. */
function stateOf(set: number): TreeModel {
  const mtime = 1_650_000_000 + set;
  const all = tree({
    'a "quoted" name': file(`state ${set}`, { mtime }),
    big: file([...seeded(set, 70_000), ...seeded(9, 1_400_000)], { mtime }),
    'd/chunk': file(seeded(set === 0 ? 1 : 2, 65_536), { mtime: 1_640_000_000 + Math.min(set, 1) }),
    'd/empty': file(''),
    'd/l': symlink(set === 1 ? 'x' : '../big'),
    ...(set === 1 ? { gone: file('here once') } : {}),
    z: file(seeded(3, 200_000)),
  });
  return all;
}

async function history(world: World, sets = 3): Promise<void> {
  for (let set = 0; set < sets; set++) {
    world.write(stateOf(set));
    await world.backup({ volumeBytes: 1 << 20 });
  }
}

async function repaired(world: World, options: { readonly readPercent?: number } = {}): Promise<CheckResult> {
  const { repository } = await world.open();
  const result = await repository.check({ ...options, repair: true });
  world.loseCache();
  const after = await (await world.open()).repository.check({ readPercent: 100 });
  if (result.damages === 0) expect(after).toMatchObject({ findings: [], found: 0 });
  return result;
}

const from = ({ repairs }: CheckResult) => repairs.map((repair) => repair.from ?? repair.problem);

describe.each(MODES)('%s', (mode) => {
  test('signatures from the volumes: byte for byte what duplicity’s format has, and the chain goes on', async () => {
    await withWorld(
      mode,
      async (world) => {
        await history(world);
        const before = hashFiles(world.target);
        world.loseCache();
        for (const name of world.stored(/signatures/)) rmSync(world.place(name));
        const result = await repaired(world);
        expect(from(result)).toEqual(['volumes', 'volumes', 'volumes']);
        // Gzip headers hold the time of the set; OpenPGP messages differ each time.
        if (mode !== 'symmetric') expect(hashFiles(world.target)).toEqual(before);
        world.write(stateOf(5));
        expect(await world.backup()).toMatchObject({ type: 'incremental' });
        await world.expectRestores();
        await world.expectRestores(stateOf(1), START + 2000);
      },
      // As duplicity writes them.
      { extensions: false },
    );
  });

  test('manifests from the volumes: the same spans and hashes', async () => {
    await withWorld(mode, async (world) => {
      await history(world);
      const names = world.stored(/manifest/);
      const before = mode === 'symmetric' ? [] : names.map((name) => readFileSync(world.place(name), 'latin1'));
      world.loseCache();
      for (const name of names.slice(0, 2)) rmSync(world.place(name));
      expect(from(await repaired(world))).toEqual(['volumes', 'volumes']);
      const volumesOf = (text: string) => text.replace(/Filelist[\s\S]*/, '');
      for (const [index, text] of before.entries())
        expect(volumesOf(readFileSync(world.place(names[index] ?? ''), 'latin1'))).toBe(volumesOf(text));
      for (const set of [0, 1, 2]) await world.expectRestores(stateOf(set), START + 1000 * (set + 1));
      const part = await world.restore({ path: 'd/chunk' });
      expect(part.problems).toBe(0);
    });
  });

  test('both from their copies, while there are copies', async () => {
    await withWorld(mode, async (world) => {
      await history(world);
      const before = hashFiles(world.target);
      const lost = world.stored(/manifest|signatures/);
      for (const [index, name] of lost.entries()) {
        if (index % 3 === 0) rmSync(world.place(name));
        else if (index % 3 === 1) truncateFile(world.place(name));
        else flipBit(world.place(name), mode === 'plain' && name.includes('sigtar') ? 150 : 4);
      }
      const { repository } = await world.open();
      const result = await repository.check({ repair: true, readPercent: 100 });
      expect(result.damages).toBe(0);
      expect(new Set(from(result))).toEqual(new Set(mode === 'symmetric' ? ['copy'] : from(result)));
      world.loseCache();
      expect(await (await world.open()).repository.check({ readPercent: 100 })).toMatchObject({ found: 0 });
      if (mode === 'plain') for (const [name] of before) expect(existsSync(world.place(name))).toBe(true);
    });
  });
});

describe('real duplicity', () => {
  const run = (peer: Peer, home: DuplicityHome, args: readonly string[], set: number) =>
    duplicityOk(peer, args, { home, currentTime: START + 1000 * (set + 1), passphrase: PASSPHRASE });

  for (const name of PEERS) {
    test(`${name}: what it stored and lost is made again as it was, and it goes on with it`, async (context) => {
      const peer = requirePeer(context, name);
      await withWorld('symmetric', async (world) => {
        const url = `file://${world.target}`;
        let home = duplicityHome();
        try {
          for (const set of [0, 1, 2]) {
            world.write(stateOf(set));
            await run(peer, home, [set === 0 ? 'full' : 'incremental', '--volsize', '1', world.source, url], set);
          }
          const signatures = contentsOf(home, /sigtar/);
          const manifests = contentsOf(home, /manifest/);
          world.now = START + 5000;
          for (const lost of [...world.stored(/signatures/), ...world.stored(/full.*manifest/)])
            rmSync(world.place(lost));
          home.dispose();
          home = duplicityHome();
          const result = await repaired(world);
          expect(from(result)).toEqual(['volumes', 'volumes', 'volumes', 'volumes']);
          world.write(stateOf(3));
          await run(peer, home, ['incremental', world.source, url], 6);
          // Its new cache holds what was made: the same signatures, byte for byte. 3.2 takes longer blocks, which nothing tells.
          const made = [...contentsOf(home, /sigtar/)].slice(0, 3);
          if (name === 'duplicity-debian') expect(digestsOf(made)).toEqual(digestsOf([...signatures]));
          else expect(made.map(([each]) => each)).toEqual([...signatures.keys()]);
          const spans = (text: string) => text.replace(/Filelist[\s\S]*|^ {4}(Hash SHA256|Size).*\n/gm, '');
          const [full = ''] = [...contentsOf(home, /full.*manifest/).values()];
          expect(spans(full)).toBe(spans([...manifests.values()][0] ?? ''));
          for (const set of [0, 2, 3]) {
            const target = join(world.folder, `theirs-${set}`);
            const time = START + 1000 * (set === 3 ? 7 : set + 1);
            await run(peer, home, ['restore', '--time', `${time}`, url, target], 8);
            expect(diffTrees(snapshotOf(stateOf(set)), readTree(target))).toEqual([]);
          }
          world.now = START + 9000;
          world.write(stateOf(4));
          expect(await world.backup()).toMatchObject({ type: 'incremental' });
          await world.expectRestores();
        } finally {
          home.dispose();
        }
      });
    });
  }
});

/** Of duplicity's cache, unpacked. */
function contentsOf(home: DuplicityHome, pattern: RegExp): Map<string, string> {
  const [cache = ''] = readdirSync(home.archiveDir);
  const folder = join(home.archiveDir, cache);
  const names = readdirSync(folder)
    .filter((each) => pattern.test(each))
    .sort();
  return new Map(names.map((each) => [each, unpacked(readFileSync(join(folder, each)))]));
}

describe('what cannot be made again', () => {
  test('a manifest whose last volume is missing is not made up, and says so', async () => {
    await withWorld('gzip', async (world) => {
      await history(world, 1);
      world.loseCache();
      const [manifest = ''] = world.stored(/manifest/);
      rmSync(world.place(manifest));
      rmSync(world.place(world.stored(/vol2/)[0] ?? ''));
      const { repository } = await world.open();
      const result = await repository.check({ repair: true });
      expect(result.damages).toBeGreaterThan(0);
      expect(from(result)).toEqual([expect.stringContaining('signatures go on to')]);
      expect(existsSync(world.place(manifest))).toBe(false);
    });
  });

  test('signatures around a damaged volume: what is lost is left out, and the next backup stores it whole', async () => {
    await withWorld('gzip', async (world) => {
      await history(world, 2);
      world.loseCache();
      flipBit(world.place(world.stored(/full.*vol2/)[0] ?? ''));
      for (const name of world.stored(/signatures/)) rmSync(world.place(name));
      const { repository } = await world.open();
      const result = await repository.check({ repair: true });
      expect(from(result)).toEqual(['volumes', 'volumes']);
      expect(result.repairs[0]?.problem).toContain('stores those files whole');
      world.write(stateOf(1));
      const run = await world.backup({ type: 'incremental' });
      expect(run.statistics.newFiles).toBeGreaterThan(0);
      const restored = await world.restore({ ignoreErrors: true });
      expect(diffTrees(snapshotOf(stateOf(1)), readTree(restored.target))).toEqual([]);
    });
  });

  test('nothing is touched without --repair, and with it no volume and nothing that is whole', async () => {
    await withWorld('gzip', async (world) => {
      await history(world, 2);
      const before = hashFiles(world.target);
      const { repository } = await world.open();
      expect(await repository.check({ repair: true, readPercent: 100 })).toMatchObject({ found: 0, repairs: [] });
      expect(hashFiles(world.target)).toEqual(before);
      const [lost = ''] = world.stored(/new-signatures/);
      rmSync(world.place(lost));
      await repository.check({ readPercent: 100 });
      expect(existsSync(world.place(lost))).toBe(false);
      await repository.check({ repair: true });
      for (const [name, hash] of before) if (/vol/.test(name)) expect(hashFiles(world.target).get(name)).toBe(hash);
    });
  });

  test('the copy of a manifest that says something else goes, and the stored one is fetched', async () => {
    await withWorld('gzip', async (world) => {
      await history(world, 1);
      const [cache = ''] = readdirSync(world.archive);
      const [name = ''] = world.stored(/manifest/);
      const copy = join(world.archive, cache, name);
      writeFileSync(copy, readFileSync(copy, 'latin1').replace(/Hash SHA256 .../, 'Hash SHA256 000'), 'latin1');
      await errorOf(world.restore(), 'VOLUME_HASH');
      const { repository } = await world.open();
      expect(from(await repository.check({ repair: true }))).toEqual(['target']);
      await world.expectRestores();
    });
  });
});

describe('a restore without a manifest', () => {
  test.each(MODES)('reads the volumes with ignoreErrors, and says so without (%s)', async (mode) => {
    await withWorld(mode, async (world) => {
      await history(world);
      world.loseCache();
      const restoreAll = (options: Partial<RestoreOptions> = {}) => world.restore(options);
      const [last = ''] = world.stored(/inc.*manifest/).slice(-1);
      cpSync(world.place(last), join(world.folder, 'kept'));
      rmSync(world.place(last));
      const older = await restoreAll();
      expect(older.warnings.join()).toContain('passed over');
      expect(diffTrees(snapshotOf(stateOf(1)), readTree(older.target))).toEqual([]);
      const newest = await restoreAll({ ignoreErrors: true });
      expect(newest.warnings.join()).toContain('no usable manifest');
      expect(diffTrees(snapshotOf(stateOf(2)), readTree(newest.target))).toEqual([]);
      // The first one gone as well, or cut off.
      const [full = ''] = world.stored(/full.*manifest/);
      truncateFile(world.place(full));
      world.loseCache();
      const all = await restoreAll({ ignoreErrors: true });
      expect(diffTrees(snapshotOf(stateOf(2)), readTree(all.target))).toEqual([]);
      rmSync(world.place(full));
      world.loseCache();
      const error = await errorOf(restoreAll(), 'NO_BACKUP');
      expect(error.hint).toContain('--ignore-errors');
      const without = await restoreAll({ ignoreErrors: true });
      expect(diffTrees(snapshotOf(stateOf(2)), readTree(without.target))).toEqual([]);
    });
  });
});

/** Short, so that a failure can be read. */
function digestsOf(files: readonly (readonly [string, string])[]): string[] {
  return files.map(([name, content]) => `${name} ${createHash('sha256').update(content, 'latin1').digest('hex')}`);
}

function unpacked(bytes: Buffer): string {
  return (bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString('latin1');
}
