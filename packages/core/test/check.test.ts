/** `check` finds every damage in every kind of file, names it, says what it affects, and finds nothing where nothing is wrong. */

import { randomBytes } from 'node:crypto';
import { cpSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { file, flipBit, literal, seeded, symlink, type TreeModel, tempDir, tree, truncateFile } from '@redup/testkit';
import { beforeAll, describe, expect, test } from 'vitest';
import type { CheckOptions, CheckResult, FindingCode } from '../src/index.js';
import { MODES, type Mode } from './support.js';
import { errorOf, START, World, withWorld } from './world.js';

const noise = (size: number) => file(literal(randomBytes(size).toString('latin1')));
const sorted = (model: TreeModel): TreeModel => new Map([...model].sort(([x], [y]) => (x < y ? -1 : 1)));

const originals = new Map<Mode, string>();
/** What was stored last. */
const lastStates = new Map<Mode, TreeModel>();
const TIMES = [START + 1000, START + 2000, START + 3000];

/** Three sets, the first of several volumes, with deltas upon deltas. */
beforeAll(async () => {
  for (const mode of MODES) {
    const world = new World(tempDir('check'), { mode });
    const first = tree({ 'a a': file('first'), big: noise(300_000), 'd/l': symlink('../big'), z: noise(90_000) });
    for (let set = 0; set < 3; set++) {
      const changed = { 'a a': file(`state ${set}`, { mtime: 1_650_000_000 + set }), [`new-${set}`]: file('x') };
      const big = file([...seeded(set, 70_000), ...seeded(9, 200_000)], { mtime: 1_650_000_000 + set });
      world.write(sorted(new Map([...first, ...tree(changed), ['big', big] as const])));
      await world.backup({ volumeBytes: 200_000 });
    }
    originals.set(mode, world.folder);
    lastStates.set(mode, world.tree);
  }
});

async function withCopy(mode: Mode, use: (world: World) => Promise<void>): Promise<void> {
  await withWorld(mode, async (world) => {
    cpSync(join(originals.get(mode) ?? '', 'target'), world.target, { recursive: true });
    world.now = START + 9000;
    await use(world);
  });
}

async function checked(world: World, options: CheckOptions = {}): Promise<CheckResult> {
  const { repository, events } = await world.open();
  const result = await repository.check(options);
  // What the result lists, the events told.
  expect(events.flatMap((event) => (event.type === 'finding' ? [event.finding] : []))).toEqual(result.findings);
  // What is found is a finding, not a warning as well.
  expect(events.filter(({ type }) => type === 'warning')).toEqual([]);
  for (const { message, hint } of result.findings) {
    expect(message).not.toMatch(/\n|undefined|\[object/);
    expect(hint).toMatch(/[.]$/);
  }
  return result;
}

const codes = ({ findings }: CheckResult): FindingCode[] => [...new Set(findings.map(({ code }) => code))].sort();

type Damage = 'a flipped bit' | 'a cut' | 'all bytes gone' | 'the file gone';
const DAMAGES: Readonly<Record<Damage, (place: string) => void>> = {
  'a flipped bit': (place) => flipBit(place),
  'a cut': (place) => truncateFile(place),
  'all bytes gone': (place) => truncateFile(place, 0),
  'the file gone': (place) => rmSync(place),
};

describe.each(MODES)('%s', (mode) => {
  test('nothing is found where nothing is wrong, read or not', async () => {
    await withCopy(mode, async (world) => {
      expect(await checked(world)).toMatchObject({ findings: [], found: 0, damages: 0, chains: 1, sets: 3 });
      const { read, ...rest } = await checked(world, { readPercent: 100 });
      expect(rest).toMatchObject({ found: 0 });
      // big, a a and new-K in each set, z once.
      expect(read).toMatchObject({ volumes: rest.volumes, bytes: rest.bytes, versions: 10, signatures: 3 });
    });
  });

  test.each(['the file gone', 'all bytes gone', 'a cut'] as const)(
    'a volume, %s: the listing alone tells',
    async (damage) => {
      await withCopy(mode, async (world) => {
        const [name = ''] = world.stored(/full.*vol2\.difftar/);
        DAMAGES[damage](world.place(name));
        const result = await checked(world);
        expect(codes(result)).toEqual([damage === 'the file gone' ? 'VOLUME_MISSING' : 'VOLUME_SIZE']);
        expect(result.findings[0]).toMatchObject({ affects: 'restores', times: TIMES, repairable: false });
        expect(result.findings[0]?.paths?.first).toBe('big');
        expect(result.damages).toBe(1);
      });
    },
  );

  test.each(['a flipped bit', 'the file gone'] as const)(
    'a volume, %s: what it held is named when the data is read',
    async (damage) => {
      await withCopy(mode, async (world) => {
        const [name = ''] = world.stored(/full.*vol2\.difftar/);
        DAMAGES[damage](world.place(name));
        const result = await checked(world, { readPercent: 100 });
        expect(codes(result)).toEqual([
          'ENTRY_DAMAGED',
          damage === 'the file gone' ? 'VOLUME_MISSING' : 'VOLUME_DAMAGED',
        ]);
        const lost = result.findings.filter(({ code }) => code === 'ENTRY_DAMAGED');
        // Once for each set that has a version of it.
        expect(new Set(lost.map(({ path }) => path))).toEqual(new Set(['big']));
        expect(lost.map(({ times }) => times[0])).toEqual(TIMES);
      });
    },
  );

  test('a manifest with any bit flipped: found, or of no consequence to any restore', async () => {
    await withCopy(mode, async (world) => {
      const [name = ''] = world.stored(/full.*manifest/);
      const size = statSync(world.place(name)).size;
      let harmless = 0;
      for (let at = 3; at < size; at += Math.ceil(size / 12)) {
        world.loseCache();
        flipBit(world.place(name), at);
        const { damages } = await checked(world, { readPercent: 100 });
        if (damages === 0) {
          harmless++;
          await world.expectRestores(lastStates.get(mode));
        }
        flipBit(world.place(name), at);
      }
      if (mode === 'symmetric') expect(harmless).toBe(0);
      else expect(harmless).toBeLessThan(12);
      expect(await checked(world)).toMatchObject({ found: 0 });
    });
  });

  test.each(['a cut', 'all bytes gone', 'the file gone'] as const)('a manifest, %s', async (damage) => {
    await withCopy(mode, async (world) => {
      const [name = ''] = world.stored(/full.*manifest/);
      DAMAGES[damage](world.place(name));
      const result = await checked(world, { readPercent: 100 });
      const found = codes(result);
      expect(found.length).toBeGreaterThan(0);
      if (damage === 'the file gone') {
        expect(found).toEqual(['MANIFEST_MISSING']);
        expect(result.findings[0]?.times).toEqual(TIMES);
      }
      for (const finding of result.findings.filter(({ code }) => code.startsWith('MANIFEST')))
        expect(finding).toMatchObject({ affects: 'restores', repairable: true });
    });
  });

  test.each(Object.keys(DAMAGES) as Damage[])('signatures, %s', async (damage) => {
    await withCopy(mode, async (world) => {
      const [name = ''] = world.stored(/new-signatures/);
      DAMAGES[damage](world.place(name));
      const result = await checked(world, { readPercent: 100 });
      const finding = result.findings.find(({ code }) => code.startsWith('SIGNATURES'));
      expect(finding).toMatchObject({ affects: 'lists-and-increments', repairable: true });
      expect(codes(result).filter((code) => !code.startsWith('SIGNATURES'))).toEqual([]);
      if (damage === 'the file gone') expect(codes(await checked(world))).toEqual(['SIGNATURES_MISSING']);
      else expect(finding?.object).toBe(name);
    });
  });

  test('two volumes swapped, and a volume of another set in the place of one', async () => {
    await withCopy(mode, async (world) => {
      const [one = '', two = ''] = world.stored(/full.*difftar/).map((name) => world.place(name));
      renameSync(one, `${one}.x`);
      renameSync(two, one);
      renameSync(`${one}.x`, two);
      const result = await checked(world, { readPercent: 100 });
      expect(result.findings.filter(({ code }) => code === 'VOLUME_DAMAGED')).toHaveLength(2);
      expect(codes(await checked(world))).toEqual(['VOLUME_SIZE']);
    });
    await withCopy(mode, async (world) => {
      const [other = '', last = ''] = world.stored(/inc.*vol1\.difftar/).map((name) => world.place(name));
      cpSync(other, last);
      expect(codes(await checked(world, { readPercent: 100 }))).toContain('VOLUME_DAMAGED');
    });
  });

  test('the base of a chain gone, files of nobody, an interrupted backup', async () => {
    await withCopy(mode, async (world) => {
      for (const name of world.stored(/\.to\.20231114T224640Z/)) rmSync(world.place(name));
      writeFileSync(world.place('duplicity-full.20200101T000000Z.vol1.difftar.gz'), '');
      const result = await checked(world);
      const byCode = new Map(result.findings.map((finding) => [finding.code, finding]));
      expect(byCode.get('SET_UNFINISHED')).toMatchObject({ affects: 'nothing' });
      expect(byCode.get('SET_ORPHANED')).toMatchObject({ affects: 'restores', times: [TIMES[2]] });
    });
  });

  test('two files that claim to be one volume', async () => {
    await withCopy(mode, async (world) => {
      const [name = ''] = world.stored(/full.*vol1\.difftar/);
      writeFileSync(world.place(mode === 'plain' ? `${name}.gz` : name.replace(/\.\w+$/, '')), 'twin');
      expect(codes(await checked(world))).toContain('DUPLICATE');
    });
  });
});

describe('a part of the data', () => {
  test('the same seed reads the same part; another one another', async () => {
    await withWorld('gzip', async (world) => {
      world.write(tree(Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`f${i + 10}`, noise(60_000)]))));
      await world.backup({ volumeBytes: 130_000 });
      const read = async (seed: number) => {
        const { repository, events } = await world.open();
        const result = await repository.check({ readPercent: 10, seed });
        expect(result).toMatchObject({ found: 0, read: { percent: 10, seed } });
        return { part: events.flatMap((e) => (e.type === 'volume' ? [e.number] : [])), read: result.read };
      };
      const first = await read(1);
      expect(await read(1)).toEqual(first);
      expect((first.read?.bytes ?? 0) / world.stored(/vol/).length).toBeLessThan(40_000);
      const parts = await Promise.all([2, 3, 4, 5].map(read));
      expect(new Set([first, ...parts].map(({ part }) => part.join())).size).toBeGreaterThan(1);
    });
  });

  test('deltas are applied in the stretches that are read whole', async () => {
    await withCopy('gzip', async (world) => {
      const seen = [];
      for (let seed = 0; seed < 20; seed++)
        seen.push((await checked(world, { readPercent: 1, seed })).read?.versions ?? 0);
      expect(Math.max(...seen)).toBeGreaterThan(0);
    });
  });

  test('a percentage that is none is refused', async () => {
    await withCopy('gzip', async (world) => {
      const { repository } = await world.open();
      for (const readPercent of [0, -1, 101, Number.NaN])
        await errorOf(repository.check({ readPercent }), 'BAD_OPTION');
    });
  });
});

