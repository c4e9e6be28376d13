/** `cleanup`: what belongs to no complete backup goes. */

import { type ArchiveTime, setKey, toText } from '../archive/index.js';
import { lastFullOf, planCleanup } from '../collection/index.js';
import { lockedWhen, namesOf, type RemovalOptions, remove } from './remove.js';
import { tellCollection, warnOfLeftovers } from './synchronize.js';
import type { Workspace } from './workspace.js';

export type CleanupOptions = RemovalOptions<CleanupPlan>;

export interface CleanupPlan {
  /** In the target, in the order of deletion. */
  readonly files: readonly string[];
  /** Among them are volumes of an interrupted backup that the next one could go on with: its time. */
  readonly resumable?: ArchiveTime;
  /** Time of the last full backup. */
  readonly lastFull?: ArchiveTime;
}

export interface CleanupResult extends CleanupPlan {
  /** Whether it was done. */
  readonly deleted: boolean;
}

/** @throws RedupError LOCKED; StorageError */
export async function cleanup(workspace: Workspace, options: CleanupOptions = {}): Promise<CleanupResult> {
  const { signal } = options;
  const deletes = options.force === true && options.dryRun !== true;
  return lockedWhen(deletes, workspace, async () => {
    const remote = await workspace.remoteCollection(signal);
    warnOfLeftovers(workspace, remote);
    tellCollection(workspace, remote);
    const removal = planCleanup(remote);
    const begun = new Set(workspace.directory.partials().map((file) => setKey(file.parsed.span)));
    const resumable = remote.incompleteSets.filter((set) => begun.has(setKey(set.span))).at(-1)?.span.time;
    const lastFull = lastFullOf(remote);
    const plan = {
      files: namesOf(removal).map(toText),
      ...(resumable === undefined ? {} : { resumable }),
      ...(lastFull === undefined ? {} : { lastFull }),
    };
    options.onPlan?.(plan);
    if (deletes) await remove(workspace, removal, signal);
    return { ...plan, deleted: deletes && plan.files.length > 0 };
  });
}
