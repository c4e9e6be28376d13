/**
 * The content of one path out of its versions: the whole one streamed, deltas applied one after another.
 * Intermediate results are in memory while small and in a temporary file when large.
 */

import { closeSync, ftruncateSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Basis, PatchDecoder, RsyncError } from 'librsync-wasm';
import { END, MORE, toText } from '../archive/index.js';
import { localError, RedupError } from '../errors.js';
import type { PathVersions, SetReader, Version } from '../volumes/index.js';

/** Takes content in order. Pieces are views valid during the call only. */
export interface ContentSink {
  write(piece: Uint8Array): void;
}

/** Results up to this size never touch the disk. */
const MEMORY_BYTES = 4 << 20;

export class ContentReader {
  /** Basis and result take turns. */
  readonly #signal: AbortSignal | undefined;
  readonly #scratches: readonly [Scratch, Scratch];

  constructor(temporaryFolder: () => string, signal?: AbortSignal) {
    this.#signal = signal;
    this.#scratches = [new Scratch(temporaryFolder), new Scratch(temporaryFolder)];
  }

  /**
   * Writes the content to `sink`.
   * @throws RedupError ARCHIVE_INVALID when a chunk is missing or a delta does not fit its basis
   */
  async copy({ path, versions }: PathVersions, sink: ContentSink): Promise<void> {
    const [first, ...deltas] = versions;
    if (first.entry.kind !== 'snapshot' || first.entry.header.type !== 'file') {
      const subject = toText(path);
      throw new RedupError(
        'ARCHIVE_INVALID',
        `${subject} has changes in the archive, but no version that they apply to`,
        {
          subject,
          hint: 'An older time may hold the file whole.',
        },
      );
    }
    if (deltas.length === 0) return this.#stream(first, sink);
    let basis = this.#scratch(0);
    await this.#stream(first, basis);
    for (const [index, delta] of deltas.entries()) {
      const last = index === deltas.length - 1;
      const result = last ? undefined : this.#scratch(index + 1);
      await this.#patch(delta, basis, result ?? sink);
      if (result !== undefined) basis = result;
    }
  }

  close(): void {
    for (const scratch of this.#scratches) scratch.close();
  }

  async #fill(reader: SetReader): Promise<void> {
    await reader.fill();
    this.#signal?.throwIfAborted();
  }

  async #stream({ reader }: Version, sink: ContentSink): Promise<void> {
    for (let piece = reader.data(); piece !== END; piece = reader.data()) {
      if (piece === MORE) await this.#fill(reader);
      else sink.write(piece);
    }
  }

  async #patch({ reader, entry }: Version, basis: Basis, sink: ContentSink): Promise<void> {
    const patch = new PatchDecoder(basis);
    try {
      for (let piece = reader.data(); piece !== END; piece = reader.data()) {
        if (piece === MORE) await this.#fill(reader);
        else for (const output of patch.update(piece)) sink.write(output);
      }
      patch.finish();
    } catch (error) {
      // A full disk or an interruption is no fault of the archive.
      if (!(error instanceof RsyncError)) throw error;
      const subject = toText(entry.path);
      throw new RedupError(
        'ARCHIVE_INVALID',
        `The changes stored for ${subject} do not fit its last version: ${error.message}`,
        {
          subject,
          hint: 'An older time may hold the file whole.',
          cause: error,
        },
      );
    }
  }

  #scratch(index: number): Scratch {
    const scratch = this.#scratches[index % 2 === 0 ? 0 : 1];
    scratch.clear();
    return scratch;
  }
}

let scratchFiles = 0;

/** An intermediate result, readable at any place. */
class Scratch implements Basis, ContentSink {
  readonly #temporaryFolder: () => string;
  #memory: Buffer = Buffer.alloc(0);
  #fd: number | undefined;
  #inFile = false;
  #size = 0;

  constructor(temporaryFolder: () => string) {
    this.#temporaryFolder = temporaryFolder;
  }

  get size(): number {
    return this.#size;
  }

  clear(): void {
    if (this.#inFile && this.#fd !== undefined) ftruncateSync(this.#fd);
    this.#inFile = false;
    this.#size = 0;
  }

  write(piece: Uint8Array): void {
    const end = this.#size + piece.length;
    if (!this.#inFile && end <= MEMORY_BYTES) {
      this.#reserve(end);
      this.#memory.set(piece, this.#size);
    } else {
      if (!this.#inFile) this.#spill();
      this.#writeFile(piece, this.#size);
    }
    this.#size = end;
  }

  read(position: number, target: Uint8Array): number {
    const wanted = Math.max(0, Math.min(target.length, this.#size - position));
    if (!this.#inFile) {
      target.set(this.#memory.subarray(position, position + wanted));
      return wanted;
    }
    return this.#fd === undefined ? 0 : readSync(this.#fd, target, 0, wanted, position);
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #reserve(size: number): void {
    if (this.#memory.length >= size) return;
    const grown = Buffer.alloc(Math.min(MEMORY_BYTES, Math.max(size, 2 * this.#memory.length, 65_536)));
    this.#memory.copy(grown, 0, 0, this.#size);
    this.#memory = grown;
  }

  #spill(): void {
    this.#inFile = true;
    if (this.#fd === undefined) {
      const path = join(this.#temporaryFolder(), `content-${scratchFiles++}`);
      try {
        this.#fd = openSync(path, 'wx+', 0o600);
        // Nobody else needs the name, and without it nothing is left behind.
        unlinkSync(path);
      } catch (error) {
        throw localError('create the temporary file', path, error);
      }
    }
    this.#writeFile(this.#memory.subarray(0, this.#size), 0);
  }

  #writeFile(bytes: Uint8Array, position: number): void {
    if (this.#fd === undefined) return;
    try {
      for (let done = 0; done < bytes.length; )
        done += writeSync(this.#fd, bytes, done, bytes.length - done, position + done);
    } catch (error) {
      throw localError('write a temporary file in', this.#temporaryFolder(), error);
    }
  }
}
