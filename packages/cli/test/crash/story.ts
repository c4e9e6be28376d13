/** One crash and what has to be true afterwards, whatever the moment was. */

import { diffTrees, directory, file, seeded, snapshotOf, symlink, type TreeModel, tree } from '@redup/testkit';
import type { SufferedRun } from '@redup/testkit/effects';
import { expect } from 'vitest';
import type { Place, Plan } from './place.js';

const FULL = 1_700_000_000;
const KILLED = FULL + 1000;
const SECOND = KILLED + 1000;
const THIRD = SECOND + 1000;

/** Files before and behind a large one, so that volumes end between files and inside of one. */
const FIRST: TreeModel = tree({
  a: file(seeded(1, 200_000)),
  'd/gone later': file(seeded(2, 100_000)),
  'd/small': file('small'),
  large: file(seeded(3, 2_600_000)),
  link: symlink('a'),
  y: file(seeded(4, 300_000)),
  z: file(seeded(5, 100_000)),
});

const AGAIN: TreeModel = tree({
  ...Object.fromEntries(FIRST),
  a: file([...seeded(1, 200_000), ...seeded(11, 50_000)], { mtime: 1_600_000_100 }),
  'd/new': file(seeded(12, 300_000)),
  large: file([...seeded(13, 1_900_000), ...seeded(3, 700_000)], { mtime: 1_600_000_100 }),
  z: file(seeded(14, 400_000), { mtime: 1_600_000_100 }),
});

/** What becomes of the source between the crash and the next run. */
const CHANGED: TreeModel = (() => {
  const changed = new Map(AGAIN);
  changed.delete('d/gone later');
  changed.set('a', file('another', { mtime: 1_600_000_200 }));
  changed.set('d/made meanwhile', file('new'));
  changed.set('large', file([...seeded(13, 1_900_000), ...seeded(23, 500_000)], { mtime: 1_600_000_200 }));
  changed.set('y', directory());
  changed.set('y/inside', file(seeded(24, 10_000)));
  changed.set('zz', file('behind all others'));
  return changed;
})();

export type Kind = 'full' | 'incremental';
/** What is done after the crash. */
export type Sequel = 'resume' | 'resume after changes' | 'clean up';
export const SEQUELS: readonly Sequel[] = ['resume', 'resume after changes', 'clean up'];

export type When = 'after a kill' | 'after a power cut' | 'after a fault';

export class Story {
  readonly #place: Place;
  readonly #kind: Kind;

  constructor(place: Place, kind: Kind) {
    this.#place = place;
    this.#kind = kind;
  }

  /** Everything up to the backup that will be killed. */
  async begin(): Promise<void> {
    if (this.#kind === 'incremental') {
      this.#place.write(FIRST);
      await this.#place.backup(FULL);
    }
    this.#place.write(AGAIN);
  }

  crash(plan: Plan, killAfterMs?: number): Promise<SufferedRun> {
    return this.#place.command(KILLED, plan, killAfterMs);
  }

  /** @param before what was stored before the run that crashed */
  async check(before: ReadonlyMap<string, number>, sequel: Sequel, when: When = 'after a kill'): Promise<void> {
    const place = this.#place;
    const after = await place.stored();
    for (const [name, size] of before) expect(after.get(name), name).toBe(size);
    await this.#expectFirst();
    if (sequel === 'clean up') await this.#cleanUp(before, after);
    else if (sequel === 'resume') await this.#resume(after);
    else await this.#resumeChanged();
    await this.#expectFirst();
    // Names that a power cut brings back are nobody's any more: they may stay, and count for nothing.
    if (when !== 'after a power cut') expect(place.debris()).toEqual([]);
    await this.#expectLittleDebris(before, after, sequel);
    place.write(AGAIN);
  }

  async #resume(after: ReadonlyMap<string, number>): Promise<void> {
    const place = this.#place;
    const run = await place.backup(SECOND);
    expect(run.warnings).toEqual([]);
    // Repeated work: a volume that was stored already, but not yet named.
    expect(run.storedNames.filter((name) => after.has(name)).length).toBeLessThanOrEqual(1);
    await place.expectRestores(AGAIN);
    const next = await place.backup(THIRD);
    expect(next).toMatchObject({ type: 'incremental', statistics: { deltaEntries: 0 } });
    await place.expectRestores(AGAIN);
  }

  async #resumeChanged(): Promise<void> {
    const place = this.#place;
    place.write(CHANGED);
    const run = await place.backup(SECOND);
    expect(run.warnings).toEqual([]);
    // Of a set that was begun before the changes and ended after them, each entry is as it was then or as it is now, and whole.
    const mixed = await place.restored(run.time);
    const [then, now] = [snapshotOf(AGAIN), snapshotOf(CHANGED)];
    const one = diffTrees(then, mixed, { ignore: ['mtime'] }).map(pathOf);
    const other = new Set(diffTrees(now, mixed, { ignore: ['mtime'] }).map(pathOf));
    expect(one.filter((path) => other.has(path))).toEqual([]);
    await place.backup(THIRD);
    await place.expectRestores(CHANGED);
  }

  async #cleanUp(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): Promise<void> {
    const place = this.#place;
    const isWhole = [...after.keys()].some((name) => name.includes('.manifest') && !before.has(name));
    await place.cleanup(true);
    // The signatures of a full backup stay, as duplicity leaves them: they are in nobody's way.
    const left = [...(await place.stored())].filter(([name]) => before.has(name) || !name.includes('full-signatures'));
    const expected = [...(isWhole ? after : before)].filter(
      ([name]) => before.has(name) || !name.includes('full-signatures'),
    );
    expect(left).toEqual(expected);
    const run = await place.backup(SECOND);
    expect(run.warnings).toEqual([]);
    await place.expectRestores(AGAIN);
  }

  /** A volume that no partial manifest names can't be gone on with: it stays until `cleanup`, which takes nothing else. */
  async #expectLittleDebris(
    before: ReadonlyMap<string, number>,
    after: ReadonlyMap<string, number>,
    sequel: Sequel,
  ): Promise<void> {
    const place = this.#place;
    const { files } = await place.cleanup(false);
    if (sequel !== 'resume after changes') expect(files.length).toBeLessThanOrEqual(sequel === 'resume' ? 1 : 0);
    expect(files.filter((name) => before.has(name) || !after.has(name))).toEqual([]);
    if (files.length === 0) return;
    const whole = await place.stored();
    await place.cleanup(true);
    expect([...(await place.stored()).keys()]).toEqual([...whole.keys()].filter((name) => !files.includes(name)));
    await place.expectRestores(place.tree);
  }

  async #expectFirst(): Promise<void> {
    if (this.#kind === 'incremental') await this.#place.expectRestores(FIRST, FULL);
  }
}

function pathOf(line: string): string {
  return line.slice(0, line.indexOf(': '));
}
