/**
 * Calls of the file system that fail, one at a time or from one on, in the real command: each call on source, target, archive directory,
 * temporary folder and restore target. Either everything is complete and right, or the command says what is wrong in a sentence,
 * and the same command again, without the fault, completes it.
 */

import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { diffTrees, readTree, snapshotOf, withTempDir } from '@redup/testkit';
import type { SufferedRun } from '@redup/testkit/effects';
import { describe, expect, test } from 'vitest';
import { Place } from './place.js';
import { Story } from './story.js';

const ALL = process.env['CRASH'] === 'all';
/** Prime, so that all kinds of calls come round. */
const STEP = ALL ? 1 : 47;
const FAULTS = [
  ['ENOSPC', true],
  ['EIO', false],
  ['EMFILE', false],
  ['EACCES', false],
] as const;

/** A sentence for a person: no stack, no name of a class, nothing unexpected. */
function expectSaid({ code, stdout, stderr }: SufferedRun): void {
  expect(`${stdout}\n${stderr}`).not.toMatch(/\n\s+at .*:\d+:\d+|Unexpected:|undefined|\[object|TypeError/);
  expect(code).toBeLessThan(128);
  if (code !== 0) expect(`${stdout}${stderr}`.trim()).not.toBe('');
}

function named(what: string, run: SufferedRun, error: unknown): Error {
  return new Error(`${what}: ended with ${run.code}, ${run.stderr}`, { cause: error });
}

describe.each(FAULTS)('%s', { timeout: 7_200_000 }, (code, lasting) => {
  test('at any call of a backup', async () => {
    await withTempDir('faults', async (folder) => {
      const place = new Place(folder, { encrypted: false });
      const story = new Story(place, 'incremental');
      await story.begin();
      const before = await place.stored();
      const reset = await place.keep();
      const plan = { folders: [place.source, place.target, place.archive, place.temporary], calls: 'all' } as const;
      const { calls } = await story.crash({ ...plan, suffering: { kind: 'none' } });
      expect(calls.length).toBeGreaterThan(150);
      for (let at = 1 + (code.length % STEP); at <= calls.length; at += STEP) {
        await reset();
        const run = await story.crash({ ...plan, suffering: { kind: 'fail', code, lasting }, at });
        try {
          expectSaid(run);
          await story.check(before, 'resume', 'after a fault');
        } catch (error) {
          throw named(`call ${at}, ${calls[at - 1]}`, run, error);
        }
      }
    });
  });

  test('at any call of a restore', async () => {
    await withTempDir('faults', async (folder) => {
      const place = new Place(folder, { encrypted: false });
      const story = new Story(place, 'incremental');
      await story.begin();
      expect((await story.crash({ suffering: { kind: 'none' } })).code).toBe(0);
      const target = join(folder, 'restored');
      const args = ['restore', '--archive-dir', place.archive, '--name', 'cache', '--tempdir', place.temporary];
      const plan = { folders: [target, place.target, place.archive, place.temporary], calls: 'all' } as const;
      const restore = (more: readonly string[], suffering: Parameters<Place['run']>[1]) =>
        place.run([...args, ...more, place.url, target], { ...plan, ...suffering });
      const { calls } = await restore([], { suffering: { kind: 'none' } });
      const expected = snapshotOf(place.tree);
      expect(diffTrees(expected, readTree(target))).toEqual([]);
      for (let at = 1 + (code.length % STEP); at <= calls.length; at += STEP) {
        rmSync(target, { recursive: true, force: true });
        const run = await restore([], { suffering: { kind: 'fail', code, lasting }, at });
        try {
          expectSaid(run);
          if (run.code === 0) expect(diffTrees(expected, readTree(target))).toEqual([]);
          if (existsSync(target))
            for (const [path, { sha256, size }] of readTree(target))
              if (size !== undefined) expect([path, sha256]).toEqual([path, expected.get(path)?.sha256]);
          const again = await restore(['--force'], { suffering: { kind: 'none' } });
          expect(again.code, again.stderr).toBe(0);
          expect(diffTrees(expected, readTree(target))).toEqual([]);
        } catch (error) {
          throw named(`call ${at}, ${calls[at - 1]}`, run, error);
        }
      }
    });
  });
});
