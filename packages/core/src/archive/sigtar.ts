/**
 * Signature files ("sigtar", FORMAT.md §5): the state of the tree after a set, as signatures and metadata.
 *
 * redup adds facts as pax records that duplicity ignores (`REDUP.*`): size, times to the microsecond and inode, so that
 * a rewrite within the same second is seen, and a mark on files whose stored content is known to be incomplete.
 */

import type { ByteString, Path } from './bytes.js';
import { badMember, parsePath } from './difftar.js';
import type { EntryType, TarHeader } from './tar.js';

export type SignatureKind = 'signature' | 'snapshot' | 'deleted';

export interface SignatureMember {
  readonly kind: SignatureKind;
  readonly path: Path;
}

/** What the scan saw of a file, beyond what a tar header says. Times are microseconds since 1970. */
export interface FileFacts {
  readonly size: number;
  readonly mtimeUs: number;
  readonly ctimeUs: number;
  readonly inode: number;
  /** The content stored is not all there was: a read error, or a change while it was read. */
  readonly incomplete: boolean;
}

export function formatSignatureMember(kind: SignatureKind, path: Path, type: EntryType): ByteString {
  return type === 'directory' && path !== '' ? `${kind}/${path}/` : `${kind}/${path}`;
}

/** @throws RedupError ARCHIVE_INVALID */
export function parseSignatureMember(name: ByteString): SignatureMember {
  const slash = name.indexOf('/');
  const kind = slash < 0 ? name : name.slice(0, slash);
  if (kind !== 'signature' && kind !== 'snapshot' && kind !== 'deleted') {
    throw badMember(name, 'it is no signature, snapshot or deletion');
  }
  return { kind, path: parsePath(slash < 0 ? '' : name.slice(slash + 1), name) };
}

const RECORD = 'REDUP.stat';

/** As many as any size has: one that is known only at the end of reading takes as much room at the start. */
const SIZE_DIGITS = 16;

/** One record, `SIZE MTIME CTIME INODE MARK`; marks are of one length, so that a header can be written again in place. */
export function factsToRecords(
  facts: FileFacts,
  { sizeIsPadded = false }: { readonly sizeIsPadded?: boolean } = {},
): ReadonlyMap<string, ByteString> {
  const { mtimeUs, ctimeUs, inode, incomplete } = facts;
  const size = sizeIsPadded ? String(facts.size).padStart(SIZE_DIGITS, '0') : facts.size;
  return new Map([[RECORD, `${size} ${mtimeUs} ${ctimeUs} ${inode} ${incomplete ? 'short' : 'whole'}`]]);
}

export function factsFromHeader(header: TarHeader): FileFacts | undefined {
  const text = header.records?.get(RECORD);
  if (text === undefined) return undefined;
  const [size, mtimeUs, ctimeUs, inode, mark] = text.split(' ');
  const numbers = [size, mtimeUs, ctimeUs, inode].map(Number);
  const [s = Number.NaN, m = Number.NaN, c = Number.NaN, i = Number.NaN] = numbers;
  if (numbers.some((n) => !Number.isFinite(n))) return undefined;
  return { size: s, mtimeUs: m, ctimeUs: c, inode: i, incomplete: mark === 'short' };
}
