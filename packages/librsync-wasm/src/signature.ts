/**
 * A signature's bytes in, in pieces of any size, a searchable {@link Signature} out. The bytes may come from anywhere:
 * everything in them is checked before it is used.
 */

import { RsyncError } from './errors.js';
import {
  detailsOfMagic,
  type FormatDetails,
  HEADER_LENGTH,
  type SignatureFormat,
  type SignatureParameters,
} from './formats.js';
import { checkParameters } from './signature-builder.js';
import type { Arena, ArenaPool } from './wasm.js';

/** Block numbers have 31 bits in the tables. */
const MOST_BLOCKS = 2 ** 31 - 1;
const LEAST_LOG = 4;
/** Words of the filter, at one or two blocks a word; the tests' bits come from a 32-bit product, of which few are left beyond that. */
const MOST_FILTER_LOG = 22;

/** Collects a signature piece by piece. */
export class SignatureLoader {
  readonly #pool: ArenaPool;
  #arena: Arena | undefined;
  #header = new Uint8Array(HEADER_LENGTH);
  #headerFilled = 0;
  #details: FormatDetails | undefined;
  #parameters: SignatureParameters | undefined;
  #records = 0;
  #length = 0;
  #capacity = 0;

  /** @internal Use `Rsync.createSignatureLoader`. */
  constructor(pool: ArenaPool) {
    this.#pool = pool;
    this.#arena = pool.take();
  }

