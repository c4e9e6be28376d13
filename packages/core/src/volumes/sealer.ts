/**
 * Bytes → stored files: compressed in the ring of workers, encrypted, hashed and written on the main thread, in order.
 *
 * Objects (volumes, signature files, manifests) follow one another through one ring without a bubble between them.
 * `write` and `pump` are synchronous; the ring is the memory bound, and `hasRoom` is the back-pressure.
 */

import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { type DeflatedChunk, DeflateRing, gzipHeader, gzipTrailer } from '@redup/compress';
import { MOST_KNOWN_BYTES, type Seal } from '@redup/openpgp';
import type { Encoding } from '../archive/index.js';
import { localError } from '../errors.js';

/** Deflate works on independent pieces of this size (PERFORMANCE.md: from 256 KiB up their independence costs nothing). */
export const DEFLATE_CHUNK_BYTES = 262_144;
const RING_SLOTS = 16;

export interface SealedFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Lower-case hex of the whole file. */
  readonly sha1: string;
  readonly sha256: string;
}

export interface SealerOptions {
  readonly encoding: Encoding;
  /** For `openpgp`: a new message per object. */
  readonly createSeal?: (options: { readonly dataBytes?: number }) => Promise<Seal>;
  /** 0 to 9; without it nothing is compressed. */
  readonly compressionLevel: number | undefined;
  /** Worker threads; 0 compresses on the calling thread. */
  readonly workers?: number;
  /** For the gzip header, seconds. */
  readonly time: number;
}

export class Sealer {
  readonly #options: SealerOptions;
  #ring: DeflateRing | undefined;
  /** Objects whose bytes are still in the ring, oldest first; the last one is being written. */
  readonly #objects: SealedObject[] = [];
  /** Bytes that found the ring full. */
  #backlog: Uint8Array[] = [];

  constructor(options: SealerOptions) {
    this.#options = options;
  }

  /**
   * Starts the next object; the one before must have been ended.
   * @param options.encoding other than the sealer's, for the local gzip copy of signatures
   * @param options.copy a gzip file to be made of the same data, which is compressed once for both; see `canCopy`
   */
  async begin(path: string, options: BeginOptions = {}): Promise<SealedObject> {
    const { encoding = this.#options.encoding, copy } = options;
    const known = copy === undefined ? {} : { dataBytes: copy.dataBytes };
    const seal = encoding === 'openpgp' ? await this.#options.createSeal?.(known) : undefined;
    const compressed = encoding === 'gzip' || (encoding === 'openpgp' && this.#options.compressionLevel !== undefined);
    if (compressed) this.#ring ??= this.#createRing();
    const { time } = this.#options;
    const object = new SealedObject(path, encoding, compressed, seal, time);
    this.#objects.push(object);
    if (copy !== undefined) {
      object.copy = new SealedObject(copy.path, 'gzip', true, undefined, time);
      this.write(new Uint8Array(0));
      // What stands before the data is a chunk of its own.
      await this.#flush(false);
    }
    return object;
  }

  /** Whether an object of that many bytes can leave a gzip copy while it is sealed. */
  canCopy(dataBytes: number): boolean {
    const { encoding, compressionLevel } = this.#options;
    return encoding === 'openpgp' && compressionLevel !== undefined && dataBytes <= MOST_KNOWN_BYTES;
  }

  #createRing(): DeflateRing {
    const { compressionLevel, workers } = this.#options;
    return DeflateRing.create({
      slots: RING_SLOTS,
      chunkBytes: DEFLATE_CHUNK_BYTES,
      ...(compressionLevel === undefined ? {} : { level: compressionLevel }),
      ...(workers === undefined ? {} : { workers }),
    });
  }

  /** True when `write` finds room: otherwise await `drain` first, or the surplus is held in memory. */
  get hasRoom(): boolean {
    return this.#backlog.length === 0;
  }

  /** Adds to the current object. The bytes may be reused afterwards. */
  write(bytes: Uint8Array): void {
    const object = this.#current();
    object.count(bytes);
    object.copy?.count(bytes);
    if (object.seal === undefined) this.#compress(object, bytes);
    else for (const piece of object.seal.frame(bytes)) this.#compress(object, piece);
  }

  /** Ends the current object; `object.finished` resolves when its file is complete. */
  async end(): Promise<void> {
    const object = this.#current();
    // So is what stands behind them.
    if (object.copy !== undefined) await this.#flush(false);
    if (object.seal !== undefined) {
      for (const piece of await object.seal.finishFrame()) this.#compress(object, piece);
    }
    object.ended = true;
    if (!object.compressed) {
      this.#objects.pop();
      object.finish();
      return;
    }
    await this.#flush(true);
    this.pump();
  }

  async #flush(final: boolean): Promise<void> {
    while (!this.hasRoom || this.#ring?.flush(final) === false) await this.drain();
  }

  /** Takes what the workers have finished, without waiting. @returns true when anything moved */
  pump(): boolean {
    const ring = this.#ring;
    if (ring === undefined) return false;
    let moved = false;
    for (let chunk = ring.take(); chunk !== undefined; chunk = ring.take()) {
      moved = true;
      this.#accept(chunk);
    }
    while (this.#backlog.length > 0) {
      const piece = this.#backlog[0] ?? new Uint8Array(0);
      const taken = ring.write(piece);
      if (taken < piece.length) {
        this.#backlog[0] = piece.subarray(taken);
        break;
      }
      this.#backlog.shift();
    }
    return moved;
  }

  /** Waits until the workers have finished something, and takes it. */
  async drain(): Promise<void> {
    if (this.pump() || this.#ring === undefined || this.#ring.pending === 0) return;
    await this.#ring.ready();
    this.pump();
  }

  /** Waits until every object that was ended is complete. */
  async settle(): Promise<void> {
    while (this.#objects.some((object) => object.ended)) await this.drain();
  }

  /** Gives up what is unfinished; files written so far stay for the caller to remove. */
  async close(): Promise<void> {
    for (const object of this.#objects) object.abandon();
    this.#objects.length = 0;
    await this.#ring?.close();
    this.#ring = undefined;
  }

  #current(): SealedObject {
    const object = this.#objects.at(-1);
    if (object === undefined || object.ended) throw new Error('no object was begun');
    return object;
  }

  #compress(object: SealedObject, bytes: Uint8Array): void {
    if (!object.compressed) {
      object.store(bytes);
      return;
    }
    object.submittedBytes += bytes.length;
    const taken = this.#backlog.length > 0 ? 0 : (this.#ring?.write(bytes) ?? 0);
    if (taken < bytes.length) this.#backlog.push(Uint8Array.prototype.slice.call(bytes, taken));
  }

  #accept(chunk: DeflatedChunk): void {
    const object = this.#objects[0];
    if (object === undefined) throw new Error('a chunk without an object');
    object.copy?.copyChunk(chunk.output, object.chunkSizes.length);
    object.chunkSizes.push(chunk.output.length);
    object.store(chunk.output);
    if (!chunk.final) return;
    this.#objects.shift();
    object.finish();
  }
}

export interface BeginOptions {
  /** Other than the sealer's. */
  readonly encoding?: Encoding;
  readonly copy?: { readonly path: string; readonly dataBytes: number };
}

/** An empty block that ends a deflate stream. */
const FINAL_BLOCK = Uint8Array.of(1, 0, 0, 0xff, 0xff);

/** One file under way. */
export class SealedObject {
  readonly path: string;
  readonly encoding: Encoding;
  readonly compressed: boolean;
  readonly seal: Seal | undefined;
  /** Settles when the file is complete and closed (not yet synced: that is the storage's part). */
  readonly finished: Promise<SealedFile>;
  /** The gzip file that is made on the way. */
  copy: SealedObject | undefined;
  /** Plain bytes given so far. */
  rawBytes = 0;
  /** Bytes given to the compressor so far, framing included. */
  submittedBytes = 0;
  /** Bytes to store that are known, before encryption, which holds some back. */
  acceptedBytes = 0;
  /** Compressed size of each chunk that came back, in order. */
  readonly chunkSizes: number[] = [];
  crc = 0;
  ended = false;

