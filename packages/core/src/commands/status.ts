/** `collection-status`: what is in the target, from its file names alone. */

import type { ArchiveTime } from '../archive/index.js';
import { toText } from '../archive/index.js';
import {
  type BackupChain,
  type BackupSet,
  endOf,
  latestChain,
  setsOf,
  signaturesFor,
  startTimeOf,
} from '../collection/index.js';
import { tellCollection, warnOfLeftovers } from './synchronize.js';
import type { Workspace } from './workspace.js';

export interface SetStatus {
  readonly type: 'full' | 'inc';
  readonly time: ArchiveTime;
  /** Of an incremental: the time of the set it builds on. */
  readonly start?: ArchiveTime;
  readonly volumes: number;
  readonly encrypted: boolean;
  /** Of its files in the target, as far as the storage tells. */
  readonly bytes: number;
}

export interface ChainStatus {
  readonly sets: readonly SetStatus[];
  readonly start: ArchiveTime;
  readonly end: ArchiveTime;
  /** The chain that the next incremental backup continues. */
  readonly primary: boolean;
}

export interface CollectionStatus {
  readonly url: string;
  readonly archiveDirectory: string;
  /** Oldest first; the primary one, if any, is the last. */
  readonly chains: readonly ChainStatus[];
  /** Incrementals whose predecessor is missing. */
  readonly orphanedSets: readonly SetStatus[];
  /** Without a manifest: of backups that did not finish. */
  readonly incompleteSets: readonly SetStatus[];
  readonly orphanedSignatures: readonly string[];
}

export async function status(
  workspace: Workspace,
  options: { readonly signal?: AbortSignal } = {},
): Promise<CollectionStatus> {
  const remote = await workspace.remoteCollection(options.signal);
  warnOfLeftovers(workspace, remote);
  tellCollection(workspace, remote);
  const last = latestChain(remote);
  const chains = remote.chains.map((chain) => {
    const continued = chain === last && signaturesFor(setsOf(chain), remote.signatureChains) !== undefined;
    return describeChain(chain, continued);
  });
  return {
    url: workspace.storage.url,
    archiveDirectory: workspace.directory.path,
    chains,
    orphanedSets: remote.orphanedSets.map(describeSet),
    incompleteSets: remote.incompleteSets.map(describeSet),
    orphanedSignatures: remote.orphanedSignatures.map((file) => toText(file.name)),
  };
}

/** A time that can be restored. */
export interface Snapshot {
  readonly time: ArchiveTime;
  readonly type: 'full' | 'incremental';
  /** When the chain began that it belongs to. */
  readonly fullTime: ArchiveTime;
  readonly volumes: number;
  /** Of its files in the target, as far as the storage tells. */
  readonly bytes: number;
  readonly encrypted: boolean;
}

/** The restorable times, oldest first. */
export async function snapshots(
  workspace: Workspace,
  options: { readonly signal?: AbortSignal } = {},
): Promise<readonly Snapshot[]> {
  const { chains } = await status(workspace, options);
  return chains
    .flatMap(({ sets, start }) => sets.map((set) => describeSnapshot(set, start)))
    .sort((a, b) => a.time - b.time);
}

function describeSnapshot({ type, time, volumes, bytes, encrypted }: SetStatus, fullTime: ArchiveTime): Snapshot {
  return { time, type: type === 'full' ? 'full' : 'incremental', fullTime, volumes, bytes, encrypted };
}

function describeChain(chain: BackupChain, primary: boolean): ChainStatus {
  return { sets: setsOf(chain).map(describeSet), start: startTimeOf(chain), end: endOf(chain), primary };
}

export function describeSet(set: BackupSet): SetStatus {
  const files = [...set.volumes.values(), ...(set.manifest === undefined ? [] : [set.manifest])];
  return {
    type: set.span.type,
    time: set.span.time,
    ...(set.span.type === 'inc' ? { start: set.span.start } : {}),
    volumes: set.volumes.size,
    encrypted: files.some((file) => file.parsed.encoding === 'openpgp'),
    bytes: files.reduce((sum, file) => sum + Math.max(0, file.size), 0),
  };
}
