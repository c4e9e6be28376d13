/**
 * What the manifests of the last chain list of changed files: `collection-status --show-changes-in-set` and `--file-changed`.
 * Only regular files are listed there (FORMAT.md §2). A list can be as long as its backup, so it is read piece by piece.
 */

import {
  type FileAction,
  type ListedFile,
  ManifestReader,
  type Path,
  type PathOf,
  quotePath,
  toLosslessText,
} from '../archive/index.js';
import { type BackupSet, latestChain, setsOf } from '../collection/index.js';
import { RedupError } from '../errors.js';
import { readPieces } from '../volumes/index.js';
import { wantedPath } from './restore.js';
import { describeSet, type SetStatus } from './status.js';
import { readStatistics, type StoredStatistics } from './stored-statistics.js';
import { copyMetadata, tellCollection } from './synchronize.js';
import type { Workspace } from './workspace.js';

export interface ChangesOptions {
  /** 0 is the newest set of the last chain, 1 the one before; negative ones count from the oldest. Left out: all of them. */
  readonly set?: number;
  /** Read the statistics that were stored with the sets. */
  readonly statistics?: boolean;
  readonly signal?: AbortSignal;
}

export type SetChange =
  /** A set begins. */
  | {
      readonly kind: 'set';
      readonly set: SetStatus;
      /** Files listed. */
      readonly count: number;
      /** Characters of the longest path as manifests write it: the width of a column. */
      readonly longestPath: number;
      readonly statistics?: StoredStatistics;
    }
  | { readonly kind: 'file'; readonly change: FileAction; readonly path: Path };

/** Newest set first; nothing when there is no backup. @throws RedupError BAD_OPTION for a set that isn't there, MANIFEST_INVALID */
export async function* changes(
  workspace: Workspace,
  options: ChangesOptions,
): AsyncGenerator<SetChange, void, undefined> {
  const { signal } = options;
  const sets = (await lastSets(workspace, signal)).reverse();
  if (sets.length === 0) return;
  for (const set of options.set === undefined ? sets : [pick(sets, options.set)]) {
    const statistics = options.statistics === true ? await readStatistics(workspace, set, signal) : undefined;
    let [count, longestPath] = [0, 0];
    for await (const { path } of listedFiles(workspace, set, signal)) {
      count++;
      longestPath = Math.max(longestPath, [...toLosslessText(quotePath(path))].length);
    }
    const described = { set: describeSet(set), count, longestPath };
    yield { kind: 'set', ...described, ...(statistics === undefined ? {} : { statistics }) };
    for await (const { action, path } of listedFiles(workspace, set, signal))
      yield { kind: 'file', change: action, path };
  }
}

export interface FileVersion {
  readonly set: SetStatus;
  readonly change: FileAction;
}

export interface FileHistoryOptions {
  /** Relative to the source. */
  readonly path: PathOf;
  readonly signal?: AbortSignal;
}

/** When a file of the last chain was stored, changed, deleted; oldest first. @throws RedupError MANIFEST_INVALID */
export async function fileHistory(workspace: Workspace, options: FileHistoryOptions): Promise<readonly FileVersion[]> {
  const wanted = wantedPath(options.path);
  const found: FileVersion[] = [];
  for (const set of await lastSets(workspace, options.signal)) {
    for await (const { action, path } of listedFiles(workspace, set, options.signal))
      if (path === wanted) found.push({ set: describeSet(set), change: action });
  }
  return found;
}

async function lastSets(workspace: Workspace, signal: AbortSignal | undefined): Promise<BackupSet[]> {
  const remote = await workspace.remoteCollection(signal);
  const chain = latestChain(remote);
  const sets = chain === undefined ? [] : [...setsOf(chain)];
  const needed = sets.flatMap(({ manifest }) => manifest ?? []);
  await copyMetadata(workspace, remote, needed, signal);
  tellCollection(workspace, remote);
  return sets;
}

function pick(sets: readonly BackupSet[], index: number): BackupSet {
  const set = sets.at(index);
  if (set !== undefined) return set;
  throw new RedupError('BAD_OPTION', `There is no set ${index}: the last chain has ${sets.length}`, {
    hint: '0 is the newest one, 1 the one before it.',
  });
}

async function* listedFiles(
  workspace: Workspace,
  { manifest }: BackupSet,
  signal: AbortSignal | undefined,
): AsyncGenerator<ListedFile> {
  if (manifest === undefined) return;
  const reader = new ManifestReader({ files: 'keep' });
  for await (const piece of readPieces(workspace.directory.placeOf(manifest.parsed))) {
    signal?.throwIfAborted();
    reader.push(Buffer.from(piece.buffer, piece.byteOffset, piece.length).toString('latin1'));
    yield* reader.takeFiles();
  }
  reader.finish();
  yield* reader.takeFiles();
}
