/** Two at once: on one archive directory, on one target, redup and redup, redup and a real duplicity at work. */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { FileStorage, MemoryStorage, type Storage, StorageError } from '@redup/storage';
import {
  duplicity,
  duplicityHome,
  duplicityOk,
  file,
  hashFiles,
  listArchive,
  type Peer,
  requirePeer,
  seeded,
  tree,
} from '@redup/testkit';
import { describe, expect, test } from 'vitest';
import { errorOf, START, type World, withWorld } from './world.js';

const NAME = 'redup.lock';
const large = () => tree({ a: file('a'), big: file(seeded(1, 4_000_000)), z: file('z') });
const notices = (events: readonly { readonly type: string }[]) =>
  events.flatMap((event) => ('message' in event && event.type === 'notice' ? [String(event.message)] : [])).join('\n');

/** Another machine: another archive directory. */
const elsewhere = (world: World) => ({ archiveDirectory: join(world.folder, 'elsewhere') });

/** Stops the first volume in its upload until it is told to go on. */
async function atFirstVolume(world: World): Promise<{ storage: Storage; reached: Promise<void>; goOn: () => void }> {
  const storage = await FileStorage.open(world.target, { create: 'if-missing' });
  const put = storage.put.bind(storage);
  let goOn = () => {};
  const gate = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  let reach = () => {};
  const reached = new Promise<void>((resolve) => {
    reach = resolve;
  });
  storage.put = async (name, ...rest) => {
    if (/vol1/.test(name)) {
      reach();
      await gate;
    }
    return put(name, ...rest);
  };
  return { storage, reached, goOn };
}

