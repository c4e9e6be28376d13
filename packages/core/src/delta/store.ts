/**
 * One change → its difftar blocks and its signature entry (FORMAT.md §4, §5).
 *
 * Content is read in reads of exactly 64 KiB. A first read that is shorter is a single member; otherwise every read is a
 * chunk, and the stream ends with a chunk shorter than that, possibly empty.
 */

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import type { DeltaBuilder, Rsync, SignatureBuilder } from 'librsync-wasm';
import {
  BARE_HEADER,
  type ByteString,
  CHUNK_BYTES,
  type DiffKind,
  factsToRecords,
  formatDiffMember,
  formatSignatureMember,
  HeaderEncoder,
  type Path,
  type TarHeader,
} from '../archive/index.js';
import { errnoOf, reasonOf } from '../errors.js';
import { factsOf, type OwnerMap, type TreeEntry } from '../tree/index.js';
import type { VolumeWriter } from '../volumes/index.js';
import { SignatureMatch } from './signature-match.js';
import type { SignatureWriter } from './signature-writer.js';

/** What became of one regular file. */
export interface StoredFile {
  /** Bytes of the source that were read. */
  readonly sourceBytes: number;
  /** Bytes of data or delta that went into volumes. */
  readonly storedBytes: number;
  /** Why what is stored may not be the whole file: a read error, or a change meanwhile. */
  readonly problem?: string;
}

/** A file that could not be opened: nothing was written for it. */
export interface UnopenedFile {
  readonly unopened: string;
  /** It is gone: to be treated like any file that is not there. */
  readonly vanished: boolean;
}

export interface FileStoreOptions {
  /** Against the last stored signature of the file; without it the content is stored whole. */
  readonly delta?: DeltaBuilder;
  /** Leading chunks that an interrupted backup stored already: made again, because the rest depends on them, but not written. */
  readonly skipChunks?: number;
}

export interface StoreOptions {
  /** The source as a byte string, without trailing slash. */
  readonly root: ByteString;
  readonly volumes: VolumeWriter;
  readonly signatures: SignatureWriter;
  readonly owners: OwnerMap;
  readonly rsync: Rsync;
  /** Upper bound of the signature's block length (`--max-blocksize`). */
  readonly maxBlockBytes: number;
  readonly followLinks: boolean;
  /** Store `REDUP.*` facts in signature files. */
  readonly extensions: boolean;
  readonly signal?: AbortSignal;
}

/** duplicity cuts sizes below 1,024,000 into 512-byte blocks and grows the block from there. */
export function blockLengthFor(size: number, maxBlockBytes: number): number {
  if (size < 1_024_000) return Math.min(512, maxBlockBytes);
  return Math.min(Math.floor(size / 1_024_000) * 512, maxBlockBytes);
}

/** What duplicity writes; every librsync reads it. */
export const SIGNATURE = { format: 'rollsum-md4', strongLength: 8 } as const;
const EMPTY = new Uint8Array(0);

