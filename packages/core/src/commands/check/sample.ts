/**
 * Which part of a chain is read when not all of it is: random stretches of paths, each with everything that any set holds of
 * it, so that deltas can be applied to what they belong to. Pure; the same seed chooses the same.
 */

import type { Path } from '../../archive/index.js';
import { comparePaths } from '../../tree/index.js';
import type { PlannedVolume } from '../manifests.js';

export interface Sample {
  /** The volumes to read, set by set as they were given. */
  readonly volumes: readonly (readonly PlannedVolume[])[];
  /** Whether everything the chain holds of a path is in these volumes. */
  isComplete(path: Path): boolean;
}

/** @param percent of the bytes, above 0; at least one volume is chosen */
export function chooseSample(
  sets: readonly (readonly PlannedVolume[])[],
  percent: number,
  random: () => number,
): Sample {
  const present = sets.map((volumes) => volumes.filter((volume) => volume.file !== undefined));
  if (percent >= 100) return { volumes: present, isComplete: () => true };
  const all = present.flat();
  const wanted = (all.reduce((sum, volume) => sum + bytesOf(volume), 0) * percent) / 100;
  const chosen = new Set<PlannedVolume>();
  const stretches: PlannedVolume['info'][] = [];
  let bytes = 0;
  for (const seed of shuffled(all, random)) {
    if (bytes >= wanted && chosen.size > 0) break;
    if (chosen.has(seed)) continue;
    stretches.push(seed.info);
    for (const volume of all.filter((each) => overlaps(each.info, seed.info))) {
      if (!chosen.has(volume)) bytes += bytesOf(volume);
      chosen.add(volume);
    }
  }
  return {
    volumes: present.map((volumes) => volumes.filter((volume) => chosen.has(volume))),
    // At its ends a stretch may hold a part of a file only.
    isComplete: (path) =>
      stretches.some(({ start, end }) => comparePaths(start.path, path) < 0 && comparePaths(path, end.path) < 0),
  };
}

function overlaps(a: PlannedVolume['info'], b: PlannedVolume['info']): boolean {
  return comparePaths(a.start.path, b.end.path) <= 0 && comparePaths(b.start.path, a.end.path) <= 0;
}

function bytesOf({ file }: PlannedVolume): number {
  return Math.max(1, file?.size ?? 1);
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => [random(), item] as const)
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}

/** Numbers from 0 to 1 that a seed determines: mulberry32, by Tommy Ettinger, in the public domain. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