describe('the lock of the target', () => {
  test('two machines at one target: the second is refused before anything is written, and told by whom', async () => {
    await withWorld('gzip', async (world) => {
      world.write(large());
      const { storage, reached, goOn } = await atFirstVolume(world);
      const first = world.backup({}, { storage });
      await reached;
      const before = hashFiles(world.target);
      const error = await errorOf(world.backup({}, elsewhere(world)), 'LOCKED');
      expect(error.message).toContain(`process ${process.pid} on ${hostname()}`);
      expect(error.hint).toContain('--force-unlock');
      expect(hashFiles(world.target)).toEqual(before);
      for (const rule of [{ remove: 'all-but-full', count: 1 }] as const) {
        const { repository } = await world.open(elsewhere(world));
        await errorOf(Promise.resolve(repository.prune({ rule, force: true })), 'LOCKED');
        await errorOf(Promise.resolve(repository.cleanup({ force: true })), 'LOCKED');
        await errorOf(Promise.resolve(repository.check({ repair: true })), 'LOCKED');
        // To look needs no lock.
        await repository.cleanup();
        await repository.status();
      }
      // Even --force-unlock does not take the lock of a process that runs.
      await errorOf(world.backup({}, { ...elsewhere(world), forceUnlock: true }), 'LOCKED');
      goOn();
      await first;
      expect(existsSync(join(world.target, NAME))).toBe(false);
      expect((await world.backup({}, elsewhere(world))).type).toBe('incremental');
      await world.expectRestores();
    });
  });

  const stranger = (now: number, more: Record<string, unknown> = {}) =>
    JSON.stringify({
      pid: 1,
      host: 'another',
      started: '1',
      machine: 'm',
      boot: 'b',
      namespace: 'n',
      id: 'x',
      renewed: now,
      ...more,
    });

  test.each([
    ['another machine that renewed it just now', (now: number) => stranger(now - 60), 'LOCKED'],
    ['another machine that was silent for two hours', (now: number) => stranger(now - 7200), 'taken'],
    ['a clock far ahead', (now: number) => stranger(now + 1e6), 'taken'],
    ['a machine of this name, but not this one', (now: number) => stranger(now, { host: hostname() }), 'LOCKED'],
    ['nobody: cut off', () => '{"pid":1', 'taken'],
    ['nobody: of no bytes', () => '', 'taken'],
    ['nobody: megabytes of rubbish', () => 'x'.repeat(1 << 20), 'taken'],
  ] as const)('of %s', async (_whose, content, outcome) => {
    await withWorld('gzip', async (world) => {
      world.write(large());
      mkdirSync(world.target);
      writeFileSync(join(world.target, NAME), content(world.now + 1000));
      if (outcome === 'LOCKED') {
        await errorOf(world.backup(), 'LOCKED');
        expect(listArchive(world.target)).toEqual([]);
        world.now -= 1000;
        const run = await world.backup({}, { forceUnlock: true });
        expect(notices(run.events)).toMatch(/Took the lock of redup \(process 1 on .*as --force-unlock asks/);
      } else await world.backup();
      expect(existsSync(join(world.target, NAME))).toBe(false);
      await world.expectRestores();
    });
  });

  test('a run whose lock was taken stops before its set exists', async () => {
    await withWorld('gzip', async (world) => {
      world.write(large());
      const { storage, reached, goOn } = await atFirstVolume(world);
      const first = world.backup({}, { storage });
      await reached;
      writeFileSync(join(world.target, NAME), stranger(world.now));
      goOn();
      const error = await errorOf(first, 'LOCKED');
      expect(error.message).toContain('taken away');
      expect(world.stored(/manifest|signatures/)).toEqual([]);
      // The other one's lock stays.
      expect(readFileSync(join(world.target, NAME), 'utf8')).toContain('another');
    });
  });

  test('a command that crashed here leaves a lock that the next one recognises', async () => {
    await withWorld('gzip', async (world) => {
      world.write(large());
      const storage = await FileStorage.open(world.target, { create: 'if-missing' });
      // The machine is gone from one moment to the next: nothing is removed any more.
      storage.remove = async () => {
        if (existsSync(join(world.target, NAME))) throw new StorageError('unreachable', 'no power');
      };
      await world.backup({}, { storage });
      expect(existsSync(join(world.target, NAME))).toBe(true);
      expect((await world.backup()).type).toBe('incremental');
      expect(existsSync(join(world.target, NAME))).toBe(false);
    });
  });

  test('credentials that may not delete leave none behind: there exclusive creation is the guard', async () => {
    await withWorld('gzip', async (world) => {
      world.write(large());
      const storage = new MemoryStorage();
      storage.remove = async () => {
        throw new StorageError('permission', 'may only create', { subject: '' });
      };
      await world.backup({}, { storage });
      const names: string[] = [];
      for await (const { name } of storage.list()) names.push(name);
      expect(names.filter((name) => !name.startsWith('duplicity-'))).toEqual([]);
      // The same second, the same names: the second one finds them taken.
      world.now -= 1000;
      const { archiveDirectory } = elsewhere(world);
      await world.backup({ type: 'full' }, { storage, archiveDirectory }).then(
        (run) => expect(run.time).toBeGreaterThan(START + 1000),
        (error: unknown) => expect(error).toBeInstanceOf(Error),
      );
    });
  });

  for (const name of ['duplicity-debian', 'duplicity-current'] as const) {
    test(`${name} passes over it, in backups, restores and cleanup`, async (context) => {
      const peer = requirePeer(context, name);
      await withWorld('gzip', async (world) => {
        world.write(large());
        await world.backup();
        writeFileSync(join(world.target, NAME), stranger(world.now));
        const home = duplicityHome();
        try {
          const url = `file://${world.target}`;
          const options = { home, currentTime: world.now + 5000 };
          await duplicityOk(peer, ['incremental', world.source, url], options);
          await duplicityOk(peer, ['cleanup', '--force', url], { ...options, currentTime: world.now + 6000 });
          await duplicityOk(peer, ['restore', url, join(world.folder, 'theirs')], {
            ...options,
            currentTime: world.now + 7000,
          });
        } finally {
          home.dispose();
        }
        expect(existsSync(join(world.target, NAME))).toBe(true);
      });
    });
  }
});

describe('the lock of the archive directory', () => {
  const place = (world: World) => join(world.archive, readdirSync(world.archive)[0] ?? '', NAME);

  test('of another host is kept, and says how to take it; --force-unlock takes it and says whose it was', async () => {
    await withWorld('gzip', async (world) => {
      world.write(large());
      await world.backup();
      writeFileSync(place(world), JSON.stringify({ pid: 77, host: 'another', started: '1' }));
      const error = await errorOf(world.backup(), 'LOCKED');
      expect(error.hint).toContain('--force-unlock');
      const run = await world.backup({}, { forceUnlock: true });
      expect(notices(run.events)).toContain('redup (process 77 on another)');
      expect(existsSync(place(world))).toBe(false);
    });
  });

  test('of a process that runs is not taken by --force-unlock', async () => {
    await withWorld('gzip', async (world) => {
      world.write(large());
      await world.backup();
      const { storage, reached, goOn } = await atFirstVolume(world);
      world.write(tree({ a: file('other', { mtime: 1_650_000_000 }) }));
      const first = world.backup({}, { storage });
      await reached;
      await errorOf(world.backup({}, { forceUnlock: true }), 'LOCKED');
      goOn();
      await first;
    });
  });
});

describe('a real duplicity at work', () => {
  /** Holds duplicity in the middle of its work: its temporary folder is on a pipe that nobody reads, so to say. */
  async function whileItRuns(peer: Peer, world: World, use: () => Promise<void>): Promise<void> {
    const home = duplicityHome();
    const fifo = join(world.source, 'zz-fifo-in-the-way');
    const slow = join(world.folder, 'slow-gpg');
    // gpg is asked for its version first: one that takes its time holds duplicity with its lock in hand.
    writeFileSync(
      slow,
      `#!/bin/sh\ncase " $* " in *" --symmetric "*) touch ${fifo}.reached; while [ ! -e ${fifo}.go ]; do sleep 0.1; done;; esac\nexec gpg "$@"\n`,
      { mode: 0o755 },
    );
    const running = duplicity(peer, ['full', '--gpg-binary', slow, world.source, `file://${world.target}`], {
      home,
      archiveDir: world.archive,
      passphrase: 'x',
      currentTime: world.now + 5000,
    });
    try {
      for (let i = 0; i < 600 && !existsSync(`${fifo}.reached`); i++) await new Promise((r) => setTimeout(r, 50));
      expect(existsSync(`${fifo}.reached`)).toBe(true);
      await use();
    } finally {
      writeFileSync(`${fifo}.go`, '');
      await running;
      for (const each of ['reached', 'go']) rmSync(`${fifo}.${each}`, { force: true });
      home.dispose();
    }
  }

  for (const name of ['duplicity-debian', 'duplicity-current'] as const) {
    test(`${name}: redup waits its turn, and says for whom`, async (context) => {
      const peer = requirePeer(context, name);
      await withWorld('gzip', async (world) => {
        world.write(tree({ a: file('a') }));
        await whileItRuns(peer, world, async () => {
          const error = await errorOf(world.backup({}, { forceUnlock: true }), 'LOCKED');
          expect(error.message).toMatch(/duplicity \(process \d+\)/);
          expect(world.stored(/redup|\.gz/)).toEqual([]);
        });
      });
    });

    test(`${name} that begins while redup is at work: redup stops before it stores anything further`, async (context) => {
      const peer = requirePeer(context, name);
      await withWorld('gzip', async (world) => {
        world.write(large());
        const { storage, reached, goOn } = await atFirstVolume(world);
        const first = world.backup({ volumeBytes: 1 << 20 }, { storage });
        await reached;
        await whileItRuns(peer, world, async () => {
          goOn();
          const error = await errorOf(first, 'LOCKED');
          expect(error.message).toContain('duplicity');
        });
        expect(world.stored(/\.gz/).length).toBeLessThanOrEqual(1);
      });
    });
  }
});

test('two programs that begin in the same moment: one of them does its work', async () => {
  await withWorld('gzip', async (world) => {
    world.write(large());
    const runs = await Promise.allSettled([world.backup(), world.backup(), world.backup()]);
    expect(runs.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await world.expectRestores();
  });
});