describe('a key', () => {
  test('that is wrong ends the check with an error; it is no damage', async () => {
    await withCopy('symmetric', async (world) => {
      const { repository } = await world.open({ passphrase: 'wrong' });
      await errorOf(repository.check(), 'PASSPHRASE_WRONG');
    });
  });

  test('that is missing leaves the listing, and says what could not be looked at', async () => {
    await withCopy('symmetric', async (world) => {
      const { repository } = await world.open({ mode: 'gzip' });
      const result = await repository.check();
      expect(codes(result)).toEqual(['NOT_READABLE']);
      expect(result.damages).toBe(0);
      await errorOf(repository.check({ readPercent: 100 }), 'PASSPHRASE_MISSING');
    });
  });

  test('one manifest whose head is damaged is damage, although it looks like a wrong key', async () => {
    await withCopy('symmetric', async (world) => {
      const [name = ''] = world.stored(/full.*manifest/);
      flipBit(world.place(name), 12);
      const result = await checked(world);
      expect(codes(result)).toEqual(['MANIFEST_DAMAGED']);
    });
  });
});

describe('a manifest that lies', () => {
  const rewrite = (world: World, pattern: RegExp, change: (text: string) => string) => {
    const [name = ''] = world.stored(pattern);
    const text = readFileSync(world.place(name), 'latin1');
    expect(change(text)).not.toBe(text);
    writeFileSync(world.place(name), change(text), 'latin1');
  };

  test.each<readonly [string, (text: string) => string]>([
    ['about where a volume begins', (text) => text.replace(/(Volume 2:\n {4}StartingPath {3})\S+/, '$1zz')],
    ['about where a volume ends', (text) => text.replace(/(EndingPath {5})\S+/, '$1aa')],
    ['about one of two hashes', (text) => text.replace(/Hash SHA1 ..../, 'Hash SHA1 0000')],
    ['about the number of volumes', (text) => text.replace(/Volume 2:[\s\S]*(?=Filelist)/, '')],
  ])('%s is found', async (_what, change) => {
    await withCopy('gzip', async (world) => {
      rewrite(world, /full.*manifest/, change);
      const result = await checked(world, { readPercent: 100 });
      expect(codes(result).filter((code) => code === 'MANIFEST_WRONG')).toEqual(['MANIFEST_WRONG']);
      expect(result.findings.find(({ code }) => code === 'MANIFEST_WRONG')?.repairable).toBe(true);
    });
  });

  test('about the hash of a whole volume, in its copy here: the copy is named', async () => {
    await withCopy('gzip', async (world) => {
      await world.restore();
      rewrite(world, /full.*manifest/, (text) => text.replace(/Hash SHA256 ..../, 'Hash SHA256 0000'));
      expect(codes(await checked(world))).toEqual(['MANIFEST_COPY']);
    });
  });
});
