/** A backup that was killed is continued by the next one: what was stored stays, and everything restores. */

import { appendFileSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FileStorage, type PutOptions, type Storage, type UploadSource } from '@redup/storage';
import {
  archiveSets,
  diffTrees,
  duplicity,
  duplicityOk,
  file,
  listArchive,
  readTree,
  requirePeer,
  seeded,
  tree,
  withTempDir,
  writeTree,
} from '@redup/testkit';
import { describe, expect, test } from 'vitest';
import { asTime } from '../src/index.js';
import { MODES, type Mode, openRepository, PASSPHRASE, warnings } from './support.js';

const NOW = 1_700_000_000;
const MIB = 2 ** 20;

/** Small files around a large one, so that volumes end between files and inside of one. */
const TREE = tree({
  a: file(seeded(1, 300_000)),
  b: file(seeded(2, 500_000)),
  large: file(seeded(3, 4 * MIB)),
  y: file(seeded(4, 700_000)),
  z: file(seeded(5, 900_000)),
});

class Killed extends Error {}

/** After so many uploads of archive files, or just before the signatures or the manifest are stored. */
type Moment = number | '.sigtar' | '.manifest';

/** Like a kill: from the given moment on, nothing reaches the target any more. */
function dyingAt(storage: Storage, moment: Moment): Storage {
  let left = typeof moment === 'number' ? moment : Number.POSITIVE_INFINITY;
  const put = async (name: string, source: UploadSource, options?: PutOptions) => {
    if (name === 'redup.lock') return storage.put(name, source, options);
    if (left-- <= 0 || (typeof moment === 'string' && name.includes(moment))) throw new Killed('killed');
    return storage.put(name, source, options);
  };
  return new Proxy(storage, {
    get: (target, key) => {
      if (key === 'put') return put;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

interface Place {
  readonly source: string;
  readonly target: string;
  readonly archiveDirectory: string;
}

async function interrupted(place: Place, mode: Mode, puts: Moment, now: number): Promise<void> {
  const storage = dyingAt(await FileStorage.open(place.target, { create: 'if-missing' }), puts);
  const { repository } = await openRepository({ ...place, mode, now, storage });
  await expect(repository.backup({ source: place.source, volumeBytes: MIB })).rejects.toThrow();
}

async function restored(place: Place, mode: Mode, folder: string, time?: number): Promise<string[]> {
  const target = join(folder, `restored-${time ?? 'now'}`);
  const { repository, events } = await openRepository({ ...place, mode, now: NOW + 10_000 });
  const result = await repository.restore({ target, ...(time === undefined ? {} : { time: asTime(time) }) });
  expect(warnings(events)).toEqual([]);
  expect(result.problems).toBe(0);
  return diffTrees(readTree(place.source), readTree(target));
}

function withPlace(use: (place: Place, folder: string) => Promise<void>): Promise<void> {
  return withTempDir('resume', async (folder) => {
    const place = { source: join(folder, 's'), target: join(folder, 't'), archiveDirectory: join(folder, 'a') };
    writeTree(place.source, TREE);
    await use(place, folder);
  });
}

function volumesOf(target: string): string[] {
  return listArchive(target).flatMap(({ name }) => (name.includes('.vol') ? [name] : []));
}

describe.each(MODES)('after a backup (%s) was cut off', (mode) => {
  test.each<Moment>([0, 1, 2, 3, 4, '.sigtar', '.manifest'])(
    'at %s uploads, the next run completes it and everything restores',
    async (puts) => {
      await withPlace(async (place, folder) => {
        await interrupted(place, mode, puts, NOW);
        const before = new Set(volumesOf(place.target));
        const { repository, events } = await openRepository({ ...place, mode, now: NOW + 100 });
        const result = await repository.backup({ source: place.source, volumeBytes: MIB });
        expect(warnings(events)).toEqual([]);
        expect(result.time).toBe(before.size > 0 ? NOW : NOW + 100);
        const again = events.filter((event) => event.type === 'volume').map((event) => event.name);
        expect(again.filter((name) => before.has(name))).toEqual([]);
        expect(await restored(place, mode, folder)).toEqual([]);
        const peer = requirePeer({ skip: (note) => expect.unreachable(note) }, 'duplicity-current');
        if (puts === 4) {
          await duplicityOk(peer, ['verify', '--compare-data', `file://${place.target}`, place.source], {
            ...(mode === 'symmetric' ? { passphrase: PASSPHRASE } : {}),
          });
        }
        const next = await openRepository({ ...place, mode, now: NOW + 200 });
        const following = await next.repository.backup({ source: place.source });
        expect(following.statistics.deltaEntries).toBe(0);
      });
    },
  );
});

test('a file that the interruption cut and that changed meanwhile is stored whole again', async () => {
  await withPlace(async (place, folder) => {
    await interrupted(place, 'plain', 3, NOW);
    appendFileSync(join(place.source, 'large'), 'and more');
    const { repository } = await openRepository({ ...place, mode: 'plain', now: NOW + 100 });
    await repository.backup({ source: place.source, volumeBytes: MIB });
    expect(await restored(place, 'plain', folder)).toEqual([]);
  });
});

test('a file that the interruption cut and that is gone meanwhile leaves no part of itself', async () => {
  await withPlace(async (place, folder) => {
    await interrupted(place, 'plain', 3, NOW);
    rmSync(join(place.source, 'large'));
    const { repository } = await openRepository({ ...place, mode: 'plain', now: NOW + 100 });
    await repository.backup({ source: place.source, volumeBytes: MIB });
    expect(await restored(place, 'plain', folder)).toEqual([]);
  });
});

test('what changed before the point of interruption is in the next incremental backup', async () => {
  await withPlace(async (place, folder) => {
    await interrupted(place, 'gzip', 3, NOW);
    writeFileSync(join(place.source, 'a'), 'changed');
    writeFileSync(join(place.source, 'a-new'), 'new');
    rmSync(join(place.source, 'b'));
    for (const later of [100, 200]) {
      const { repository } = await openRepository({ ...place, mode: 'gzip', now: NOW + later });
      await repository.backup({ source: place.source, volumeBytes: MIB });
    }
    expect(await restored(place, 'gzip', folder)).toEqual([]);
  });
});

test('an incremental backup that was cut off inside a delta goes on', async () => {
  await withPlace(async (place, folder) => {
    const first = await openRepository({ ...place, mode: 'symmetric', now: NOW });
    await first.repository.backup({ source: place.source, volumeBytes: MIB });
    writeTree(join(folder, 'other'), tree({ large: file(seeded(9, 5 * MIB)) }));
    const changed = readdirSync(join(folder, 'other'));
    expect(changed).toEqual(['large']);
    appendFileSync(join(place.source, 'a'), 'x');
    await import('node:fs').then((fs) => fs.copyFileSync(join(folder, 'other', 'large'), join(place.source, 'large')));
    await interrupted(place, 'symmetric', 3, NOW + 100);
    const { repository, events } = await openRepository({ ...place, mode: 'symmetric', now: NOW + 200 });
    const result = await repository.backup({ source: place.source, volumeBytes: MIB });
    expect(result).toMatchObject({ type: 'incremental', time: NOW + 100 });
    expect(events.filter((event) => event.type === 'volume').map((event) => event.number)[0]).toBe(4);
    expect(await restored(place, 'symmetric', folder)).toEqual([]);
  });
});

test("signatures stored just before a crash, with no cache left to go on from, are in nobody's way", async () => {
  await withPlace(async (place, folder) => {
    const first = await openRepository({ ...place, mode: 'gzip', now: NOW });
    await first.repository.backup({ source: place.source });
    appendFileSync(join(place.source, 'a'), 'more');
    await interrupted(place, 'gzip', '.manifest', NOW + 100);
    expect(archiveSets(place.target).at(-1)).toMatchObject({ hasSignatures: true, hasManifest: false });
    rmSync(place.archiveDirectory, { recursive: true });
    for (const later of [200, 300]) {
      appendFileSync(join(place.source, 'a'), 'and more');
      const { repository } = await openRepository({ ...place, mode: 'gzip', now: NOW + later });
      // duplicity finds no signatures for the chain then, and wants a full backup.
      expect(await repository.backup({ source: place.source })).toMatchObject({ type: 'incremental' });
    }
    expect(await restored(place, 'gzip', folder)).toEqual([]);
  });
});

test('a crash after the manifest was stored leaves partial files that the next run removes', async () => {
  await withPlace(async (place, folder) => {
    const { repository } = await openRepository({ ...place, mode: 'gzip', now: NOW });
    await repository.backup({ source: place.source });
    const [local] = readdirSync(place.archiveDirectory);
    const cache = join(place.archiveDirectory, local ?? '');
    const manifest = readdirSync(cache).find((name) => name.endsWith('.manifest')) ?? '';
    writeFileSync(join(cache, `${manifest}.part`), 'Hostname x\n');
    const next = await openRepository({ ...place, mode: 'gzip', now: NOW + 100 });
    await next.repository.backup({ source: place.source });
    expect(existsSync(join(cache, `${manifest}.part`))).toBe(false);
    expect(await restored(place, 'gzip', folder)).toEqual([]);
  });
});

test('redup goes on with a backup of duplicity that was cut off, or leaves it aside where it cannot', async () => {
  const peer = requirePeer({ skip: (note) => expect.unreachable(note) }, 'duplicity-debian');
  for (const failAt of [1, 2, 3]) {
    await withPlace(async (place, folder) => {
      const args = [
        'full',
        '--volsize',
        '1',
        '--fail-on-volume',
        `${failAt}`,
        '--no-encryption',
        place.source,
        `file://${place.target}`,
      ];
      const cut = await duplicity(peer, args, { archiveDir: place.archiveDirectory, currentTime: NOW });
      expect(cut.code).not.toBe(0);
      const { repository } = await openRepository({ ...place, mode: 'gzip', now: NOW });
      const result = await repository.backup({ source: place.source, volumeBytes: MIB });
      // The large file begins in volume 1 or 2; what was stored before it can stay.
      expect(result.time - NOW).toBeLessThanOrEqual(1);
      expect(await restored(place, 'gzip', folder)).toEqual([]);
    });
  }
});

test.each(['duplicity-debian', 'duplicity-current'] as const)(
  '%s goes on with a backup of redup that was cut off',
  async (name) => {
    const peer = requirePeer({ skip: (note) => expect.unreachable(note) }, name);
    await withPlace(async (place, folder) => {
      await interrupted(place, 'gzip', 3, NOW);
      const options = { archiveDir: place.archiveDirectory, currentTime: NOW + 100 };
      const full = await duplicityOk(peer, ['full', '--volsize', '1', place.source, `file://${place.target}`], options);
      expect(full.stdout).toMatch(/Restarting after volume \d/);
      expect(await restored(place, 'gzip', folder)).toEqual([]);
      await duplicityOk(peer, ['verify', '--compare-data', `file://${place.target}`, place.source], options);
    });
  },
);
