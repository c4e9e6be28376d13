/**
 * A file's bytes in, its signature out: {@link SignatureBuilder}. One builder signs any number of files, one after the other;
 * small ones cost about a microsecond each.
 */

import { RsyncError } from './errors.js';
import {
  detailsOf,
  type FormatDetails,
  HEADER_LENGTH,
  recommendedLengths,
  type SignatureFormat,
  type SignatureParameters,
  shortestStrongLength,
} from './formats.js';
import { NO_BYTES, Output } from './output.js';
import type { Arena, ArenaPool } from './wasm.js';

export interface SignatureOptions {
  /** Bytes in a block, from 1 to 2^32 - 1. Default: what librsync recommends for `basisLength`. */
  readonly blockLength?: number | undefined;
  /**
   * Bytes to keep of each strong sum; the whole hash when left out: 16 for MD4, 32 for BLAKE2b. `'shortest'` is the least that
   * librsync recommends for `basisLength`.
   */
  readonly strongLength?: number | 'shortest' | undefined;
  /** Default `rabinkarp-blake2`, as librsync's since 2.0. */
  readonly format?: SignatureFormat | undefined;
  /** Bytes the file is going to have, if known; only the recommended lengths depend on it. */
  readonly basisLength?: number | undefined;
}

/** Blocks are signed in groups of this many, one in each lane. */
const GROUP = 4;
/** Longest group that is collected; longer blocks are hashed piece by piece, one at a time. */
const LONGEST_GROUP = 8 << 20;
const INPUT = 256 << 10;
const MOST_RECORDS = 16384;
const STATE = 256;

/**
 * Signs one file after the other. What `update` and `finish` return is a view of memory that the next call on the same builder
 * overwrites: write it or copy it before. Not for use by two callers at once.
 */
export class SignatureBuilder {
  readonly #pool: ArenaPool;
  #arena: Arena | undefined;
  #details: FormatDetails | undefined;
  #blockLength = 0;
  #strongLength = 0;
  #state = 0;
  #input = 0;
  #capacity = 0;
  /** Records' region and how much of it a full input may fill. */
  #out = 0;
  #outRound = 0;
  #outSize = 0;
  /** Bytes waiting in the input region, and bytes written to the output region. */
  #filled = 0;
  #written = 0;
  /** Bytes of the present block that were hashed already; only for blocks too long for a group. */
  #hashed = 0;
  #piecewise = false;
  #open = false;
  readonly #output = new Output();

  /** @internal Use `Rsync.createSignature`. */
  constructor(pool: ArenaPool, options: SignatureOptions) {
    this.#pool = pool;
    this.reset(options);
  }

