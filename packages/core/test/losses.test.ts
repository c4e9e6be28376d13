/**
 * A restore over a lost volume in the middle of a chain: deltas are not applied to what they were not made for, what is not as it
 * was stored is named path by path, and nothing else is concerned.
 */

import { rmSync } from 'node:fs';
import {
  diffTrees,
  file,
  flipBit,
  readTree,
  type Snapshot,
  seeded,
  snapshotOf,
  type TreeModel,
  tree,
} from '@redup/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asTime } from '../src/index.js';
import { MODES } from './support.js';
import { START, type World, withWorld } from './world.js';

const big = (seed: number, rest = 99) =>
  file([...seeded(seed, 60_000), ...seeded(rest, 300_000)], { mtime: 1_650_000_000 + seed });

/** `each` changes in every set, `now-and-then` in the first and the last; others are made, deleted, or come back. */
function stateOf(set: number): TreeModel {
  return tree({
    // What the last delta copies is in the middle version alone.
    each: big(set, set === 0 ? 97 : 98),
    'now-and-then': big(set === 2 ? 12 : 10),
    quiet: file('never changes'),
    ...(set === 0 ? { 'old/deleted': file('x') } : {}),
    ...(set >= 1 ? { 'made/in-1': file('1') } : {}),
    ...(set >= 2 ? { 'made/in-2': file('2') } : {}),
    zz: file(`state ${Math.min(set, 1)}`, { mtime: 1_640_000_000 + Math.min(set, 1) }),
  });
}

async function threeSets(world: World): Promise<void> {
  for (const set of [0, 1, 2]) {
    world.write(stateOf(set));
    await world.backup();
  }
}

/** Paths that a run named as not restored. */
const named = (events: readonly { readonly type: string }[]) =>
  new Set(
    events.flatMap((event) =>
      'code' in event && event.code === 'NOT_RESTORED' && 'path' in event ? [String(event.path)] : [],
    ),
  );

/** Paths that are not as they were stored, folders' times aside. */
function wrongPaths(expected: Snapshot, target: string): Set<string> {
  const found = readTree(target);
  const paths = new Set([...expected.keys(), ...found.keys()]);
  const differs = (path: string) => {
    const [a, b] = [expected.get(path), found.get(path)];
    if (a?.type === 'directory' && b?.type === 'directory') return false;
    return a === undefined || b === undefined || a.sha256 !== b.sha256 || a.type !== b.type || a.mtime !== b.mtime;
  };
  return new Set([...paths].filter(differs));
}

describe.each(MODES)('%s', (mode) => {
  test.each(['damaged', 'missing'])('the only volume of the middle set is %s', async (how) => {
    await withWorld(mode, async (world) => {
      await threeSets(world);
      const [name = ''] = world.stored(/inc.*vol1/);
      if (how === 'damaged') flipBit(world.place(name));
      else rmSync(world.place(name));
      const run = await world.restore({ ignoreErrors: true });
      const wrong = wrongPaths(snapshotOf(stateOf(2)), run.target);
      // The delta of the last set belongs to a version that is lost: nothing is better than something else.
      expect(readTree(run.target).has('each')).toBe(false);
      // This one was not changed in the middle: it is proven by its signature, and there.
      expect(wrong.has('now-and-then')).toBe(false);
      expect(wrong).toEqual(new Set(['each', 'made/in-1', 'old', 'old/deleted', 'zz']));
      for (const path of wrong) expect(named(run.events)).toContain(path);
      for (const path of named(run.events)) expect([...wrong, 'made', '']).toContain(path);
      expect(run.problems).toBeGreaterThanOrEqual(wrong.size);
      const { repository, events } = await world.open();
      const verified = await repository.verify({ local: world.source, compare: 'nothing', ignoreErrors: true });
      expect(verified.problems).toBeGreaterThan(1);
      const problems = events.flatMap((event) =>
        event.type === 'warning' && event.path !== undefined ? [event.path] : [],
      );
      expect(problems).toContain('each');
      expect(problems).not.toContain('now-and-then');
      const before = await world.restore({ ignoreErrors: true, time: asTime(START + 1000) });
      expect(before.problems).toBe(0);
      expect(diffTrees(snapshotOf(stateOf(0)), readTree(before.target))).toEqual([]);
    });
  });

  test('the signatures are lost as well: nothing wrong is restored, and the span is named', async () => {
    await withWorld(mode, async (world) => {
      await threeSets(world);
      world.loseCache();
      flipBit(world.place(world.stored(/inc.*vol1/)[0] ?? ''));
      for (const name of world.stored(/signatures/)) rmSync(world.place(name));
      const run = await world.restore({ ignoreErrors: true });
      expect(run.warnings.join('\n')).toMatch(
        /Without signatures the files of .*vol1.* cannot be named: they lie between each and zz/,
      );
      const found = readTree(run.target);
      expect(found.has('each')).toBe(false);
      expect(found.has('now-and-then')).toBe(false);
      expect(found.get('quiet')?.sha256).toBe(snapshotOf(stateOf(2)).get('quiet')?.sha256);
    });
  });
});

test('whatever volumes are lost, what is wrong afterwards is named', async () => {
  const lost = fc.uniqueArray(fc.nat(40), { minLength: 1, maxLength: 3 });
  await withWorld('gzip', async (world) => {
    for (const set of [0, 1, 2]) {
      world.write(stateOf(set));
      await world.backup({ volumeBytes: 120_000 });
    }
    const volumes = world.stored(/vol/);
    await fc.assert(
      fc.asyncProperty(lost, async (picks) => {
        const names = picks.map((pick) => volumes[pick % volumes.length] ?? '');
        for (const name of new Set(names)) flipBit(world.place(name));
        const run = await world.restore({ ignoreErrors: true }).finally(() => {
          for (const name of new Set(names)) flipBit(world.place(name));
        });
        const told = named(run.events);
        for (const path of wrongPaths(snapshotOf(stateOf(2)), run.target)) expect(told).toContain(path);
        expect(run.problems).toBeGreaterThan(0);
        rmSync(run.target, { recursive: true });
      }),
      { numRuns: 25 },
    );
  });
});
