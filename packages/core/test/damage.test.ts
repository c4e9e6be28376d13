/**
 * Damage in each kind of stored file: it is named, nothing that looks whole is wrong, and with `ignoreErrors`
 * everything that is not concerned is restored.
 */

import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  diffTrees,
  file,
  flipBit,
  literal,
  readTree,
  type Snapshot,
  snapshotOf,
  symlink,
  type TreeModel,
  tempDir,
  tree,
  truncateFile,
} from '@redup/testkit';
import { beforeAll, describe, expect, test } from 'vitest';
import { asTime, RedupError } from '../src/index.js';
import { MODES, type Mode } from './support.js';
import { errorOf, World as PlainWorld, START, type World, withWorld } from './world.js';

const noise = (size: number) => file(literal(randomBytes(size).toString('latin1')));

interface Original {
  readonly folder: string;
  readonly before: TreeModel;
  readonly after: TreeModel;
}

const originals = new Map<Mode, Original>();

beforeAll(async () => {
  for (const mode of MODES) {
    const folder = tempDir('damage');
    const world = new PlainWorld(folder, { mode });
    const before = tree({
      'a first': file('first'),
      big: noise(300_000),
      'd/link': symlink('../big'),
      ...Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`many/${i}`, noise(20_000)])),
      z: file('last'),
    });
    world.write(before);
    await world.backup({ volumeBytes: 200_000 });
    const after = new Map([
      ...before,
      ['a first', file('changed', { mtime: 1_650_000_000 })] as const,
      ['new', file('new')] as const,
    ]);
    world.write(new Map([...after].sort(([x], [y]) => (x < y ? -1 : 1))));
    await world.backup({ volumeBytes: 200_000 });
    originals.set(mode, { folder, before, after });
  }
});

/** A copy of the stored chain, to be damaged. */
async function withCopy(mode: Mode, use: (world: World, original: Original) => Promise<void>): Promise<void> {
  const original = originals.get(mode) ?? expect.unreachable();
  await withWorld(mode, async (world) => {
    cpSync(join(original.folder, 'target'), world.target, { recursive: true });
    cpSync(join(original.folder, 'source'), world.source, { recursive: true, preserveTimestamps: true });
    world.now = START + 2000;
    await use(world, original);
  });
}

/** What stands in a restored folder is as it was, even if not everything stands there. */
function expectNothingWrong(expected: Snapshot, target: string): void {
  if (!existsSync(target)) return;
  for (const [path, node] of readTree(target)) {
    const original = expected.get(path) ?? expect.unreachable(`${path} was never stored`);
    expect(node.type).toBe(original.type);
    if (node.type === 'file') expect({ path, sha256: node.sha256 }).toEqual({ path, sha256: original.sha256 });
  }
}

type Damage = 'a flipped bit' | 'a cut in half' | 'all bytes gone' | 'the file gone';

const DAMAGES: Readonly<Record<Damage, (place: string) => void>> = {
  'a flipped bit': (place) => flipBit(place),
  'a cut in half': (place) => truncateFile(place),
  'all bytes gone': (place) => truncateFile(place, 0),
  'the file gone': (place) => rmSync(place),
};

const ALL = Object.keys(DAMAGES) as Damage[];

