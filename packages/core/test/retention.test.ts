/** The commands that delete, on real archives: what is left restores and continues, and is what real duplicity leaves. */

import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { FileStorage, type Storage } from '@redup/storage';
import { duplicityHome, duplicityOk, file, requirePeer, seeded, tree } from '@redup/testkit';
import { describe, expect, test } from 'vitest';
import { asTime, type CleanupPlan, type RetentionRule } from '../src/index.js';
import { errorOf, START, type World, withWorld } from './world.js';

const PEERS = ['duplicity-debian', 'duplicity-current'] as const;

/** When the nth backup is made; the first is 1. */
const timeOf = (backup: number) => asTime(START + backup * 1000);
const stateOf = (backup: number) => tree({ a: file(`state ${backup}\n`), [`new-${backup}`]: file('x') });

/** `FIIFI`: a full backup, two incremental ones, and so on. */
async function history(world: World, kinds: string): Promise<void> {
  for (const [index, kind] of [...kinds].entries()) {
    world.write(stateOf(index + 1));
    await world.backup({ type: kind === 'F' ? 'full' : 'incremental' });
  }
}

/** Without the folder that file targets prepare uploads in. */
function files(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name !== '.redup-staging')
    .sort();
}

const RULES: readonly (readonly [string, readonly string[], RetentionRule])[] = [
  ['before everything', ['remove-older-than', `${timeOf(0)}`], { remove: 'older-than', time: timeOf(0) }],
  ['within the first chain', ['remove-older-than', `${timeOf(2)}`], { remove: 'older-than', time: timeOf(2) }],
  ['the end of the first chain', ['remove-older-than', `${timeOf(3)}`], { remove: 'older-than', time: timeOf(3) }],
  ['after the first chain', ['remove-older-than', `${timeOf(4)}`], { remove: 'older-than', time: timeOf(4) }],
  ['within the last chain', ['remove-older-than', `${timeOf(7)}`], { remove: 'older-than', time: timeOf(7) }],
  ['all but one', ['remove-all-but-n-full', '1'], { remove: 'all-but-full', count: 1 }],
  ['all but two', ['remove-all-but-n-full', '2'], { remove: 'all-but-full', count: 2 }],
  ['all but more than there are', ['remove-all-but-n-full', '9'], { remove: 'all-but-full', count: 9 }],
  [
    'incrementals of all but one',
    ['remove-all-inc-of-but-n-full', '1'],
    { remove: 'incrementals-of-all-but-full', count: 1 },
  ],
  [
    'incrementals of all but two',
    ['remove-all-inc-of-but-n-full', '2'],
    { remove: 'incrementals-of-all-but-full', count: 2 },
  ],
];

