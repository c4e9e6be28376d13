/** Carries a plan of deletion out, in an order that a crash at any moment does no harm to. */

import { rmSync } from 'node:fs';
import { type ArchiveName, setKey } from '../archive/index.js';
import { acquireLock } from '../cache/index.js';
import { filesOf, type NamedFile, type Removal } from '../collection/index.js';
import type { Workspace } from './workspace.js';

/** What the deleting commands have in common. */
export interface RemovalOptions<Plan> {
  /** Without it nothing is deleted: the plan alone is the result. */
  readonly force?: boolean;
  /** Nothing is deleted, with `force` too. */
  readonly dryRun?: boolean;
  /** Called with what will be deleted, before it is. */
  onPlan?(plan: Plan): void;
  readonly signal?: AbortSignal;
}

/** Nothing else works on the archive directory while something is deleted; to look needs no lock. */
export async function lockedWhen<T>(deletes: boolean, workspace: Workspace, use: () => Promise<T>): Promise<T> {
  if (!deletes) return use();
  workspace.directory.create();
  const lock = acquireLock(workspace.directory.path);
  try {
    return await use();
  } finally {
    lock.release();
  }
}

/** Names in the target, in the order of deletion. */
export function namesOf({ sets, signatures }: Removal): string[] {
  return [...sets.flatMap(filesOf), ...signatures].map((file) => file.name);
}

/**
 * Set by set, the newest first, each with its manifest before its volumes; then signatures; local copies last. What a crash
 * leaves of a set is an incomplete one, which `cleanup` takes.
 * @throws StorageError; the same command again goes on
 */
export async function remove(workspace: Workspace, removal: Removal, signal?: AbortSignal): Promise<void> {
  const { storage } = workspace;
  const options = signal === undefined ? {} : { signal };
  const take = async (files: readonly NamedFile[]) => {
    if (files.length > 0)
      await storage.remove(
        files.map((file) => file.name),
        options,
      );
  };
  for (const set of removal.sets) {
    const [first, ...rest] = filesOf(set);
    if (first !== undefined) await take([first]);
    await take(rest);
  }
  for (const file of removal.signatures) await take([file]);
  removeLocally(workspace, removal);
}

function removeLocally({ directory }: Workspace, { sets, signatures }: Removal): void {
  const copies: ArchiveName[] = signatures.map((file) => file.parsed);
  for (const { span } of sets) {
    for (const kind of ['manifest', 'statistics'] as const)
      copies.push({ kind, span, volume: 0, encoding: 'plain', partial: false });
  }
  for (const copy of copies) directory.remove(directory.placeOf({ ...copy, partial: false }));
  const gone = new Set(sets.map((set) => setKey(set.span)));
  for (const file of directory.partials()) {
    if (gone.has(setKey(file.parsed.span))) rmSync(directory.placeOfFile(file), { force: true });
  }
}