describe.each(MODES)('damage, %s', (mode) => {
  describe.each([
    ['the second volume of the full set', /full.*vol2\.difftar/],
    ['the only volume of the increment', /inc.*vol1\.difftar/],
  ])('in %s', (_what, pattern) => {
    test.each(ALL)('%s: the restore stops and names it', async (damage) => {
      await withCopy(mode, async (world, { after }) => {
        const [name = ''] = world.stored(pattern);
        DAMAGES[damage](world.place(name));
        const target = join(world.folder, 'restored');
        const error = await errorOf(
          world.restore({ target }),
          damage === 'the file gone' ? 'VOLUME_MISSING' : 'VOLUME_HASH',
        );
        // Of a set without any volume nobody can tell how they were compressed.
        const known = world.stored(/inc.*difftar/).length > 0 ? name : name.replace('.gz', '');
        expect(error.message).toContain(known);
        expect(error.subject).toContain(known);
        expect(error.hint).toContain('--ignore-errors');
        // What is known from the listing alone stops it before anything is written.
        if (damage === 'the file gone') expect(existsSync(target)).toBe(false);
        expectNothingWrong(snapshotOf(after), target);
        const { repository } = await world.open();
        await errorOf(repository.verify({ local: world.source, compare: 'data' }), error.code);
      });
    });

    test.each(ALL)('%s: with ignoreErrors everything else is restored, and what is not is named', async (damage) => {
      await withCopy(mode, async (world, { after }) => {
        const [name = ''] = world.stored(pattern);
        DAMAGES[damage](world.place(name));
        const run = await world.restore({ ignoreErrors: true });
        expect(run.events).toContainEqual(
          expect.objectContaining({ code: 'DAMAGED_VOLUME', object: expect.stringContaining(name.replace('.gz', '')) }),
        );
        expect(run.problems).toBeGreaterThan(0);
        const lost = expect.objectContaining({ code: 'NOT_RESTORED', path: 'big' });
        const expected = snapshotOf(after);
        const restored = readTree(run.target);
        // An increment that can't be read leaves the state before it.
        if (pattern.source.startsWith('full')) {
          expect(run.events).toContainEqual(lost);
          expect(restored.has('big')).toBe(false);
          expectNothingWrong(expected, run.target);
          expect(restored.get('new')?.sha256).toBe(expected.get('new')?.sha256);
          expect(restored.has('z')).toBe(true);
        } else {
          expectNothingWrong(
            new Map([...expected, ...snapshotOf(originals.get(mode)?.before ?? new Map())]),
            run.target,
          );
          expect(restored.has('new')).toBe(false);
          expect(restored.has('big')).toBe(true);
        }
      });
    });

    test('the time before the damage is not concerned', async () => {
      if (pattern.source.startsWith('full')) return;
      await withCopy(mode, async (world, { before }) => {
        rmSync(world.place(world.stored(pattern)[0] ?? ''));
        await world.expectRestores(before, START + 1000);
      });
    });
  });

  describe.each([
    ['the full set', /full.*manifest/],
    ['the increment', /inc.*manifest/],
  ])('in the manifest of %s', (_what, pattern) => {
    test.each(ALL)('%s: what is restored is right, or the error names a file', async (damage) => {
      await withCopy(mode, async (world, { before, after }) => {
        const [name = ''] = world.stored(pattern);
        DAMAGES[damage](world.place(name));
        const target = join(world.folder, 'restored');
        const outcome = await world.restore({ target }).then(
          (run) => run,
          (error: unknown) => error,
        );
        if (outcome instanceof RedupError) {
          expectNothingWrong(snapshotOf(after), target);
          expect(outcome.message).toMatch(/duplicity-(full|inc)\.|There is no backup/);
          expect(outcome.hint ?? '').not.toBe('');
          expect(outcome.code).toMatch(
            /^(MANIFEST_INVALID|VOLUME_DAMAGED|VOLUME_HASH|VOLUME_MISSING|NO_BACKUP|ENCRYPTION)$/,
          );
        } else {
          // An increment without a manifest is none: the state before it is what there is.
          if (outcome instanceof Error) throw outcome;
          const state = damage === 'the file gone' ? before : after;
          expect(diffTrees(snapshotOf(state), readTree(target))).toEqual([]);
        }
      });
    });

    test('the copy in the cache serves, whatever became of the stored one', async () => {
      await withCopy(mode, async (world, { after }) => {
        await world.expectRestores(after);
        const [name = ''] = world.stored(pattern);
        flipBit(world.place(name));
        await world.expectRestores(after);
      });
    });
  });

  describe.each([
    ['the full set', /full-signatures/],
    ['the increment', /new-signatures/],
  ])('in the signatures of %s', (_what, pattern) => {
    test.each(ALL)('%s: a restore does without them', async (damage) => {
      await withCopy(mode, async (world, { before, after }) => {
        const [name = ''] = world.stored(pattern);
        DAMAGES[damage](world.place(name));
        await world.expectRestores(after);
        await world.expectRestores(before, START + 1000);
      });
    });

    test.each(ALL)('%s: a list is right, or the error names the file', async (damage) => {
      await withCopy(mode, async (world, { after }) => {
        const [name = ''] = world.stored(pattern);
        DAMAGES[damage](world.place(name));
        const outcome = await world.list().then(
          (paths) => paths.length,
          (error: unknown) => error,
        );
        if (outcome === after.size) return;
        expect(outcome).toBeInstanceOf(RedupError);
        expect(outcome).toMatchObject({
          code: damage === 'the file gone' ? 'NO_SIGNATURES' : 'SIGNATURE_DAMAGED',
          hint: expect.any(String),
        });
        if (damage !== 'the file gone') expect(String(outcome)).toContain(name);
      });
    });

    test.each(ALL)('%s: no increment is made of it that restores to something else', async (damage) => {
      await withCopy(mode, async (world, { before }) => {
        const [name = ''] = world.stored(pattern);
        DAMAGES[damage](world.place(name));
        writeFileSync(join(world.source, 'big'), 'changed');
        // The source is a copy, whose path the manifest does not know.
        const outcome = await world.backup({ allowSourceMismatch: true }).then(
          (run) => run,
          (error: unknown) => error,
        );
        await world.expectRestores(before, START + 1000);
        if (outcome instanceof Error) {
          expect(outcome).toMatchObject({ code: 'SIGNATURE_DAMAGED' });
          expect(String(outcome)).toContain(name);
          return;
        }
        const { target, problems } = await world.restore();
        expect(problems).toBe(0);
        expect(diffTrees(readTree(world.source), readTree(target))).toEqual([]);
      });
    });
  });
});

