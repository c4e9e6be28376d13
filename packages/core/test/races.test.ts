/**
 * Files that change under the backup's hands. The moments are forced: the selection is asked right after an entry was
 * looked at and before it is opened, and the abort signal is asked after each 64 KiB of a file.
 */

import { spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { diffTrees, file, readTree, seeded, snapshotOf, type TreeModel, tree } from '@redup/testkit';
import { describe, expect, test } from 'vitest';
import { asTime, type BackupOptions } from '../src/index.js';
import { MODES } from './support.js';
import { START, type World, withWorld } from './world.js';

const SIZE = 300_000;
const VICTIM = 'd/victim';

const before = (): TreeModel =>
  tree({ a: file('before it'), [VICTIM]: file(seeded(1, SIZE)), 'd/z': file('after it') });

/** Does something to the victim once the walk has seen it. */
function whenSeen(act: () => void): Pick<BackupOptions, 'select'> {
  return {
    select: (entry) => {
      if (entry.path === VICTIM) act();
      return 'include';
    },
  };
}

/** Does something while the victim is read: after its first chunks. */
function whileRead(act: () => void, afterChunks = 2): Pick<BackupOptions, 'signal'> {
  const { signal } = new AbortController();
  let chunks = 0;
  Object.defineProperty(signal, 'throwIfAborted', {
    value: () => {
      if (new Error().stack?.includes('storeContent') && ++chunks === afterChunks) act();
    },
  });
  return { signal };
}

/** What a backup with a race in it must hold whatever happened: everything else is right, and the victim is not made up. */
async function expectTheRestIntact(world: World, expectVictim: 'some' | 'none'): Promise<ReturnType<typeof readTree>> {
  const run = await world.restore();
  expect(run.problems).toBe(0);
  const restored = readTree(run.target);
  const others = new Map([...snapshotOf(world.tree)].filter(([path]) => path !== VICTIM && path !== 'd'));
  const found = new Map([...restored].filter(([path]) => path !== VICTIM && path !== 'd'));
  expect(diffTrees(others, found)).toEqual([]);
  expect(restored.has(VICTIM)).toBe(expectVictim === 'some');
  return restored;
}

const CHANGES: Readonly<Record<string, (victim: string) => void>> = {
  shrinks: (victim) => truncateSync(victim, 100),
  'shrinks to a multiple of 64 KiB': (victim) => truncateSync(victim, 131_072),
  'shrinks to nothing': (victim) => truncateSync(victim, 0),
  grows: (victim) => appendFileSync(victim, Buffer.alloc(500_000, 'grown')),
  'is overwritten': (victim) => writeFileSync(victim, Buffer.alloc(SIZE, 'other')),
};

describe.each(MODES)('a file that changes between being seen and being read, %s', (mode) => {
  test.each(Object.entries(CHANGES))(
    '%s: stored as it is then, named, and stored again next time',
    async (_name, change) => {
      await withWorld(mode, async (world) => {
        world.write(before());
        const first = await world.backup(whenSeen(() => change(join(world.source, VICTIM))));
        expect(first.statistics.errors).toBe(1);
        expect(first.events).toContainEqual(expect.objectContaining({ code: 'CHANGED_WHILE_READ', path: VICTIM }));
        await expectTheRestIntact(world, 'some');
        // Even when its times say that nothing changed since the scan.
        utimesSync(join(world.source, VICTIM), 1_600_000_000, 1_600_000_000);
        const second = await world.backup();
        expect(second.statistics).toMatchObject({ errors: 0, changedFiles: 1 });
        const { target } = await world.restore();
        expect(diffTrees(readTree(world.source), readTree(target), { ignore: ['mtime'] })).toEqual([]);
        // The archive of the first run is whole in itself: what it holds restores.
        expect((await world.restore({ time: asTime(START + 1000) })).problems).toBe(0);
      });
    },
  );
});

describe('a file that changes while it is read', () => {
  test.each([
    ['grows', (victim: string) => appendFileSync(victim, Buffer.alloc(100_000))],
    ['shrinks to what was read', (victim: string) => truncateSync(victim, 131_072)],
    ['shrinks below what was read', (victim: string) => truncateSync(victim, 10)],
    ['is overwritten further on', (victim: string) => writeFileSync(victim, Buffer.alloc(SIZE, 'x'))],
    [
      'is replaced by another of its name',
      (victim: string) => {
        writeFileSync(`${victim}.new`, 'new');
        renameSync(`${victim}.new`, victim);
      },
    ],
    ['vanishes', (victim: string) => rmSync(victim)],
  ])('%s: the archive stays whole, and the next backup has it right', async (name, change) => {
    await withWorld('gzip', async (world) => {
      world.write(before());
      const first = await world.backup(whileRead(() => change(join(world.source, VICTIM))));
      const opened = name === 'vanishes' || name === 'is replaced by another of its name';
      expect(first.statistics.errors).toBe(opened ? 0 : 1);
      const restored = await expectTheRestIntact(world, 'some');
      // What was opened is read to its end even when its name is gone.
      if (opened) expect(restored.get(VICTIM)?.sha256).toBe(snapshotOf(before()).get(VICTIM)?.sha256);
      const second = await world.backup();
      expect(second.statistics.errors).toBe(0);
      const { target, problems } = await world.restore();
      expect(problems).toBe(0);
      expect(diffTrees(readTree(world.source), readTree(target))).toEqual([]);
    });
  });
});

const REPLACEMENTS: Readonly<Record<string, (victim: string) => unknown>> = {
  'a directory': (victim) => mkdirSync(victim),
  'a fifo that nobody writes to': (victim) => runSync('mkfifo', victim),
  'a symbolic link out of the source': (victim) => symlinkSync('/etc/passwd', victim),
  nothing: () => undefined,
};

function runSync(command: string, ...args: string[]): void {
  // The selection is synchronous, so is this.
  spawnSync(command, args, { stdio: 'ignore' });
}

describe('a file that is something else by the time it is opened', () => {
  test.each(Object.entries(REPLACEMENTS))(
    '%s: named, counted, not followed and not waited for',
    async (_name, replace) => {
      await withWorld('gzip', async (world) => {
        world.write(before());
        const victim = join(world.source, VICTIM);
        const run = await world.backup(
          whenSeen(() => {
            rmSync(victim);
            replace(victim);
          }),
        );
        expect(run.statistics.errors).toBe(1);
        expect(run.events).toContainEqual(expect.objectContaining({ code: 'UNREADABLE', path: VICTIM }));
        await expectTheRestIntact(world, 'none');
      });
    },
  );

  test.each(Object.entries(REPLACEMENTS))('%s: what was stored of it before stays', async (_name, replace) => {
    await withWorld('gzip', async (world) => {
      world.write(before());
      await world.backup();
      const victim = join(world.source, VICTIM);
      utimesSync(victim, 1_650_000_000, 1_650_000_000);
      await world.backup(
        whenSeen(() => {
          rmSync(victim);
          replace(victim);
        }),
      );
      const restored = await expectTheRestIntact(world, 'some');
      expect(restored.get(VICTIM)).toMatchObject({ mtime: 1_600_000_000, size: SIZE });
    });
  });
});

test('a directory that vanishes once it was seen takes nothing else along', async () => {
  await withWorld('gzip', async (world) => {
    world.write(tree({ a: file('a'), 'd/x': file('x'), z: file('z') }));
    await world.backup();
    const select: BackupOptions['select'] = (entry) => {
      if (entry.path === 'd') rmSync(join(world.source, 'd'), { recursive: true });
      return 'include';
    };
    const run = await world.backup({ select });
    expect(run.events).toContainEqual(expect.objectContaining({ code: 'UNREADABLE', path: 'd' }));
    expect(await world.list()).toEqual(['', 'a', 'd', 'd/x', 'z']);
    // Seen as gone from the start, it is deleted.
    await world.backup();
    expect(await world.list()).toEqual(['', 'a', 'z']);
  });
});

test('a file that cannot be read to its end is named and counted, and read again whatever its times say', async () => {
  const sleeper = spawn('sleep', ['60']);
  try {
    await withWorld('gzip', async (world) => {
      // Reading another process' memory from address 0 is an input/output error, on a real regular file.
      const wanted = ['mem', 'limits'];
      const source = `/proc/${sleeper.pid}`;
      const select: BackupOptions['select'] = ({ path }) => (wanted.includes(path) ? 'include' : 'exclude');
      const first = await world.backup({ source, select });
      expect(first.statistics.errors).toBe(2); // `limits` says 0 bytes and has more
      const warning = first.events.find((event) => event.type === 'warning' && event.path === 'mem');
      expect(warning).toMatchObject({ code: 'CHANGED_WHILE_READ' });
      expect(JSON.stringify(warning)).toContain('input/output error');
      expect((await world.backup({ source, select })).statistics).toMatchObject({
        changedFiles: expect.any(Number),
        errors: 2,
      });
      const { target } = await world.restore();
      expect([...readTree(target).keys()].sort()).toEqual(['', 'limits', 'mem']);
      expect(readTree(target).get('mem')?.size).toBe(0);
    });
  } finally {
    sleeper.kill();
  }
});

test('the source itself gone is an error before anything happens, never an empty backup', async () => {
  await withWorld('gzip', async (world) => {
    world.write(before());
    await world.backup();
    const stored = world.stored(/./);
    renameSync(world.source, `${world.source}.away`);
    await expect(world.backup()).rejects.toMatchObject({ code: 'SOURCE_MISSING', subject: world.source });
    renameSync(`${world.source}.away`, world.source);
    expect(world.stored(/./)).toEqual(stored);
    await world.expectRestores();
  });
});
