/**
 * What the commands that delete would delete (FORMAT.md §12). Pure: a collection and a rule → a plan.
 *
 * Whole chains go, or all incrementals of a chain: an incremental needs every set before it. The chain that ends last
 * always stays, with its signatures, whatever the rule says.
 */

import { type ArchiveTime, type SetSpan, setKey } from '../archive/index.js';
import { latestChain } from './queries.js';
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

export type RetentionRule =
  /** Chains that ended before a time. */
  | { readonly remove: 'older-than'; readonly time: ArchiveTime }
  /** Chains that ended before the last `count` full backups began. */
  | { readonly remove: 'all-but-full'; readonly count: number }
  /** The incrementals of those chains. */
  | { readonly remove: 'incrementals-of-all-but-full'; readonly count: number };

/** What goes, in the order of deletion. */
export interface Removal {
  /** Newest first: what is left of a chain at any moment is whole. */
  readonly sets: readonly BackupSet[];
  /** Newest first. */
  readonly signatures: readonly NamedFile[];
}

export interface RetentionPlan extends Removal {
  /** Those that go, or lose their incrementals; oldest first. */
  readonly chains: readonly BackupChain[];
  /** Signature chains that go, or lose their incrementals; oldest first. */
  readonly signatureChains: readonly SignatureChain[];
  /** Sets that the rule means, but that newer ones need. */
  readonly neededByNewer: readonly BackupSet[];
  /** The rule means the last chain too, which stays. */
  readonly lastIsMeant: boolean;
}

export function planRetention(collection: Collection, rule: RetentionRule): RetentionPlan {
  const last = latestChain(collection);
  const time = rule.remove === 'older-than' ? rule.time : startOfFull(collection.chains, rule.count);
  if (last === undefined || time === undefined) return NOTHING;
  const onlyIncrementals = rule.remove === 'incrementals-of-all-but-full';
  const chains = collection.chains
    .filter((chain) => chain !== last && endOf(chain) < time)
    .filter((chain) => !onlyIncrementals || chain.incrementals.length > 0);
  const removed = onlyIncrementals ? chains.flatMap((chain) => chain.incrementals) : chains.flatMap(setsOf);
  const gone = new Set(removed);
  const kept = keysOf(collection.chains.flatMap(setsOf).filter((set) => !gone.has(set)));
  // Newer ones than the last chain are of a backup that is not finished yet.
  const isRemoved = ({ parsed: { span } }: NamedFile) =>
    !kept.has(setKey(span)) && span.time <= endOf(last) && (span.type === 'inc' || !onlyIncrementals);
  const signatureChains =
    chains.length === 0
      ? []
      : collection.signatureChains.filter((chain) => chain.end < time && chain.files.some(isRemoved));
  return {
    chains,
    sets: newestFirst(removed, (set) => set.span),
    signatureChains,
    signatures: newestFirst(
      signatureChains.flatMap((chain) => chain.files.filter(isRemoved)),
      (file) => file.parsed.span,
    ),
    neededByNewer: collection.chains
      .filter((chain) => endOf(chain) >= time)
      .flatMap((chain) => setsOf(chain).filter((set) => set.span.time < time)),
    lastIsMeant: endOf(last) < time,
  };
}

/** What belongs to no complete backup (FORMAT.md §8). Signatures of a set that is part of a chain are never among it. */
export function planCleanup(collection: Collection): Removal {
  const kept = keysOf(collection.chains.flatMap(setsOf));
  return {
    sets: newestFirst([...collection.orphanedSets, ...collection.incompleteSets], (set) => set.span),
    signatures: newestFirst(
      collection.orphanedSignatures.filter((file) => !kept.has(setKey(file.parsed.span))),
      (file) => file.parsed.span,
    ),
  };
}

/** The files of a set, the manifest first: without it the rest is no backup any more, however much of it is left. */
export function filesOf(set: BackupSet): readonly NamedFile[] {
  const { manifest, statistics, volumes } = set;
  return [manifest, ...volumes.values(), statistics].filter((file) => file !== undefined);
}

const NOTHING: RetentionPlan = {
  chains: [],
  sets: [],
  signatureChains: [],
  signatures: [],
  neededByNewer: [],
  lastIsMeant: false,
};

/** When the full backup began that is the `count`th, counted from the last. */
function startOfFull(chains: readonly BackupChain[], count: number): ArchiveTime | undefined {
  return chains.map(startTimeOf).sort((a, b) => b - a)[count - 1];
}

function keysOf(sets: readonly BackupSet[]): ReadonlySet<string> {
  return new Set(sets.map((set) => setKey(set.span)));
}

function newestFirst<T>(items: readonly T[], spanOf: (item: T) => SetSpan): T[] {
  return [...items].sort((a, b) => spanOf(b).time - spanOf(a).time);
}