describe('a manifest of fewer volumes than are stored', () => {
  test.each([false, true])(
    'is noticed: what it leaves out is not passed over in silence (ignoreErrors: %s)',
    async (ignoreErrors) => {
      await withCopy('gzip', async (world, { after }) => {
        const [name = ''] = world.stored(/full.*manifest/);
        const text = readFileSync(world.place(name), 'latin1');
        writeFileSync(world.place(name), text.slice(0, text.indexOf('Volume 2:')), 'latin1');
        const target = join(world.folder, 'restored');
        if (ignoreErrors) {
          expect((await world.restore({ target, ignoreErrors })).problems).toBeGreaterThan(0);
        } else {
          const error = await errorOf(world.restore({ target }), 'MANIFEST_INVALID');
          expect(error.message).toContain('duplicity-full.');
        }
        expectNothingWrong(snapshotOf(after), target);
      });
    },
  );
});

test('a volume without a hash in the manifest is read with a warning, and damage in it is still found', async () => {
  for (const mode of MODES) {
    await withCopy(mode, async (world, { after }) => {
      if (mode === 'symmetric') return;
      for (const name of world.stored(/manifest/)) {
        const text = readFileSync(world.place(name), 'latin1').replace(/ {4}Hash .*\n/g, '');
        writeFileSync(world.place(name), text, 'latin1');
      }
      const run = await world.restore();
      expect(run.events).toContainEqual(expect.objectContaining({ code: 'NO_HASH' }));
      expect(diffTrees(snapshotOf(after), readTree(run.target))).toEqual([]);
      const [name = ''] = world.stored(/full.*vol2\.difftar/);
      if (mode === 'gzip') flipBit(world.place(name));
      else {
        // In plain files only the tar's own checksums are left to tell.
        const bytes = readFileSync(world.place(name));
        bytes[10] = 0x7f;
        writeFileSync(world.place(name), bytes);
      }
      const target = join(world.folder, 'restored');
      const error = await errorOf(world.restore({ target }), 'VOLUME_DAMAGED');
      expect(error.message).toContain(name);
      const rest = await world.restore({ ignoreErrors: true });
      expect(rest.problems).toBeGreaterThan(0);
      expect(readTree(rest.target).has('z')).toBe(true);
      expect(readTree(rest.target).has('big')).toBe(false);
    });
  }
});

test('two volumes swapped are found by their hashes', async () => {
  await withCopy('gzip', async (world) => {
    const [one = '', two = ''] = world.stored(/full.*difftar/).map((name) => world.place(name));
    const bytes = [readFileSync(one), readFileSync(two)] as const;
    writeFileSync(one, bytes[1]);
    writeFileSync(two, bytes[0]);
    await errorOf(world.restore(), 'VOLUME_HASH');
  });
});

test('only the volumes that a path needs are read', async () => {
  await withCopy('gzip', async (world, { after }) => {
    const [name = ''] = world.stored(/full.*vol2\.difftar/);
    flipBit(world.place(name));
    const run = await world.restore({ path: 'z', time: asTime(START + 2000) });
    expect(run.problems).toBe(0);
    expect(readTree(run.target).get('')?.sha256).toBe(snapshotOf(after).get('z')?.sha256);
  });
});
