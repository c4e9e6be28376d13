/** One file-system entry as the engine sees it, and what counts as unchanged (FORMAT.md §3). */

import type { Stats } from 'node:fs';
import type { ByteString, EntryType, FileFacts, Path, TarHeader } from '../archive/index.js';

/** What a given file holds: opened once, or discarded. */
export interface EntryContent {
  open(): AsyncGenerator<Uint8Array, void, undefined>;
  discard(): Promise<void>;
}

export interface TreeEntry {
  readonly path: Path;
  readonly type: EntryType;
  /** & 07777 */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes, of a regular file; 0 otherwise. `UNKNOWN_SIZE` where only reading tells. */
  readonly size: number;
  /** Size as the file system states it, whatever the type: what the statistics add up. */
  readonly statSize: number;
  /** Whole seconds, rounded down. */
  readonly mtime: number;
  readonly mtimeUs: number;
  readonly ctimeUs: number;
  readonly inode: number;
  readonly device: number;
  readonly linkName: ByteString;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  /** Of a file that a program gave; others are read from disk. */
  readonly content?: EntryContent;
}

/** As `size` of a given file whose end nobody knows yet. */
export const UNKNOWN_SIZE = -1;

export function typeOfMode(mode: number): EntryType | 'socket' | 'unknown' {
  switch (mode & 0o170000) {
    case 0o100000:
      return 'file';
    case 0o040000:
      return 'directory';
    case 0o120000:
      return 'symlink';
    case 0o010000:
      return 'fifo';
    case 0o020000:
      return 'character-device';
    case 0o060000:
      return 'block-device';
    case 0o140000:
      return 'socket';
    default:
      return 'unknown';
  }
}

/** Linux packs device numbers into `st_rdev`: the low 8 and high bits are the minor, 12 bits between them the major. */
export function deviceMajor(rdev: number): number {
  return Math.floor(rdev / 2 ** 8) % 2 ** 12;
}

export function deviceMinor(rdev: number): number {
  return (rdev % 2 ** 8) + Math.floor((rdev % 2 ** 32) / 2 ** 20) * 2 ** 8;
}

export function entryFromStats(path: Path, stats: Stats, type: EntryType, linkName: ByteString): TreeEntry {
  const isDevice = type === 'character-device' || type === 'block-device';
  return {
    path,
    type,
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
    size: type === 'file' ? stats.size : 0,
    statSize: stats.size,
    mtime: Math.floor(stats.mtimeMs / 1000),
    mtimeUs: Math.round(stats.mtimeMs * 1000),
    ctimeUs: Math.round(stats.ctimeMs * 1000),
    inode: stats.ino,
    device: stats.dev,
    linkName,
    deviceMajor: isDevice ? deviceMajor(stats.rdev) : 0,
    deviceMinor: isDevice ? deviceMinor(stats.rdev) : 0,
  };
}

export function factsOf(entry: TreeEntry, incomplete: boolean): FileFacts {
  const { size, mtimeUs, ctimeUs, inode } = entry;
  return { size, mtimeUs, ctimeUs, inode, incomplete };
}

/** The owner of an archived entry on this machine; see `OwnerMap` in users.ts. */
export interface OwnerResolver {
  uidOf(header: TarHeader): number;
  gidOf(header: TarHeader): number;
}

/**
 * `same`: duplicity calls it unchanged and nothing else speaks against it.
 * `suspect`: duplicity would call it unchanged, but ctime or inode differ: only the content can tell.
 */
export type Comparison = 'same' | 'suspect' | 'changed';

export function compareWithArchived(
  entry: TreeEntry,
  archived: TarHeader,
  facts: FileFacts | undefined,
  owners: OwnerResolver,
): Comparison {
  if (entry.type !== archived.type) return 'changed';
  if (entry.type === 'symlink') return entry.linkName === archived.linkName ? 'same' : 'changed';
  if (entry.mode !== archived.mode) return 'changed';
  if (entry.uid !== owners.uidOf(archived) || entry.gid !== owners.gidOf(archived)) return 'changed';
  if (entry.type === 'character-device' || entry.type === 'block-device') {
    const same = entry.deviceMajor === archived.deviceMajor && entry.deviceMinor === archived.deviceMinor;
    return same ? 'same' : 'changed';
  }
  if (entry.mtime !== archived.mtime && (entry.mtime > 0 || archived.mtime > 0)) return 'changed';
  if (facts === undefined || entry.type !== 'file') return 'same';
  if (facts.incomplete || facts.mtimeUs !== entry.mtimeUs) return 'changed';
  if (facts.size !== entry.size && entry.size !== UNKNOWN_SIZE) return 'changed';
  return facts.ctimeUs === entry.ctimeUs && facts.inode === entry.inode ? 'same' : 'suspect';
}