describe('pruning', () => {
  for (const name of PEERS) {
    test(`leaves the files that ${name} leaves`, async (context) => {
      const peer = requirePeer(context, name);
      await withWorld('gzip', async (world) => {
        await history(world, 'FIIFIFI');
        const theirs = join(world.folder, 'theirs');
        const ours = join(world.folder, 'ours');
        for (const [what, args, rule] of RULES) {
          const home = duplicityHome();
          for (const copy of [theirs, ours]) {
            rmSync(copy, { recursive: true, force: true });
            cpSync(world.target, copy, { recursive: true });
          }
          try {
            await duplicityOk(peer, [...args, '--force', `file://${theirs}`], { home, currentTime: timeOf(20) });
          } finally {
            home.dispose();
          }
          const { repository } = await world.open({ target: ours });
          const { deleted, files: gone } = await repository.prune({ rule, force: true });
          expect(files(ours), what).toEqual(files(theirs));
          expect(deleted).toBe(gone.length > 0);
          expect(files(ours).length + gone.length).toBe(files(world.target).length);
        }
      });
    });
  }

  test('never removes the signatures of the active chain, as release 0.8 does', async (context) => {
    const peer = requirePeer(context, 'duplicity-debian');
    await withWorld('gzip', async (world) => {
      await history(world, 'FFI');
      const theirs = join(world.folder, 'theirs');
      cpSync(world.target, theirs, { recursive: true });
      const home = duplicityHome();
      try {
        const options = { home, currentTime: timeOf(20) };
        await duplicityOk(peer, ['collection-status', `file://${theirs}`], options);
        await duplicityOk(peer, ['cleanup', `file://${theirs}`], options); // fetches the metadata
        await duplicityOk(peer, ['remove-older-than', `${timeOf(9)}`, '--force', `file://${theirs}`], options);
      } finally {
        home.dispose();
      }
      expect(files(theirs).filter((each) => each.includes('signatures'))).toEqual([]);
      const { repository } = await world.open();
      const result = await repository.prune({ rule: { remove: 'older-than', time: timeOf(9) }, force: true });
      expect(result).toMatchObject({ deleted: true, lastIsMeant: true });
      expect(world.stored(/signatures/)).toHaveLength(2);
      world.loseCache();
      expect((await world.backup({ type: 'incremental' })).type).toBe('incremental');
    });
  });

  test('does nothing without force, nor in a dry run, and says what it would do', async () => {
    await withWorld('symmetric', async (world) => {
      await history(world, 'FIF');
      const before = [files(world.target), files(join(world.archive, files(world.archive)[0] ?? ''))];
      const { repository } = await world.open();
      const rule = { remove: 'older-than', time: timeOf(3) } as const;
      for (const options of [{}, { dryRun: true }, { dryRun: true, force: true }]) {
        const result = await repository.prune({ rule, ...options });
        expect(result.deleted).toBe(false);
        expect(result.chains).toEqual([{ start: timeOf(1), end: timeOf(2), sets: 2 }]);
        expect(result.files).toHaveLength(6);
        expect([files(world.target), files(join(world.archive, files(world.archive)[0] ?? ''))]).toEqual(before);
      }
      await errorOf(repository.prune({ rule: { remove: 'all-but-full', count: 0 }, force: true }), 'BAD_OPTION');
    });
  });

  test('stopped after any deletion leaves backups that restore, and the same command goes on', async () => {
    await withWorld('gzip', async (world) => {
      await history(world, 'FIIFI');
      const [cache = ''] = files(world.archive);
      const rule = { remove: 'all-but-full', count: 1 } as const;
      for (let calls = 0; calls < 9; calls++) {
        const target = join(world.folder, `stopped-${calls}`);
        cpSync(world.target, target, { recursive: true });
        const options = { target, archiveDirectory: join(world.folder, `cache-${calls}`) };
        const storage = stoppingAfter(calls, await FileStorage.open(target));
        const stopped = (await world.open({ ...options, storage })).repository;
        await expect(stopped.prune({ rule, force: true })).rejects.toThrow('cut off');
        const { repository } = await world.open(options);
        for (const { sets } of (await repository.status()).chains) {
          for (const { time } of sets) await world.expectRestores(stateOf((time - START) / 1000), time, options);
        }
        await repository.prune({ rule, force: true });
        await repository.cleanup({ force: true });
        expect(files(target).filter((name) => /difftar|manifest/.test(name))).toEqual(
          world.stored(/(full|inc)\.20231114T23.*(difftar|manifest)/),
        );
        await world.expectRestores(stateOf(5), undefined, options);
      }
      const { repository } = await world.open();
      await repository.prune({ rule, force: true });
      expect(files(join(world.archive, cache))).toHaveLength(4); // two manifests, two signature files
      world.write(stateOf(6));
      expect((await world.backup()).type).toBe('incremental');
      await world.expectRestores(stateOf(6));
    });
  });

  test('holds the locks of the archive directory and of the target while it deletes', async () => {
    await withWorld('plain', async (world) => {
      await history(world, 'FF');
      const before = files(world.target);
      const { repository } = await world.open();
      const rule = { remove: 'all-but-full', count: 1 } as const;
      let inner: Promise<unknown> = Promise.resolve();
      await repository.prune({
        rule,
        force: true,
        onPlan: () => {
          expect(files(world.target)).toEqual([...before, 'redup.lock']);
          inner = errorOf(repository.cleanup({ force: true }), 'LOCKED');
        },
      });
      await inner;
    });
  });
});

