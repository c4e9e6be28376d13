/** `sync`: makes the local archive directory what the target says, so that later commands need not fetch metadata. */

import { toText } from '../archive/index.js';
import { dropStaleCopies, metadataFiles, mirror } from '../cache/index.js';
import { withLocks } from './locks.js';
import type { Workspace } from './workspace.js';

export interface SyncOptions {
  /** Drop local copies even when the target looks empty. */
  readonly force?: boolean;
  readonly signal?: AbortSignal;
}

export interface SyncResult {
  /** Names in the target of the manifests and signature files that were missing here. */
  readonly fetched: readonly string[];
  /** Local copies that the target no longer has. */
  readonly dropped: number;
}

/** @throws RedupError LOCKED, REMOTE_SUSPICIOUS, PASSPHRASE_WRONG, …; StorageError; OpenPgpError */
export async function sync(workspace: Workspace, options: SyncOptions = {}): Promise<SyncResult> {
  const { force = false, signal } = options;
  const { directory } = workspace;
  return withLocks(workspace, { scope: 'here' }, async () => {
    const remote = await workspace.remoteCollection(signal);
    const onDrop = (name: string) => workspace.emit({ type: 'metadata', action: 'drop', name });
    const dropped = dropStaleCopies(directory, remote, { force, onDrop });
    workspace.phase('metadata');
    const fetched: string[] = [];
    for (const file of metadataFiles(remote)) {
      if (directory.has(file.parsed)) continue;
      signal?.throwIfAborted();
      workspace.emit({ type: 'metadata', action: 'copy', name: toText(file.name) });
      await mirror(workspace.syncContext(signal), file);
      fetched.push(toText(file.name));
    }
    return { fetched, dropped };
  });
}
