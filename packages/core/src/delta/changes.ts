/**
 * A walk of the source against the merged signatures of the last set → what has changed, in archive order.
 */

import { END, MORE, type Path } from '../archive/index.js';
import {
  comparePaths,
  compareWithArchived,
  isWithin,
  type OwnerResolver,
  type TreeEntry,
  type Unreadable,
  type WalkItem,
} from '../tree/index.js';
import type { ArchivedEntry, MergedSignatures } from './signatures.js';

export type Change =
  /** To be stored whole. */
  | { readonly kind: 'new'; readonly entry: TreeEntry; readonly replaces: ArchivedEntry | undefined }
  /** A regular file whose last signature is known: to be stored as a delta. */
  | { readonly kind: 'changed'; readonly entry: TreeEntry; readonly archived: ArchivedEntry }
  /** Unchanged by its times, but ctime or inode differ: the content decides. */
  | { readonly kind: 'suspect'; readonly entry: TreeEntry; readonly archived: ArchivedEntry }
  | { readonly kind: 'same'; readonly entry: TreeEntry }
  | { readonly kind: 'deleted'; readonly path: Path; readonly archived: ArchivedEntry }
  /** Cannot be read now. Nothing is recorded for it and what lies below: the version stored before stays. */
  | { readonly kind: 'unreadable'; readonly item: Unreadable };

/**
 * Yields changes, and `MORE` whenever filling what gives items or archived entries is due before going on.
 * `archived.readSignature()` is valid for the change just yielded, until the next step.
 */
export function* findChanges(
  items: Iterator<WalkItem | typeof MORE>,
  archived: MergedSignatures,
  owners: OwnerResolver,
): Generator<Change | typeof MORE, void, undefined> {
  let kept: Path | undefined;
  let item = yield* nextItem(items);
  let old = yield* nextArchived(archived);
  while (item !== undefined || old !== undefined) {
    const order = item === undefined ? 1 : old === undefined ? -1 : comparePaths(item.path, old.path);
    if (order > 0 && old !== undefined) {
      const shielded = kept !== undefined && isWithin(old.path, kept);
      // A missing root is never a deletion: a source that could not be seen must not empty the backup.
      if (old.kind !== 'deleted' && !shielded && old.path !== '')
        yield { kind: 'deleted', path: old.path, archived: old };
      old = yield* nextArchived(archived);
      continue;
    }
    if (item === undefined) break;
    if (item.type === 'unreadable') {
      kept = item.path;
      yield { kind: 'unreadable', item };
    } else {
      yield judge(item, order === 0 ? old : undefined, owners);
    }
    if (order === 0) old = yield* nextArchived(archived);
    // A walk never has to be waited for, and a generator for each of its entries would be felt.
    const next = items.next().value ?? undefined;
    item = next === MORE ? yield* nextItem(items) : next;
  }
}

function* nextItem(items: Iterator<WalkItem | typeof MORE>): Generator<typeof MORE, WalkItem | undefined, undefined> {
  for (;;) {
    const item = items.next().value ?? undefined;
    if (item !== MORE) return item;
    yield MORE;
  }
}

function judge(entry: TreeEntry, old: ArchivedEntry | undefined, owners: OwnerResolver): Change {
  if (old === undefined || old.kind === 'deleted') return { kind: 'new', entry, replaces: undefined };
  const comparison = compareWithArchived(entry, old.header, old.facts, owners);
  if (comparison === 'same') return { kind: 'same', entry };
  // Where the old state was no regular file there is no signature to make a delta against.
  const hasBasis = entry.type === 'file' && old.kind === 'signature';
  if (!hasBasis) return { kind: 'new', entry, replaces: old };
  return { kind: comparison, entry, archived: old };
}

function* nextArchived(archived: MergedSignatures): Generator<typeof MORE, ArchivedEntry | undefined, undefined> {
  for (;;) {
    const entry = archived.next();
    if (entry === END) return undefined;
    if (entry !== MORE) return entry;
    yield MORE;
  }
}
