/**
 * One change → its difftar blocks and its signature entry (FORMAT.md §4, §5).
 *
 * Content is read in reads of exactly 64 KiB. A first read that is shorter is a single member; otherwise every read is a
 * chunk, and the stream ends with a chunk shorter than that, possibly empty.
 */

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
import { reasonOf } from '../errors.js';
import { type EntryContent, factsOf, type OwnerMap, type TreeEntry, UNKNOWN_SIZE } from '../tree/index.js';
import type { VolumeWriter } from '../volumes/index.js';
import { DiskInput, type FileInput, GivenInput, type UnopenedFile } from './input.js';
import { MemberFrame } from './member-frame.js';
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

export interface FileStoreOptions {
  /** Against the last stored signature of the file; without it the content is stored whole. */
  readonly delta?: DeltaBuilder;
  /** Leading chunks that an interrupted backup stored already: made again, because the rest depends on them, but not written. */
  readonly skipChunks?: number;
}

export interface StoreOptions {
  /** The source as a byte string, without trailing slash. What is given is not looked for there. */
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
const SIGNATURE_HEADER_BYTES = 12;
const EMPTY = new Uint8Array(0);

export class ChangeStore {
  readonly #options: StoreOptions;
  /** What was read of a file, and what there is of its delta. */
  readonly #read = new MemberFrame();
  readonly #pending = new MemberFrame();
  readonly #signer: SignatureBuilder;
  /** The signature of a file that one read holds. */
  readonly #signature: Buffer;
  #skipChunks = 0;
  readonly #headers = new HeaderEncoder();

  constructor(options: StoreOptions) {
    this.#options = options;
    const blockLength = blockLengthFor(0, options.maxBlockBytes);
    this.#signer = options.rsync.createSignature({ ...SIGNATURE, blockLength });
    const recordBytes = 4 + SIGNATURE.strongLength;
    this.#signature = Buffer.alloc(SIGNATURE_HEADER_BYTES + Math.ceil(CHUNK_BYTES / blockLength) * recordBytes);
  }

  /** False when `drain` is to be awaited before anything but a file is stored. */
  get isReady(): boolean {
    return this.#options.volumes.isReady;
  }

  drain(): Promise<void> {
    return this.#options.volumes.drain();
  }

  /** Directories, links, fifos and devices: metadata alone. */
  storeSpecial(entry: TreeEntry): void {
    this.#block('snapshot', entry, this.#read, 0, undefined, true);
    this.#options.signatures.entry(this.#header(entry, formatSignatureMember('snapshot', entry.path, entry.type), 0));
  }

