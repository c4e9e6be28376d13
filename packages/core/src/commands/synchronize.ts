/**
 * What a command needs of the target's metadata comes into the archive directory, and what the target holds is told.
 * Unlike duplicity, which copies whatever concerns the chain, only what is needed is fetched: a restore needs no signatures.
 */

import { toText } from '../archive/index.js';
import { metadataFiles, mirror } from '../cache/index.js';
import {
  type BackupSet,
  type Collection,
  lastFullOf,
  latestChain,
  type NamedFile,
  setsOf,
  signaturesFor,
} from '../collection/index.js';
import { reasonOf } from '../errors.js';
import type { Workspace } from './workspace.js';

/** @throws RedupError, StorageError, OpenPgpError when something needed cannot be had */
export async function synchronize(
  workspace: Workspace,
  remote: Collection,
  needed: readonly NamedFile[],
  signal?: AbortSignal,
): Promise<void> {
  const copied = await copyMetadata(workspace, remote, needed, signal);
  tellCollection(workspace, remote, copied);
}

/** @returns how many files had to be copied */
export async function copyMetadata(
  workspace: Workspace,
  remote: Collection,
  needed: readonly NamedFile[],
  signal?: AbortSignal,
): Promise<number> {
  const missing = (file: NamedFile): boolean => !workspace.directory.has(file.parsed);
  const copy = async (file: NamedFile): Promise<void> => {
    workspace.emit({ type: 'metadata', action: 'copy', name: toText(file.name) });
    await mirror(workspace.syncContext(signal), file);
  };
  const wanted = needed.filter(missing);
  for (const file of wanted) await copy(file);
  let copied = wanted.length;
  if (workspace.options.metadataSync === 'full') {
    for (const file of metadataFiles(remote).filter(missing)) {
      if (!workspace.readsAtWill(file.parsed.encoding)) continue;
      copied++;
      await copy(file).catch((error: unknown) => {
        signal?.throwIfAborted();
        const name = toText(file.name);
        workspace.warn('CACHE', `${name} cannot be copied, and is not needed now: ${reasonOf(error)}`, {
          object: name,
        });
      });
    }
  }
  return copied;
}

/** @param copied metadata files; left out by commands that need none */
export function tellCollection(workspace: Workspace, remote: Collection, copied?: number): void {
  const lastFull = lastFullOf(remote);
  workspace.emit({
    type: 'collection',
    ...(lastFull === undefined ? {} : { lastFull }),
    ...(copied === undefined ? {} : { copied }),
  });
}

/** For commands that are about the collection itself. In the words of duplicity; what spans several lines names one file or set a line. */
export function warnOfLeftovers(workspace: Workspace, remote: Collection): void {
  const { orphanedSignatures, orphanedSets, incompleteSets, signatureChains } = remote;
  const names = (files: readonly NamedFile[]): string[] => files.map((file) => toText(file.name));
  if (orphanedSignatures.length > 0) {
    const list = names(orphanedSignatures).join('\n');
    workspace.warn('ORPHANED_SIGNATURES', `WARNING. found the following remote orphaned signature file(s):\n${list}`);
  }
  const last = latestChain(remote);
  const isMatched = last !== undefined && signaturesFor(setsOf(last), signatureChains) !== undefined;
  if (signatureChains.length > 0 && !isMatched)
    workspace.warn('UNMATCHED_SIGNATURES', 'WARNING. found signatures but no corresponding backup files');
  if (incompleteSets.length > 0) {
    workspace.warn('INCOMPLETE_SET', 'WARNING. found incomplete backup sets, probably left from aborted session');
  }
  if (orphanedSets.length > 0) {
    const list = orphanedSets.map((set) => `[${names(filesOf(set)).join(', ')}]`).join('\n');
    workspace.warn('ORPHANED_SET', `WARNING. found the following orphaned backup file(s):\n${list}`);
  }
}

function filesOf({ manifest, volumes }: BackupSet): NamedFile[] {
  return [...(manifest === undefined ? [] : [manifest]), ...volumes.values()];
}
