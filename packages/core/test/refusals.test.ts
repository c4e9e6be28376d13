/** What the engine refuses to do, before anything is written, and what it can do without. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { diffTrees, file, readTree, requirePeer, seeded, snapshotOf, tree } from '@redup/testkit';
import { describe, expect, test } from 'vitest';
import type { RedupEvent } from '../src/index.js';
import { MODES } from './support.js';
import { errorOf, expectRefusal, START, type World, withWorld } from './world.js';

const one = () => tree({ a: file('a'), 'd/b': file(seeded(1, 100_000)) });
const two = () =>
  tree({ a: file('changed', { mtime: 1_650_000_000 }), 'd/b': file(seeded(1, 100_000)), c: file('new') });

describe.each(MODES)('the archive directory, %s', (mode) => {
  test('lost, it is made again from the target, for an increment, a list and a restore', async () => {
    await withWorld(mode, async (world) => {
      world.write(one());
      await world.backup();
      world.loseCache();
      world.write(two());
      const { type, statistics } = await world.backup();
      expect(type).toBe('incremental');
      expect(statistics).toMatchObject({ newFiles: 1, changedFiles: 1, errors: 0 });
      world.loseCache();
      expect(await world.list()).toEqual(['', 'a', 'c', 'd', 'd/b']);
      world.loseCache();
      await world.expectRestores();
      await world.expectRestores(one(), START + 1000);
    });
  });

  test('half lost, what is missing is fetched', async () => {
    await withWorld(mode, async (world) => {
      world.write(one());
      await world.backup();
      const files = readdirSync(world.archive, { recursive: true, encoding: 'utf8' }).filter((n) =>
        /manifest|sigtar/.test(n),
      );
      expect(files.length).toBe(2);
      for (const [i, name] of files.entries()) {
        rmSync(join(world.archive, name));
        world.write(i === 0 ? two() : one());
        expect(await world.backup()).toMatchObject({ type: 'incremental' });
      }
      await world.expectRestores();
    });
  });
});

describe('the archive directory, spoiled by a power cut', () => {
  const cached = (world: World, pattern: RegExp) => {
    const [folder = ''] = readdirSync(world.archive);
    const [name = ''] = readdirSync(join(world.archive, folder)).filter((each) => pattern.test(each));
    return join(world.archive, folder, name);
  };

  test.each([
    ['emptied', () => ''],
    ['cut in half', (bytes: Buffer) => bytes.subarray(0, bytes.length / 2)],
    ['zeroed', (bytes: Buffer) => Buffer.alloc(bytes.length)],
  ] as const)('copies of manifests %s are fetched again', async (_what, spoil) => {
    await withWorld('gzip', async (world) => {
      world.write(tree({ big: file(seeded(1, 3_000_000)) }));
      await world.backup({ volumeBytes: 1 << 20 });
      const place = cached(world, /manifest$/);
      writeFileSync(place, spoil(readFileSync(place)));
      await world.expectRestores();
    });
  });

  test.each([
    ['emptied', () => '', 1],
    ['cut in half', (bytes: Buffer) => bytes.subarray(0, bytes.length / 2), 2],
    ['zeroed', (bytes: Buffer) => Buffer.alloc(bytes.length), 2],
  ] as const)(
    'copies of signatures %s are fetched again, by the next run at the latest',
    async (_what, spoil, runs) => {
      await withWorld('gzip', async (world) => {
        world.write(one());
        await world.backup();
        const place = cached(world, /sigtar/);
        writeFileSync(place, spoil(readFileSync(place)));
        world.write(two());
        if (runs === 2) await errorOf(world.backup(), 'SIGNATURE_DAMAGED');
        expect(await world.backup()).toMatchObject({ type: 'incremental' });
        await world.expectRestores();
        await world.expectRestores(one(), START + 1000);
      });
    },
  );

  test('copies of what the target lost are kept, for check --repair', async () => {
    await withWorld('gzip', async (world) => {
      world.write(one());
      await world.backup();
      const [manifest = '', signatures = ''] = [cached(world, /manifest$/), cached(world, /sigtar/)];
      for (const name of world.stored(/manifest|sigtar/)) rmSync(world.place(name));
      expect(await world.backup()).toMatchObject({ type: 'full' });
      expect([existsSync(manifest), existsSync(signatures)]).toEqual([true, true]);
      const { repository } = await world.open();
      const { repairs, damages } = await repository.check({ repair: true });
      expect([repairs.map(({ from }) => from), damages]).toEqual([['copy', 'copy'], 0]);
    });
  });
});

describe('a target that is not what it was', () => {
  test('emptied, with a cache that knows better: refused, and the cache is kept', async () => {
    await withWorld('gzip', async (world) => {
      world.write(one());
      await world.backup();
      rmSync(world.target, { recursive: true });
      mkdirSync(world.target);
      const error = await expectRefusal(world, () => world.backup(), 'REMOTE_SUSPICIOUS');
      expect(error.message).toContain(world.archive);
      // The user says that it is meant.
      expect(await world.backup({ force: true })).toMatchObject({ type: 'full' });
      await world.expectRestores();
    });
  });

  test('nothing to restore, list or verify in an empty one', async () => {
    await withWorld('gzip', async (world) => {
      world.write(one());
      mkdirSync(world.target);
      await expectRefusal(world, () => world.restore(), 'NO_BACKUP');
      await expectRefusal(world, () => world.list(), 'NO_BACKUP');
      const verify = async () => (await world.open()).repository.verify({ local: world.source, compare: 'data' });
      await expectRefusal(world, verify, 'NO_BACKUP');
      await expectRefusal(world, () => world.backup({ type: 'incremental' }), 'NO_SIGNATURES');
    });
  });

  test('files that only look like an archive’s are left alone', async () => {
    await withWorld('gzip', async (world) => {
      world.write(one());
      await world.backup();
      const [volume = ''] = world.stored(/difftar/);
      const extra = [`${volume}.par2`, `${volume}.sig`, 'df.m.m', 'README', 'duplicity-full.2023.manifest'];
      for (const name of extra) writeFileSync(world.place(name), 'not yours');
      world.write(two());
      expect(await world.backup()).toMatchObject({ type: 'incremental' });
      await world.expectRestores();
      for (const name of extra) expect(readFileSync(world.place(name), 'utf8')).toBe('not yours');
    });
  });

  test('two files that claim to be one volume: both are named', async () => {
    await withWorld('gzip', async (world) => {
      world.write(one());
      await world.backup();
      const [volume = ''] = world.stored(/difftar/);
      const twin = volume.replace('.gz', '');
      writeFileSync(world.place(twin), 'twin');
      const error = await expectRefusal(world, () => world.backup(), 'DUPLICATE_SET');
      expect(error.message).toContain(volume);
      expect(error.message).toContain(twin);
    });
  });
});

describe('a clock that went back', () => {
  test('by hours: refused, with both times', async () => {
    await withWorld('gzip', async (world) => {
      world.write(one());
      await world.backup();
      const error = await expectRefusal(world, () => world.backup({}, { now: START - 7200 }), 'CLOCK_BACK');
      expect(error.message).toContain('20231114T201320Z');
      expect(error.message).toContain('20231114T223000Z');
    });
  });

  test('by seconds, or not going on: the backup waits and takes a later time', async () => {
    await withWorld('gzip', async (world) => {
      world.write(one());
      const { time } = await world.backup();
      world.write(two());
      const again = await world.backup({}, { now: time - 3 });
      expect(again.type).toBe('incremental');
      expect(again.time).toBeGreaterThan(time);
      const full = await world.backup({ type: 'full' }, { now: again.time });
      expect(full.time).toBeGreaterThan(again.time);
      await world.expectRestores(two(), undefined, { now: full.time });
      await world.expectRestores(one(), time, { now: full.time });
    });
  });
});

describe('another host or another source', () => {
  test.each(MODES)('is refused, unless it is meant (%s)', async (mode) => {
    await withWorld(mode, async (world) => {
      world.write(one());
      await world.backup({}, { hostName: 'here' });
      const host = await expectRefusal(world, () => world.backup({}, { hostName: 'there' }), 'HOST_MISMATCH');
      expect(host.message).toMatch(/here.*there/);
      const elsewhere = join(world.folder, 'elsewhere');
      renameSync(world.source, elsewhere);
      const moved = { source: elsewhere };
      const source = await expectRefusal(world, () => world.backup(moved, { hostName: 'here' }), 'SOURCE_MISMATCH');
      expect(source.message).toContain(elsewhere);
      expect(source.message).toContain(world.source);
      const meant = await world.backup({ ...moved, allowSourceMismatch: true }, { hostName: 'there' });
      expect(meant.type).toBe('incremental');
      // From then on the new names count.
      expect((await world.backup(moved, { hostName: 'there' })).type).toBe('incremental');
    });
  });

  test('a full backup begins a chain of its own and is not asked', async () => {
    await withWorld('gzip', async (world) => {
      world.write(one());
      await world.backup({}, { hostName: 'here' });
      expect(await world.backup({ type: 'full' }, { hostName: 'there' })).toMatchObject({ type: 'full' });
    });
  });
});

describe('a wrong passphrase', () => {
  const wrong = { passphrase: 'wrong horse' };

  test.each(['with the cache', 'without the cache'])('ends everything %s with one clear error', async (cache) => {
    await withWorld('symmetric', async (world) => {
      world.write(one());
      await world.backup();
      if (cache === 'without the cache') world.loseCache();
      const target = join(world.folder, 'restored');
      const restore = await expectRefusal(world, () => world.restore({ target }, wrong), 'PASSPHRASE_WRONG');
      expect(existsSync(target)).toBe(false);
      expect(restore.message).toMatch(/duplicity-full\./);
      if (cache === 'without the cache') await errorOf(world.list(undefined, wrong), 'PASSPHRASE_WRONG');
      await errorOf(world.backup({}, wrong), 'PASSPHRASE_WRONG');
      expect(world.stored(/duplicity/).length).toBe(3);
      expect(JSON.stringify([restore.message, restore.hint, restore.subject])).not.toContain(wrong.passphrase);
      // Nothing that the right one would stumble over.
      expect(await world.backup()).toMatchObject({ type: 'incremental' });
      await world.expectRestores();
    });
  });

  test('no passphrase at all for an encrypted archive', async () => {
    await withWorld('symmetric', async (world) => {
      world.write(one());
      await world.backup();
      world.loseCache();
      const none = { mode: 'gzip' as const };
      await errorOf(world.restore({}, none), 'PASSPHRASE_MISSING');
      await errorOf(world.list(undefined, none), 'PASSPHRASE_MISSING');
    });
  });
});

describe('two at once', () => {
  const lockPath = (world: World) => {
    const [name = ''] = readdirSync(world.archive);
    return join(world.archive, name, 'redup.lock');
  };

  test('the lock of a running process is respected', async () => {
    await withWorld('gzip', async (world) => {
      world.write(one());
      await world.backup();
      const other = spawn('sleep', ['60']);
      try {
        const stat = readFileSync(`/proc/${other.pid}/stat`, 'utf8');
        const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
        writeFileSync(lockPath(world), JSON.stringify({ pid: other.pid, host: hostname(), started }));
        const error = await expectRefusal(world, () => world.backup(), 'LOCKED');
        expect(error.message).toContain(String(other.pid));
        // Reading needs no lock.
        await world.expectRestores();
      } finally {
        other.kill();
        await once(other, 'exit');
      }
      expect(await world.backup()).toMatchObject({ type: 'incremental' });
    });
  });

  test.each([
    ['of a process that is gone', JSON.stringify({ pid: 2 ** 22 - 1, host: hostname(), started: '1' })],
    ['of a number that another process has now', JSON.stringify({ pid: 1, host: hostname(), started: '99999999999' })],
    ['cut off by a crash', '{"pid": 1'],
    ['of no bytes', ''],
  ])('a lock %s is nobody’s', async (_what, content) => {
    await withWorld('gzip', async (world) => {
      world.write(one());
      await world.backup();
      writeFileSync(lockPath(world), content);
      expect(await world.backup()).toMatchObject({ type: 'incremental' });
      expect(existsSync(lockPath(world))).toBe(false);
    });
  });

  test('a running duplicity’s lock is respected too', async (context) => {
    requirePeer(context, 'duplicity-debian');
    await withWorld('gzip', async (world) => {
      world.write(one());
      await world.backup();
      const lockfile = lockPath(world).replace('redup.lock', 'lockfile');
      const script = `import fcntl, sys, time
f = open(sys.argv[1], 'a')
fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
print('held', flush=True)
time.sleep(60)`;
      const other = spawn('/usr/bin/python3', ['-c', script, lockfile], { stdio: ['ignore', 'pipe', 'inherit'] });
      try {
        await once(other.stdout, 'data');
        const error = await errorOf(world.backup(), 'LOCKED');
        expect(error.message).toContain(`${other.pid}`);
      } finally {
        other.kill();
        await once(other, 'exit');
      }
      expect(await world.backup()).toMatchObject({ type: 'incremental' });
    });
  });
});

describe('an interruption', () => {
  test.each(MODES)('after any volume leaves what was there before, and a later run completes (%s)', async (mode) => {
    await withWorld(mode, async (world) => {
      world.write(one());
      await world.backup();
      const large = tree({ ...Object.fromEntries(one()), big: file(seeded(9, 4_000_000)), z: file('z') });
      world.write(large);
      for (const at of [1, 2]) {
        const controller = new AbortController();
        let seen = 0;
        const interrupted = world.backup({ signal: controller.signal }, {
          onEvent: (event: RedupEvent) => {
            if (event.type === 'volume' && ++seen === at) controller.abort();
          },
        } as never);
        await errorOf(interrupted, 'ABORTED');
        await world.expectRestores(one(), START + 1000);
      }
      const last = await world.backup();
      expect(last.type).toBe('incremental');
      await world.expectRestores(large);
      await world.expectRestores(one(), START + 1000);
    });
  });

  test('a restore that is interrupted leaves no half file under its name', async () => {
    await withWorld('gzip', async (world) => {
      world.write(tree({ a: file('a'), big: file(seeded(9, 4_000_000)), z: file(seeded(3, 3_000_000)) }));
      await world.backup();
      const controller = new AbortController();
      const target = join(world.folder, 'restored');
      const onEvent = (event: RedupEvent) => {
        if (event.type === 'restored' && event.path === 'a') controller.abort();
      };
      await errorOf(world.restore({ target, signal: controller.signal }, { onEvent }), 'ABORTED');
      const left = readTree(target);
      for (const [path, node] of left) {
        if (node.type === 'file') expect(node.sha256).toBe(snapshotOf(world.tree).get(path)?.sha256);
      }
      await world.restore({ target, force: true });
      expect(diffTrees(snapshotOf(world.tree), readTree(target))).toEqual([]);
    });
  });
});

test('a source of the archive directory that nobody may write is named', async () => {
  await withWorld('gzip', async (world) => {
    world.write(one());
    writeFileSync(world.archive, 'a file where a folder should be');
    const error = await errorOf(world.backup(), 'ARCHIVE_DIRECTORY');
    expect(error.message).toContain(world.archive);
    chmodSync(world.archive, 0o600);
    expect(world.stored(/duplicity/)).toEqual([]);
  });
});