export class ChangeStore {
  readonly #options: StoreOptions;
  readonly #read = Buffer.alloc(CHUNK_BYTES);
  readonly #pending = Buffer.alloc(CHUNK_BYTES);
  readonly #signer: SignatureBuilder;
  #skipChunks = 0;
  readonly #headers = new HeaderEncoder();

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#signer = options.rsync.createSignature({ ...SIGNATURE, blockLength: 512 });
  }

  /** Directories, links, fifos and devices: metadata alone. */
  async storeSpecial(entry: TreeEntry): Promise<void> {
    await this.#block('snapshot', entry, EMPTY, undefined, true);
    this.#options.signatures.entry(this.#header(entry, formatSignatureMember('snapshot', entry.path, entry.type), 0));
  }

  async storeDeletion(path: Path): Promise<void> {
    const { volumes, signatures } = this.#options;
    if (!volumes.isReady) await volumes.drain();
    volumes.block(this.#headers.encode({ ...BARE_HEADER, name: `deleted/${path}` }), EMPTY, { path });
    signatures.entry({ ...BARE_HEADER, name: `deleted/${path}` });
  }

  /** Stores the content whole, or as a delta. */
  async storeFile(entry: TreeEntry, options: FileStoreOptions = {}): Promise<StoredFile | UnopenedFile> {
    this.#skipChunks = options.skipChunks ?? 0;
    const opened = this.#open(entry);
    if (typeof opened !== 'number') return opened;
    try {
      return await this.#storeContent(entry, opened, options.delta);
    } finally {
      closeSync(opened);
    }
  }

  /** Whether a file still has the content that `signature` describes; undefined if it cannot be read. */
  matchesSignature(entry: TreeEntry, signature: Buffer): boolean | undefined {
    const fd = this.#open(entry);
    if (typeof fd !== 'number') return undefined;
    try {
      const match = new SignatureMatch(this.#signer, signature);
      for (let count = this.#fill(fd, Number.NaN); count > 0; count = this.#fill(fd, Number.NaN)) {
        match.write(this.#read.subarray(0, count));
        if (!match.same) return false;
      }
      return match.finish();
    } catch {
      return undefined;
    } finally {
      closeSync(fd);
    }
  }

  #open(entry: TreeEntry): number | UnopenedFile {
    const { root } = this.#options;
    const place = Buffer.from(
      entry.path === '' ? root : root === '/' ? `/${entry.path}` : `${root}/${entry.path}`,
      'latin1',
    );
    try {
      // Without O_NONBLOCK, a fifo that has taken the file's place since the scan would block for ever.
      const noFollow = this.#options.followLinks ? 0 : constants.O_NOFOLLOW;
      const fd = openSync(place, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY | noFollow);
      if (fstatSync(fd).isFile()) return fd;
      closeSync(fd);
      return { unopened: 'it is no regular file any more', vanished: false };
    } catch (error) {
      return { unopened: reasonOf(error), vanished: errnoOf(error) === 'ENOENT' };
    }
  }

  async #storeContent(entry: TreeEntry, fd: number, delta: DeltaBuilder | undefined): Promise<StoredFile> {
    const { signatures, maxBlockBytes, signal } = this.#options;
    this.#signer.reset({ ...SIGNATURE, blockLength: blockLengthFor(entry.size, maxBlockBytes) });
    const kind: DiffKind = delta === undefined ? 'snapshot' : 'diff';
    const out = new ChunkedMember(this.#pending, (content, chunk, final) =>
      this.#block(kind, entry, content, chunk, final),
    );
    const signatureName = formatSignatureMember('signature', entry.path, entry.type);
    let sourceBytes = 0;
    let problem: string | undefined;
    signatures.begin(this.#header(entry, signatureName, 0));
    for (;;) {
      let count = 0;
      try {
        count = this.#fill(fd, entry.size - sourceBytes);
      } catch (error) {
        problem = `it could not be read beyond byte ${sourceBytes}: ${reasonOf(error)}`;
      }
      sourceBytes += count;
      const data = this.#read.subarray(0, count);
      if (count > 0) signatures.append(this.#signer.update(data));
      if (delta !== undefined) await out.append(count > 0 ? delta.update(data) : EMPTY);
      else await out.whole(data);
      if (count < CHUNK_BYTES) break;
      signal?.throwIfAborted();
    }
    if (delta !== undefined) {
      await out.append(delta.finish());
      await out.end();
    }
    signatures.append(this.#signer.finish());
    problem ??= this.#changedWhileRead(entry, fd, sourceBytes);
    signatures.end(this.#header(entry, signatureName, 0, problem !== undefined));
    return { sourceBytes, storedBytes: out.bytes, ...(problem === undefined ? {} : { problem }) };
  }

  #changedWhileRead(entry: TreeEntry, fd: number, sourceBytes: number): string | undefined {
    if (sourceBytes === entry.size && sourceBytes < CHUNK_BYTES) return undefined;
    const now = fstatSync(fd);
    if (sourceBytes === entry.size && Math.round(now.mtimeMs * 1000) === entry.mtimeUs) return undefined;
    return `it changed while it was read (${entry.size} bytes at first, then ${sourceBytes})`;
  }

  /** Reads until 64 KiB are full or the file ends. @param expected bytes still to come by the scan's size */
  #fill(fd: number, expected: number): number {
    let filled = 0;
    while (filled < CHUNK_BYTES) {
      const count = readSync(fd, this.#read, filled, CHUNK_BYTES - filled, null);
      filled += count;
      // A read that ends where the file should end needs no second one to prove it.
      if (count === 0 || filled === expected) break;
    }
    return filled;
  }

  async #block(
    kind: DiffKind,
    entry: TreeEntry,
    content: Uint8Array,
    chunk: number | undefined,
    final: boolean,
  ): Promise<void> {
    if (chunk !== undefined && chunk <= this.#skipChunks) return;
    const { volumes } = this.#options;
    if (!volumes.isReady) await volumes.drain();
    const header = this.#header(entry, formatDiffMember(kind, entry.path, entry.type, chunk), content.length);
    const position = chunk === undefined || final ? { path: entry.path } : { path: entry.path, chunk };
    volumes.block(this.#headers.encode(header), content, position);
  }

  #header(entry: TreeEntry, name: ByteString, size: number, incomplete?: boolean): TarHeader {
    const { owners, extensions } = this.#options;
    const header = {
      name,
      type: entry.type,
      mode: entry.mode,
      uid: entry.uid,
      gid: entry.gid,
      userName: owners.userName(entry.uid),
      groupName: owners.groupName(entry.gid),
      size,
      // Times before 1970 are stored as 0, as duplicity does: older tar readers fail on them.
      mtime: Math.max(0, entry.mtime),
      linkName: entry.linkName,
      deviceMajor: entry.deviceMajor,
      deviceMinor: entry.deviceMinor,
    };
    const wantsFacts = extensions && entry.type === 'file' && name.startsWith('signature');
    return wantsFacts ? { ...header, records: factsToRecords(factsOf(entry, incomplete ?? false)) } : header;
  }
}

/** Cuts one member's stream into chunks; a stream shorter than one chunk is a single member. */
class ChunkedMember {
  bytes = 0;
  readonly #pending: Buffer;
  readonly #emit: (content: Uint8Array, chunk: number | undefined, final: boolean) => Promise<void>;
  #used = 0;
  #chunk = 0;

  constructor(
    pending: Buffer,
    emit: (content: Uint8Array, chunk: number | undefined, final: boolean) => Promise<void>,
  ) {
    this.#pending = pending;
    this.#emit = emit;
  }

  /** Content that is a chunk already, because it was read as one; a short one is the last. */
  async whole(content: Uint8Array): Promise<void> {
    this.bytes += content.length;
    const final = content.length < CHUNK_BYTES;
    await this.#emit(content, final && this.#chunk === 0 ? undefined : ++this.#chunk, final);
  }

  async append(content: Uint8Array): Promise<void> {
    for (let at = 0; at < content.length; ) {
      const take = Math.min(content.length - at, CHUNK_BYTES - this.#used);
      this.#pending.set(content.subarray(at, at + take), this.#used);
      this.#used += take;
      at += take;
      if (this.#used < CHUNK_BYTES) continue;
      this.#used = 0;
      await this.whole(this.#pending);
    }
  }

  async end(): Promise<void> {
    await this.whole(this.#pending.subarray(0, this.#used));
  }
}
