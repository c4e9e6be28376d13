/** Where the bytes of a file come from, in reads of 64 KiB: the disk, or a program that gave the entry. */

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import type { ByteString } from '../archive/index.js';
import { errnoOf, reasonOf } from '../errors.js';
import { type EntryContent, type TreeEntry, UNKNOWN_SIZE } from '../tree/index.js';

export interface FileInput {
  /** Reads until `chunk` is full or the file ends. @param expected bytes still to come, where that is known */
  fill(chunk: Buffer, expected: number): number | Promise<number>;
  /** After the end: why what was read may not be what the entry says. */
  problem(entry: TreeEntry, sourceBytes: number, chunkBytes: number): string | undefined;
  close(): void | Promise<void>;
}

/** A file that could not be opened: nothing was written for it. */
export interface UnopenedFile {
  readonly unopened: string;
  /** It is gone: to be treated like any file that is not there. */
  readonly vanished: boolean;
}

/** A file on disk. Synchronous, like everything about single files. */
export class DiskInput implements FileInput {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  static open(entry: TreeEntry, root: ByteString, followLinks: boolean): DiskInput | UnopenedFile {
    const path = entry.path === '' ? root : root === '/' ? `/${entry.path}` : `${root}/${entry.path}`;
    try {
      // Without O_NONBLOCK, a fifo that has taken the file's place since the scan would block for ever.
      const noFollow = followLinks ? 0 : constants.O_NOFOLLOW;
      const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY | noFollow;
      const fd = openSync(Buffer.from(path, 'latin1'), flags);
      if (fstatSync(fd).isFile()) return new DiskInput(fd);
      closeSync(fd);
      return { unopened: 'it is no regular file any more', vanished: false };
    } catch (error) {
      return { unopened: reasonOf(error), vanished: errnoOf(error) === 'ENOENT' };
    }
  }

  /** The first bytes, up to a chunk, without moving on; -1 if they cannot be read. */
  peek(chunk: Buffer): number {
    try {
      return readSync(this.#fd, chunk, 0, chunk.length, 0);
    } catch {
      return -1;
    }
  }

  fill(chunk: Buffer, expected: number): number {
    let filled = 0;
    while (filled < chunk.length) {
      const count = readSync(this.#fd, chunk, filled, chunk.length - filled, null);
      filled += count;
      // A read that ends where the file should end needs no second one to prove it.
      if (count === 0 || filled === expected) break;
    }
    return filled;
  }

  problem(entry: TreeEntry, sourceBytes: number, chunkBytes: number): string | undefined {
    if (sourceBytes === entry.size && sourceBytes < chunkBytes) return undefined;
    const now = fstatSync(this.#fd);
    if (sourceBytes === entry.size && Math.round(now.mtimeMs * 1000) === entry.mtimeUs) return undefined;
    return `it changed while it was read (${entry.size} bytes at first, then ${sourceBytes})`;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** What a program gave. Its pieces have any length. */
export class GivenInput implements FileInput {
  readonly #pieces: AsyncGenerator<Uint8Array, void, undefined>;
  #piece: Uint8Array | undefined;

  private constructor(pieces: AsyncGenerator<Uint8Array, void, undefined>, first: Uint8Array | undefined) {
    this.#pieces = pieces;
    this.#piece = first;
  }

  /** Waits for the first piece: content that fails before it was never opened, and its last version stays. */
  static async open(content: EntryContent, signal: AbortSignal | undefined): Promise<GivenInput | UnopenedFile> {
    const pieces = content.open();
    try {
      return new GivenInput(pieces, (await pieces.next()).value ?? undefined);
    } catch (error) {
      signal?.throwIfAborted();
      return { unopened: reasonOf(error), vanished: false };
    }
  }

  async fill(chunk: Buffer): Promise<number> {
    let filled = 0;
    while (filled < chunk.length && this.#piece !== undefined) {
      const taken = this.#piece.subarray(0, chunk.length - filled);
      chunk.set(taken, filled);
      filled += taken.length;
      this.#piece =
        taken.length < this.#piece.length
          ? this.#piece.subarray(taken.length)
          : ((await this.#pieces.next()).value ?? undefined);
    }
    return filled;
  }

  problem({ size }: TreeEntry, sourceBytes: number): string | undefined {
    if (size === UNKNOWN_SIZE || size === sourceBytes) return undefined;
    return `${size} bytes were announced, and ${sourceBytes} came`;
  }

  async close(): Promise<void> {
    await this.#pieces.return();
  }
}