describe('cleanup', () => {
  for (const name of PEERS) {
    test(`takes the files that ${name} takes, and leaves everybody else's`, async (context) => {
      const peer = requirePeer(context, name);
      await withWorld('gzip', async (world) => {
        await history(world, 'FIFI');
        rmSync(world.place(world.stored(/inc.*manifest$/)[1] ?? ''));
        // 3.2.1 takes an incremental whose predecessor is missing for a chain.
        if (name === 'duplicity-debian') rmSync(world.place(world.stored(/full\..*manifest$/)[0] ?? ''));
        writeFileSync(world.place('notes.txt'), 'mine');
        const theirs = join(world.folder, 'theirs');
        cpSync(world.target, theirs, { recursive: true });
        const home = duplicityHome();
        try {
          await duplicityOk(peer, ['cleanup', '--force', `file://${theirs}`], { home, currentTime: timeOf(20) });
        } finally {
          home.dispose();
        }
        const before = files(world.target);
        const { repository } = await world.open();
        const shown = await repository.cleanup();
        expect(shown.deleted).toBe(false);
        expect(files(world.target)).toEqual(before);
        const { deleted, files: gone } = await repository.cleanup({ force: true });
        expect(gone).toEqual(shown.files);
        expect(deleted).toBe(true);
        // duplicity keeps the signatures of incrementals that are gone, and then makes no new one: "Old signatures not found".
        const left = files(world.target);
        const isOfNoSet = (file: string): boolean =>
          file.includes('new-signatures') &&
          !left.includes(file.replace('new-signatures', 'inc').replace('sigtar.gz', 'manifest'));
        expect(gone.filter(isOfNoSet)).not.toEqual([]);
        expect(left).toEqual(files(theirs).filter((file) => !isOfNoSet(file)));
        expect(files(world.target)).not.toEqual(before);
        expect(readFileSync(world.place('notes.txt'), 'utf8')).toBe('mine');
        expect((await repository.cleanup({ force: true })).files).toEqual([]);
      });
    });
  }

  test('shows a backup that was interrupted, which release 0.8 deletes unasked, and takes it when forced', async (context) => {
    const peer = requirePeer(context, 'duplicity-debian');
    await withWorld('gzip', async (world) => {
      world.write(tree({ big: file(seeded(1, 3 << 20)) }));
      await world.backup();
      const [cache = ''] = files(world.archive);
      interrupt(world, join(world.archive, cache));
      const volumes = world.stored(/difftar/);
      expect(files(world.target)).toEqual([...volumes].sort());
      const parts = files(join(world.archive, cache));
      expect(parts).toHaveLength(2);

      const theirs = { target: join(world.folder, 'theirs'), archive: join(world.folder, 'their-archive') };
      cpSync(world.target, theirs.target, { recursive: true });
      cpSync(world.archive, theirs.archive, { recursive: true });
      const home = duplicityHome();
      try {
        await duplicityOk(peer, ['cleanup', '--name', cache, `file://${theirs.target}`], {
          home,
          archiveDir: theirs.archive,
        });
      } finally {
        home.dispose();
      }
      expect(files(theirs.target)).toEqual([]);

      const { repository } = await world.open();
      const shown: CleanupPlan = await repository.cleanup();
      expect(shown).toMatchObject({ files: volumes, resumable: timeOf(1) });
      expect([files(world.target), files(join(world.archive, cache))]).toEqual([[...volumes].sort(), parts]);
      await repository.cleanup({ force: true });
      expect([files(world.target), files(join(world.archive, cache))]).toEqual([[], []]);
    });
  });
});

/** Puts things as they are when a backup was killed after its last volume: no metadata in the target, partial files here. */
function interrupt(world: World, cache: string): void {
  for (const name of world.stored(/manifest|sigtar/)) {
    rmSync(world.place(name));
    const local = readFileSync(join(cache, name));
    rmSync(join(cache, name));
    const part = `${name.replace(/\.gz$/, '')}.part`;
    writeFileSync(join(cache, part), name.endsWith('.gz') ? gunzipSync(local) : local);
  }
}

/** As if the connection broke: after so many calls nothing is removed any more. */
function stoppingAfter(calls: number, storage: Storage): Storage {
  let left = calls;
  return new Proxy(storage, {
    get(target, property) {
      if (property === 'remove') {
        return async (names: readonly string[]) => {
          if (left-- <= 0) throw new Error('cut off');
          await target.remove(names);
        };
      }
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
