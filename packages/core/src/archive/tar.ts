/**
 * What a tar header says (POSIX.1-1988 ustar, POSIX.1-2001 pax; FORMAT.md §4). Written by `tar-encoder.ts`, read by `tar-scanner.ts`.
 *
 * The engine has its own codec because names are bytes and millions of headers must be handled synchronously.
 */

import type { ByteString } from './bytes.js';

export const BLOCK = 512;

export type EntryType = 'file' | 'directory' | 'symlink' | 'fifo' | 'character-device' | 'block-device';

export interface TarHeader {
  /** Member name, byte string; directories with their trailing `/`. */
  readonly name: ByteString;
  readonly type: EntryType;
  /** Permission bits, & 07777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly userName: ByteString;
  readonly groupName: ByteString;
  /** Bytes of content that follow. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Target of a symbolic link, else ''. */
  readonly linkName: ByteString;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  /** Further pax records, in order: `REDUP.*` when written; all that have no field here when read. */
  readonly records?: ReadonlyMap<string, ByteString>;
}

/** Bytes that `content` bytes of a member need to be padded with. */
export function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/** A regular file of no bytes, nobody's, without a time: how duplicity writes deletions. To be given a name. */
export const BARE_HEADER: TarHeader = {
  name: '',
  type: 'file',
  mode: 0,
  uid: 0,
  gid: 0,
  userName: '',
  groupName: '',
  size: 0,
  mtime: 0,
  linkName: '',
  deviceMajor: 0,
  deviceMinor: 0,
};