  /**
   * Adds the next bytes of the signature, of any number.
   * @throws RsyncError `SIGNATURE_MAGIC`, `SIGNATURE_INVALID`, `SIGNATURE_TOO_LARGE`, `OUT_OF_MEMORY`
   */
  update(bytes: Uint8Array): void {
    const arena = this.#opened();
    let rest = bytes;
    if (this.#headerFilled < HEADER_LENGTH) {
      const taken = bytes.subarray(0, HEADER_LENGTH - this.#headerFilled);
      this.#header.set(taken, this.#headerFilled);
      this.#headerFilled += taken.length;
      if (this.#headerFilled >= 4) this.#checkMagic();
      if (this.#headerFilled < HEADER_LENGTH) return;
      this.#readHeader();
      this.#records = arena.alloc(0);
      rest = bytes.subarray(taken.length);
    }
    this.#reserve(arena, rest.length);
    arena.bytes.set(rest, this.#records + this.#length);
    this.#length += rest.length;
  }

  /**
   * Ends the signature and builds the tables over it. The loader is of no use after that.
   * @throws RsyncError `SIGNATURE_TRUNCATED`, `SIGNATURE_TOO_LARGE`, `OUT_OF_MEMORY`
   */
  finish(): Signature {
    const arena = this.#opened();
    const { blocks } = this.#checkLength();
    const { parameters, details } = this.#read();
    const { kernel } = arena;
    const primaryLog = logOf(blocks * 1.5);
    const filterLog = Math.min(Math.max(logOf(blocks) - 1, LEAST_LOG), MOST_FILTER_LOG);
    kernel.chooseSums(details.weakKind, details.strongKind);
    kernel.describe(
      parameters.blockLength,
      parameters.strongLength,
      penaltyOf(details, parameters.blockLength, blocks),
    );
    const filter = arena.alloc(8 * 2 ** filterLog);
    const primary = arena.alloc(8 * 2 ** primaryLog);
    const seed = Math.floor(Math.random() * 2 ** 32);
    let overflowLog = LEAST_LOG;
    let overflow = arena.alloc(4 * 2 ** overflowLog);
    while (
      kernel.buildTable(this.#records, blocks, filter, filterLog, primary, primaryLog, overflow, overflowLog, seed) !==
      0
    ) {
      overflowLog += 3;
      overflow = arena.alloc(4 * 2 ** overflowLog);
    }
    this.#arena = undefined;
    return new Signature(this.#pool, arena, parameters, blocks);
  }

  /** Gives the memory back without making a signature of it. */
  dispose(): void {
    if (this.#arena) this.#pool.giveBack(this.#arena);
    this.#arena = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #opened(): Arena {
    if (!this.#arena) {
      throw new RsyncError(
        'INVALID_STATE',
        'The signature was loaded already',
        'Make a new loader for each signature.',
      );
    }
    return this.#arena;
  }

  #read(): { parameters: SignatureParameters; details: FormatDetails } {
    if (!this.#parameters || !this.#details) {
      throw new RsyncError(
        'SIGNATURE_TRUNCATED',
        `The signature ends within its header of ${HEADER_LENGTH} bytes`,
        'The signature file is incomplete: make or fetch it again.',
        this.#headerFilled,
      );
    }
    return { parameters: this.#parameters, details: this.#details };
  }

  #checkMagic(): void {
    const magic = new DataView(this.#header.buffer).getUint32(0);
    this.#details = detailsOfMagic(magic);
    if (!this.#details) {
      throw new RsyncError(
        'SIGNATURE_MAGIC',
        `A signature begins with 0x72730136, 37, 46 or 47, this with 0x${magic.toString(16).padStart(8, '0')}`,
        magic === 0x72730236 ? 'This is a delta.' : 'Check that this file is a signature, decrypted and unpacked.',
        0,
      );
    }
  }

  #readHeader(): void {
    const view = new DataView(this.#header.buffer);
    const details = this.#details;
    if (!details) return;
    const blockLength = view.getUint32(4);
    const strongLength = view.getUint32(8);
    try {
      checkParameters(details, blockLength, strongLength);
    } catch (error) {
      const reason = error instanceof RsyncError ? error.reason : String(error);
      const offset = blockLength === 0 ? 4 : 8;
      throw new RsyncError('SIGNATURE_INVALID', reason, 'The signature is damaged: make or fetch it again.', offset);
    }
    this.#parameters = { format: details.format, blockLength, strongLength };
  }

  #checkLength(): { blocks: number } {
    const record = 4 + this.#read().parameters.strongLength;
    const rest = this.#length % record;
    if (rest !== 0) {
      throw new RsyncError(
        'SIGNATURE_TRUNCATED',
        `The signature ends after ${rest} of the ${record} bytes of a record`,
        'The signature file is incomplete: make or fetch it again.',
        HEADER_LENGTH + this.#length,
      );
    }
    return { blocks: this.#length / record };
  }

  #reserve(arena: Arena, more: number): void {
    const { strongLength } = this.#read().parameters;
    const needed = this.#length + more;
    if (needed / (4 + strongLength) > MOST_BLOCKS) {
      throw new RsyncError(
        'SIGNATURE_TOO_LARGE',
        'The signature has 2^31 blocks or more',
        'Sign the file with longer blocks.',
        HEADER_LENGTH + this.#length,
      );
    }
    if (needed > this.#capacity) {
      this.#capacity = needed;
      arena.extend(this.#records, needed);
    }
  }
}

/**
 * A signature, ready to be searched; it holds its memory until `dispose`. Any number of deltas can be made with it, also at the
 * same time, as long as it lives.
 */
export class Signature {
  readonly format: SignatureFormat;
  readonly blockLength: number;
  readonly strongLength: number;
  /** How many blocks the basis has, the short one at its end included. */
  readonly blocks: number;
  readonly #pool: ArenaPool;
  #arena: Arena | undefined;
  readonly #regions: SearchRegions[] = [];

  /** @internal Use `Rsync.loadSignature`. */
  constructor(pool: ArenaPool, arena: Arena, parameters: SignatureParameters, blocks: number) {
    this.#pool = pool;
    this.#arena = arena;
    this.format = parameters.format;
    this.blockLength = parameters.blockLength;
    this.strongLength = parameters.strongLength;
    this.blocks = blocks;
  }

  /** Bytes of WebAssembly memory this signature holds, the buffers of its deltas included. */
  get memoryBytes(): number {
    return this.#arena?.bytes.byteLength ?? 0;
  }

  /** @internal */
  get arena(): Arena {
    if (!this.#arena) {
      throw new RsyncError(
        'INVALID_STATE',
        'The signature was disposed',
        'Dispose of it after the last delta is finished.',
      );
    }
    return this.#arena;
  }

  /** @internal Buffers of an earlier delta, to be used again. */
  takeRegions(): SearchRegions | undefined {
    return this.#regions.pop();
  }

  /** @internal */
  giveRegions(regions: SearchRegions): void {
    this.#regions.push(regions);
  }

  /** Gives the memory back; deltas that are not finished can't go on. May be called twice. */
  dispose(): void {
    if (this.#arena) this.#pool.giveBack(this.#arena);
    this.#arena = undefined;
    this.#regions.length = 0;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** @internal Addresses and sizes of one delta's buffers. */
export interface SearchRegions {
  readonly state: number;
  readonly out: number;
  readonly outSize: number;
  window: number;
  windowSize: number;
}

/** The smallest power of two, as its exponent, that holds `count` things. */
function logOf(count: number): number {
  return Math.max(LEAST_LOG, Math.ceil(Math.log2(Math.max(1, count))));
}

/**
 * What a strong sum computed in vain costs, in positions of search. Per byte searched, that allows for two bytes hashed with MD4
 * or three quarters of one with BLAKE2b, and for twice what random data needs: there, a weak sum agrees with one of the blocks by chance
 * in one of 2^29 (the classic sum's values are not evenly spread) or 2^32 cases for each block.
 */
function penaltyOf(details: FormatDetails, blockLength: number, blocks: number): number {
  const byChance = (blocks * blockLength) / (details.weakKind === 0 ? 2 ** 29 : 2 ** 32);
  return Math.ceil(blockLength / ((details.strongKind === 0 ? 2 : 0.75) + 2 * byChance));
}
