/** What a time or a command needs of a collection (FORMAT.md §8). Pure. */

import { type ArchiveTime, type Manifest, type Path, type SetSpan, setKey, type VolumeInfo } from '../archive/index.js';
import { comparePaths, isWithin } from '../tree/index.js';
import {
  type BackupChain,
  type BackupSet,
  type Collection,
  endOf,
  type NamedFile,
  type SignatureChain,
  setsOf,
  startTimeOf,
} from './sets.js';

/** The chain that holds a time; before the first backup the oldest one, as duplicity. */
export function chainAt(chains: readonly BackupChain[], time: ArchiveTime): BackupChain | undefined {
  const covering = chains.filter((chain) => startTimeOf(chain) <= time && time <= endOf(chain));
  const ended = chains.filter((chain) => endOf(chain) < time);
  return covering.at(-1) ?? ended.at(-1) ?? chains[0];
}

/** The full set and the incrementals that ended by then. */
export function setsAt(chain: BackupChain, time: ArchiveTime): readonly BackupSet[] {
  return [chain.full, ...chain.incrementals.filter((set) => set.span.time <= time)];
}

/** The chain an incremental would continue. */
export function latestChain(collection: Pick<Collection, 'chains'>): BackupChain | undefined {
  return collection.chains.at(-1);
}

/** When the last full backup was made, of those that are complete. */
export function lastFullOf({ chains }: Pick<Collection, 'chains'>): ArchiveTime | undefined {
  return chains
    .map(startTimeOf)
    .sort((a, b) => a - b)
    .at(-1);
}

/** The signatures that belong to exactly these sets. */
export function signaturesFor(
  sets: readonly BackupSet[],
  signatureChains: readonly SignatureChain[],
): readonly SignatureChain['files'][number][] | undefined {
  const first = sets[0];
  const last = sets.at(-1);
  if (first === undefined || last === undefined) return undefined;
  for (const chain of signatureChains) {
    if (chain.start !== first.span.time || chain.end < last.span.time) continue;
    const files = chain.files.filter((file) => file.parsed.span.time <= last.span.time);
    if (files.at(-1)?.parsed.span.time === last.span.time) return files;
  }
  return undefined;
}

/** The signature file of a set, whatever chain it is in. */
export function signaturesOf(span: SetSpan, collection: Collection): NamedFile | undefined {
  const all = [...collection.signatureChains.flatMap((chain) => chain.files), ...collection.orphanedSignatures];
  return all.find((file) => setKey(file.parsed.span) === setKey(span));
}

/**
 * Whether a set without a manifest once had one. Both programs store the signatures after the last volume, and begin an
 * incremental at a complete set only: either shows that this one's volumes are all stored.
 */
export function hasLostManifest({ manifest, span }: BackupSet, collection: Collection): boolean {
  if (manifest !== undefined) return false;
  const sets = [...collection.chains.flatMap(setsOf), ...collection.orphanedSets, ...collection.incompleteSets];
  const isBasis = sets.some((set) => set.span.type === 'inc' && set.span.start === span.time);
  return isBasis || signaturesOf(span, collection) !== undefined;
}

/** The volumes of a set that can hold something at or below a path, in order. */
export function volumesFor(manifest: Manifest, path: Path): readonly VolumeInfo[] {
  const all = [...manifest.volumes.values()];
  if (path === '') return all;
  return all.filter(({ start, end }) => {
    const startsBefore = comparePaths(start.path, path) <= 0 || isWithin(start.path, path);
    return startsBefore && comparePaths(path, end.path) <= 0;
  });
}