  storeDeletion(path: Path): void {
    const { volumes, signatures } = this.#options;
    volumes.block(this.#headers.encode({ ...BARE_HEADER, name: `deleted/${path}` }), { path });
    signatures.entry({ ...BARE_HEADER, name: `deleted/${path}` });
  }

  /**
   * Stores the content whole, or as a delta. Small files are most of most trees: where nothing has to be waited for,
   * they cost no promise.
   */
  storeFile(
    entry: TreeEntry,
    options: FileStoreOptions = {},
  ): StoredFile | UnopenedFile | Promise<StoredFile | UnopenedFile> {
    this.#skipChunks = options.skipChunks ?? 0;
    if (entry.content !== undefined) return this.#storeGiven(entry, entry.content, options.delta);
    const input = DiskInput.open(entry, this.#options.root, this.#options.followLinks);
    if ('unopened' in input) return input;
    const isSmall = entry.size < CHUNK_BYTES && options.delta === undefined;
    const stored = isSmall && this.isReady ? this.#storeSmall(entry, input) : undefined;
    if (stored === undefined) return this.#storeContent(entry, input, options.delta).finally(() => input.close());
    input.close();
    return stored;
  }

  async #storeGiven(
    entry: TreeEntry,
    content: EntryContent,
    delta: DeltaBuilder | undefined,
  ): Promise<StoredFile | UnopenedFile> {
    const input = await GivenInput.open(content, this.#options.signal);
    if ('unopened' in input) return input;
    try {
      return await this.#storeContent(entry, input, delta);
    } finally {
      await input.close();
    }
  }

  /**
   * Whether a file still has the content that `signature` describes; undefined if it cannot be read, or only once: what is
   * given is stored again instead.
   */
  matchesSignature(entry: TreeEntry, signature: Buffer): boolean | undefined {
    if (entry.content !== undefined) return undefined;
    const input = DiskInput.open(entry, this.#options.root, this.#options.followLinks);
    if ('unopened' in input) return undefined;
    try {
      const match = new SignatureMatch(this.#signer, signature);
      const read = () => input.fill(this.#read.content, Number.NaN);
      for (let count = read(); count > 0; count = read()) {
        match.write(this.#read.content.subarray(0, count));
        if (!match.same) return false;
      }
      return match.finish();
    } catch {
      return undefined;
    } finally {
      input.close();
    }
  }

  /** A file that one read holds; undefined, with nothing done, if it is not what it was or cannot be read. */
  #storeSmall(entry: TreeEntry, input: DiskInput): StoredFile | undefined {
    const count = input.peek(this.#read.content);
    if (count !== entry.size) return undefined;
    this.#signer.reset({ ...SIGNATURE, blockLength: blockLengthFor(count, this.#options.maxBlockBytes) });
    const data = this.#read.content.subarray(0, count);
    let size = this.#gatherSignature(this.#signer.update(data), 0);
    size = this.#gatherSignature(this.#signer.finish(), size);
    this.#block('snapshot', entry, this.#read, count, undefined, true);
    const header = this.#signatureHeader(entry, count, false, size);
    this.#options.signatures.entry(header, this.#signature.subarray(0, size));
    return { sourceBytes: count, storedBytes: count };
  }

  #gatherSignature(piece: Uint8Array, size: number): number {
    this.#signature.set(piece, size);
    return size + piece.length;
  }

  async #storeContent(entry: TreeEntry, input: FileInput, delta: DeltaBuilder | undefined): Promise<StoredFile> {
    const { signatures, maxBlockBytes, signal } = this.#options;
    const kind: DiffKind = delta === undefined ? 'snapshot' : 'diff';
    const out = new ChunkedMember(async (frame, length, chunk, final) => {
      if (!this.isReady) await this.drain();
      this.#block(kind, entry, frame, length, chunk, final);
    }, this.#pending);
    let sourceBytes = 0;
    let problem: string | undefined;
    for (let isFirst = true; ; isFirst = false) {
      let count = 0;
      try {
        const filled = input.fill(this.#read.content, entry.size - sourceBytes);
        count = typeof filled === 'number' ? filled : await filled;
      } catch (error) {
        signal?.throwIfAborted();
        problem = `it could not be read beyond byte ${sourceBytes}: ${reasonOf(error)}`;
      }
      sourceBytes += count;
      const data = this.#read.content.subarray(0, count);
      if (isFirst) {
        this.#signer.reset({ ...SIGNATURE, blockLength: blockLengthFor(sizeAfter(entry, data), maxBlockBytes) });
        signatures.begin(this.#signatureHeader(entry, 0, false));
      }
      if (count > 0) signatures.append(this.#signer.update(data));
      if (delta !== undefined) await out.append(count > 0 ? delta.update(data) : EMPTY);
      else await out.whole(this.#read, count);
      if (count < CHUNK_BYTES) break;
      signal?.throwIfAborted();
    }
    if (delta !== undefined) {
      await out.append(delta.finish());
      await out.end();
    }
    signatures.append(this.#signer.finish());
    problem ??= input.problem(entry, sourceBytes, CHUNK_BYTES);
    signatures.end(this.#signatureHeader(entry, sourceBytes, problem !== undefined));
    return { sourceBytes, storedBytes: out.bytes, ...(problem === undefined ? {} : { problem }) };
  }

  /** Adds the first `length` bytes of the frame's content as a member, or a chunk of one. The volumes must be ready. */
  #block(
    kind: DiffKind,
    entry: TreeEntry,
    frame: MemberFrame,
    length: number,
    chunk: number | undefined,
    final: boolean,
  ): void {
    if (chunk !== undefined && chunk <= this.#skipChunks) return;
    const header = this.#header(entry, formatDiffMember(kind, entry.path, entry.type, chunk), length);
    const position = chunk === undefined || final ? { path: entry.path } : { path: entry.path, chunk };
    this.#options.volumes.block(frame.member(this.#headers.encode(header), length), position);
  }

  /** @param sourceBytes what reading has shown, for an entry that does not say its size */
  #signatureHeader(entry: TreeEntry, sourceBytes: number, incomplete: boolean, size = 0): TarHeader {
    const header = this.#header(entry, formatSignatureMember('signature', entry.path, entry.type), size);
    if (!this.#options.extensions) return header;
    const facts = factsOf(entry, incomplete);
    const records =
      entry.size === UNKNOWN_SIZE
        ? factsToRecords({ ...facts, size: sourceBytes }, { sizeIsPadded: true })
        : factsToRecords(facts);
    return { ...header, records };
  }

  #header(entry: TreeEntry, name: ByteString, size: number): TarHeader {
    const { owners } = this.#options;
    return {
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
  }
}

/** The size that the block length is chosen by: of a given file, once its first read was its last; else as of a large one. */
function sizeAfter({ size }: TreeEntry, first: Buffer): number {
  if (size !== UNKNOWN_SIZE) return size;
  return first.length < CHUNK_BYTES ? first.length : Number.MAX_SAFE_INTEGER;
}

/** Cuts one member's stream into chunks; a stream shorter than one chunk is a single member. */
class ChunkedMember {
  bytes = 0;
  readonly #pending: MemberFrame;
  readonly #emit: EmitChunk;
  #used = 0;
  #chunk = 0;

  constructor(emit: EmitChunk, pending: MemberFrame) {
    this.#emit = emit;
    this.#pending = pending;
  }

  /** Content that is a chunk already, because it was read as one; a short one is the last. */
  async whole(frame: MemberFrame, length: number): Promise<void> {
    this.bytes += length;
    const final = length < CHUNK_BYTES;
    await this.#emit(frame, length, final && this.#chunk === 0 ? undefined : ++this.#chunk, final);
  }

  async append(content: Uint8Array): Promise<void> {
    for (let at = 0; at < content.length; ) {
      const take = Math.min(content.length - at, CHUNK_BYTES - this.#used);
      this.#pending.content.set(content.subarray(at, at + take), this.#used);
      this.#used += take;
      at += take;
      if (this.#used < CHUNK_BYTES) continue;
      this.#used = 0;
      await this.whole(this.#pending, CHUNK_BYTES);
    }
  }

  async end(): Promise<void> {
    await this.whole(this.#pending, this.#used);
  }
}

type EmitChunk = (frame: MemberFrame, length: number, chunk: number | undefined, final: boolean) => Promise<void>;