  readonly #fd: number;
  readonly #sha1: Hash = createHash('sha1');
  readonly #sha256: Hash = createHash('sha256');
  #size = 0;
  #closed = false;
  #resolve: (file: SealedFile) => void = () => {};

  constructor(path: string, encoding: Encoding, compressed: boolean, seal: Seal | undefined, time: number) {
    this.path = path;
    this.encoding = encoding;
    this.compressed = compressed;
    this.seal = seal;
    this.finished = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    try {
      // The storage may move it to the target as it is; the folder it is built in is private.
      this.#fd = openSync(path, 'wx', 0o666);
    } catch (error) {
      throw localError('create the temporary file', path, error);
    }
    if (encoding === 'gzip') this.#append(gzipHeader(time));
  }

  /** Bytes in the file so far. */
  get size(): number {
    return this.#size;
  }

  /** Takes note of plain bytes given. */
  count(bytes: Uint8Array): void {
    this.rawBytes += bytes.length;
    if (this.encoding === 'gzip') this.crc = crc32(bytes, this.crc);
  }

  /** Takes the chunks of another object's data, and neither what stands before them (chunk 0) nor behind them. */
  copyChunk(bytes: Uint8Array, index: number): void {
    const isData = index > 0 && index <= Math.ceil(this.rawBytes / DEFLATE_CHUNK_BYTES);
    if (isData) this.store(bytes);
  }

  /** Takes bytes as they come from the compressor. */
  store(bytes: Uint8Array): void {
    this.acceptedBytes += bytes.length;
    this.#append(this.seal === undefined ? bytes : this.seal.encrypt(bytes));
  }

  finish(): void {
    this.copy?.store(FINAL_BLOCK);
    this.copy?.finish();
    if (this.seal !== undefined) this.#append(this.seal.finish());
    if (this.encoding === 'gzip') this.#append(gzipTrailer(this.crc, this.rawBytes));
    this.abandon();
    this.#resolve({
      path: this.path,
      size: this.#size,
      sha1: this.#sha1.digest('hex'),
      sha256: this.#sha256.digest('hex'),
    });
  }

  abandon(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.copy?.abandon();
    closeSync(this.#fd);
  }

  #append(bytes: Uint8Array): void {
    this.#sha1.update(bytes);
    this.#sha256.update(bytes);
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done, bytes.length - done);
    } catch (error) {
      throw localError('write the temporary file', this.path, error);
    }
    this.#size += bytes.length;
  }
}
