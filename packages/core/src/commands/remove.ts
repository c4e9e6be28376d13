/** Carries a plan of deletion out, in an order that a crash at any moment does no harm to. */

import { rmSync } from 'node:fs';
import { isStorageError, StorageError } from '@redup/storage';
import { type ArchiveName, formatTime, setKey } from '../archive/index.js';
import { type BackupSet, filesOf, type NamedFile, type Removal } from '../collection/index.js';
import { withLocks } from './locks.js';
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

/** Nothing else works on the archive directory or the target while something is deleted; to look needs no lock. */
export async function lockedWhen<T>(deletes: boolean, workspace: Workspace, use: () => Promise<T>): Promise<T> {
  if (!deletes) return use();
  return withLocks(workspace, { scope: 'target' }, use);
}

/** Names in the target, in the order of deletion. */
export function namesOf({ sets, signatures }: Removal): string[] {
  return [...sets.flatMap(filesOf), ...signatures].map((file) => file.name);
}

/**
 * Set by set, the newest first, each with its manifest before its volumes; then signatures; local copies last. What a crash
 * leaves of a set is an incomplete one, which `cleanup` takes. A set that a lock of the storage protects stays whole, with the
 * older ones that it needs; everything else goes.
 * @throws StorageError `retained` at the end, when something stays; others at once. The same command again goes on
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
  const retained = new Retained();
  for (const set of removal.sets) {
    if (retained.needs(set)) continue;
    const [first, ...rest] = filesOf(set);
    await retained.unlessLocked(set, async () => {
      if (first !== undefined) await take([first]);
      await take(rest);
    });
  }
  for (const file of removal.signatures) {
    if (!retained.keys.has(setKey(file.parsed.span))) await retained.unlessLocked(undefined, () => take([file]));
  }
  removeLocally(workspace, {
    sets: removal.sets.filter((set) => !retained.keys.has(setKey(set.span))),
    signatures: removal.signatures.filter((file) => !retained.keys.has(setKey(file.parsed.span))),
  });
  retained.report(removal.sets.length);
}

/** What can't be deleted yet, and what must not be because of that. */
class Retained {
  /** Of sets that stay. */
  readonly keys = new Set<string>();
  readonly #starts = new Set<number>();
  readonly #times: string[] = [];
  #error: StorageError | undefined;

  /** Sets come newest first: whether one that stays builds on this one, which then stays as well. */
  needs(set: BackupSet): boolean {
    const needed = this.#starts.has(set.span.time);
    if (needed) this.#keep(set);
    return needed;
  }

  async unlessLocked(set: BackupSet | undefined, removeIt: () => Promise<void>): Promise<void> {
    try {
      await removeIt();
    } catch (error) {
      if (!isStorageError(error, 'retained')) throw error;
      this.#error ??= error;
      if (set !== undefined) this.#keep(set);
    }
  }

  report(all: number): void {
    const cause = this.#error;
    if (cause === undefined) return;
    const sets = `${this.#times.length} of ${all} backup sets can't be deleted yet (${this.#times.join(', ')})`;
    const what = this.#times.length === 0 ? 'not everything can be deleted yet' : sets;
    throw new StorageError('retained', `${what}: ${cause.message}`, {
      subject: cause.subject,
      hint: cause.hint,
      cause,
    });
  }

  #keep({ span }: BackupSet): void {
    this.keys.add(setKey(span));
    this.#times.push(formatTime(span.time));
    if (span.type === 'inc') this.#starts.add(span.start);
  }
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
