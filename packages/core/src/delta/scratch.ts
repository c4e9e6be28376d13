/** Content between two steps: in memory while it is small, in an unnamed temporary file when it is large. */

import { closeSync, ftruncateSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Basis } from 'librsync-wasm';
import { localError } from '../errors.js';

/** Takes content in order. Pieces are views valid during the call only. */
export interface ContentSink {
  write(piece: Uint8Array): void;
}

/** Results up to this size never touch the disk. */
const MEMORY_BYTES = 4 << 20;
const PIECE_BYTES = 262_144;

let scratchFiles = 0;

/** Readable at any place. */
export class Scratch implements Basis, ContentSink {
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

  /** All of it, from the start, in pieces of their own. */
  *pieces(): Generator<Buffer, void, undefined> {
    for (let at = 0; at < this.size; ) {
      const piece = Buffer.alloc(Math.min(PIECE_BYTES, this.size - at));
      const count = this.read(at, piece);
      if (count === 0) throw new Error('a temporary file was shortened');
      at += count;
      yield piece.subarray(0, count);
    }
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