  get parameters(): SignatureParameters {
    const { format } = this.#details ?? detailsOf('rabinkarp-blake2');
    return { format, blockLength: this.#blockLength, strongLength: this.#strongLength };
  }

  /**
   * Begins another file; what was not finished is dropped.
   * @throws RsyncError `INVALID_OPTION`
   */
  reset(options: SignatureOptions): void {
    const { format = 'rabinkarp-blake2', basisLength } = options;
    const details = this.#details?.format === format ? this.#details : detailsOf(format);
    const blockLength = options.blockLength ?? recommendedLengths(basisLength).blockLength;
    const strong = strongLengthOf(options.strongLength, details, blockLength, basisLength);
    if (
      details !== this.#details ||
      blockLength !== this.#blockLength ||
      strong !== this.#strongLength ||
      !this.#arena
    ) {
      checkParameters(details, blockLength, strong);
      this.#details = details;
      this.#blockLength = blockLength;
      this.#strongLength = strong;
      this.#layOut();
    }
    this.#filled = 0;
    this.#hashed = 0;
    this.#written = 0;
    this.#open = true;
    this.#output.take(NO_BYTES);
    this.#putHeader();
  }

  /**
   * Adds the next bytes of the file, of any number.
   * @returns the signature's bytes that became ready, header first; often none. Valid until the next call.
   */
  update(bytes: Uint8Array): Uint8Array {
    const arena = this.#opened();
    let at = 0;
    while (at < bytes.length) {
      const taken = Math.min(bytes.length - at, this.#capacity - this.#filled);
      arena.bytes.set(taken === bytes.length ? bytes : bytes.subarray(at, at + taken), this.#input + this.#filled);
      this.#filled += taken;
      at += taken;
      this.#sign(arena);
      if (at < bytes.length && this.#outSize - this.#written < this.#outRound) this.#spill(arena);
    }
    return this.#take(arena);
  }

  /**
   * Ends the file.
   * @returns the rest of the signature, valid until the next call. `reset` begins the next file.
   */
  finish(): Uint8Array {
    const arena = this.#opened();
    if (this.#outSize - this.#written < this.#outRound) this.#spill(arena);
    this.#signRest(arena);
    this.#open = false;
    return this.#take(arena);
  }

  /** Gives the memory back. `reset` makes the builder usable again. */
  dispose(): void {
    if (this.#arena) this.#pool.giveBack(this.#arena);
    this.#arena = undefined;
    this.#open = false;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #opened(): Arena {
    if (!this.#open || !this.#arena) {
      throw new RsyncError('INVALID_STATE', 'The signature is finished', 'Call reset() before the next file.');
    }
    return this.#arena;
  }

  #layOut(): void {
    const arena = this.#arena ?? this.#pool.take();
    this.#arena = arena;
    arena.clear();
    const group = GROUP * this.#blockLength;
    this.#piecewise = group > LONGEST_GROUP;
    const records = this.#piecewise
      ? 1
      : Math.max(GROUP, Math.min(MOST_RECORDS, Math.floor(INPUT / this.#blockLength)));
    this.#capacity = this.#piecewise ? INPUT : Math.ceil(records / GROUP) * group;
    // One more for the short block at the end.
    this.#outRound = (records + GROUP + 1) * (4 + this.#strongLength) + HEADER_LENGTH;
    this.#outSize = Math.max(2 * this.#outRound, 65536);
    this.#state = arena.alloc(STATE);
    this.#out = arena.alloc(this.#outSize);
    this.#input = arena.alloc(this.#capacity);
    arena.kernel.chooseSums(this.#details?.weakKind ?? 0, this.#details?.strongKind ?? 0);
  }

  #putHeader(): void {
    const view = this.#arena?.view;
    view?.setUint32(this.#out, this.#details?.magic ?? 0);
    view?.setUint32(this.#out + 4, this.#blockLength);
    view?.setUint32(this.#out + 8, this.#strongLength);
    this.#written = HEADER_LENGTH;
  }

  /** Signs the whole groups that lie in the input region and moves what is left to its start. */
  #sign(arena: Arena): void {
    let done = 0;
    if (this.#piecewise) {
      done = this.#signPieces(arena);
    } else {
      const group = GROUP * this.#blockLength;
      const blocks = Math.floor(this.#filled / group) * GROUP;
      if (blocks === 0) return;
      this.#signBlocks(arena, this.#input, blocks, this.#blockLength);
      done = blocks * this.#blockLength;
    }
    if (done < this.#filled) arena.bytes.copyWithin(this.#input, this.#input + done, this.#input + this.#filled);
    this.#filled -= done;
  }

  #signRest(arena: Arena): void {
    if (this.#piecewise) {
      if (this.#hashed + this.#filled > 0) this.#endBlock(arena, this.#input, this.#filled);
    } else {
      const blocks = Math.floor(this.#filled / this.#blockLength);
      const whole = blocks * this.#blockLength;
      if (blocks > 0) this.#signBlocks(arena, this.#input, blocks, this.#blockLength);
      if (whole < this.#filled) this.#signBlocks(arena, this.#input + whole, 1, this.#filled - whole);
    }
    this.#filled = 0;
  }

  #signBlocks(arena: Arena, at: number, count: number, length: number): void {
    const to = this.#out + this.#written;
    arena.kernel.signBlocks(at, count, length, this.#strongLength, to);
    this.#written += count * (4 + this.#strongLength);
  }

  /** Hashes what lies in the input region into the present block; returns how much. */
  #signPieces(arena: Arena): number {
    let done = 0;
    while (true) {
      const waiting = this.#filled - done;
      const missing = this.#blockLength - this.#hashed;
      if (waiting >= missing) {
        this.#endBlock(arena, this.#input + done, missing);
        done += missing;
      } else {
        // The hash must know which piece is the last: one byte at least stays for blockEnd.
        const whole = waiting < 1 ? 0 : waiting - 1 - ((waiting - 1) % 128);
        if (whole === 0) return done;
        if (this.#hashed === 0) arena.kernel.blockBegin(this.#state);
        arena.kernel.blockUpdate(this.#state, this.#input + done, whole);
        this.#hashed += whole;
        return done + whole;
      }
    }
  }

  #endBlock(arena: Arena, at: number, length: number): void {
    if (this.#hashed === 0) arena.kernel.blockBegin(this.#state);
    arena.kernel.blockEnd(this.#state, at, length, this.#out + this.#written);
    this.#written += 4 + this.#strongLength;
    this.#hashed = 0;
  }

  #spill(arena: Arena): void {
    this.#output.spill(arena.bytes.subarray(this.#out, this.#out + this.#written));
    this.#written = 0;
  }

  #take(arena: Arena): Uint8Array {
    const ready = this.#written === 0 ? NO_BYTES : arena.bytes.subarray(this.#out, this.#out + this.#written);
    this.#written = 0;
    return this.#output.take(ready);
  }
}

function strongLengthOf(
  wanted: number | 'shortest' | undefined,
  details: FormatDetails,
  blockLength: number,
  basisLength: number | undefined,
): number {
  if (wanted === undefined) return details.hashLength;
  if (wanted !== 'shortest') return wanted;
  return basisLength === undefined
    ? recommendedLengths().shortestStrongLength
    : shortestStrongLength(basisLength, blockLength);
}

export function checkParameters(details: FormatDetails, blockLength: number, strongLength: number): void {
  if (!Number.isInteger(blockLength) || blockLength < 1 || blockLength > 0xffffffff) {
    throw new RsyncError(
      'INVALID_OPTION',
      `The block length ${blockLength} is not a whole number from 1 to 4294967295`,
      'duplicity uses 512 to 2048, librsync recommends the square root of the length.',
    );
  }
  if (!Number.isInteger(strongLength) || strongLength < 1 || strongLength > details.hashLength) {
    throw new RsyncError(
      'INVALID_OPTION',
      `The strong length ${strongLength} is not a whole number from 1 to ${details.hashLength}`,
      `${details.format} has strong sums of ${details.hashLength} bytes; leave the option out to keep all of them.`,
    );
  }
}
