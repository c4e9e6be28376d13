/**
 * The four kinds of signature: which rolling checksum, which hash, and the magic number that says so.
 * Big-endian throughout: magic, block length, strong length (four bytes each), then a record for each block.
 */

import { RsyncError } from './errors.js';

/** Weak sum, then strong sum. `rabinkarp-blake2` is librsync's default, `rollsum-md4` is what duplicity writes. */
export type SignatureFormat = 'rollsum-md4' | 'rollsum-blake2' | 'rabinkarp-md4' | 'rabinkarp-blake2';

/** What the signature's header says. */
export interface SignatureParameters {
  readonly format: SignatureFormat;
  /** Bytes in a block; the last block of the file may be shorter. */
  readonly blockLength: number;
  /** Bytes kept of each strong sum: 1 to 16 for MD4, 1 to 32 for BLAKE2b. */
  readonly strongLength: number;
}

export interface FormatDetails {
  readonly format: SignatureFormat;
  readonly magic: number;
  readonly weakKind: 0 | 1;
  readonly strongKind: 0 | 1;
  /** Bytes of a whole strong sum. */
  readonly hashLength: 16 | 32;
}

export const HEADER_LENGTH = 12;
export const DELTA_MAGIC = 0x72730236;

const FORMATS: readonly FormatDetails[] = [
  { format: 'rollsum-md4', magic: 0x72730136, weakKind: 0, strongKind: 0, hashLength: 16 },
  { format: 'rollsum-blake2', magic: 0x72730137, weakKind: 0, strongKind: 1, hashLength: 32 },
  { format: 'rabinkarp-md4', magic: 0x72730146, weakKind: 1, strongKind: 0, hashLength: 16 },
  { format: 'rabinkarp-blake2', magic: 0x72730147, weakKind: 1, strongKind: 1, hashLength: 32 },
];

export function detailsOf(format: SignatureFormat): FormatDetails {
  const details = FORMATS.find((f) => f.format === format);
  if (details === undefined) {
    throw new RsyncError('INVALID_OPTION', `Unknown signature format ${JSON.stringify(format)}`, KNOWN_FORMATS);
  }
  return details;
}

export function detailsOfMagic(magic: number): FormatDetails | undefined {
  return FORMATS.find((f) => f.magic === magic);
}

/** What librsync 2.3 recommends for a file of a given length. */
export interface RecommendedLengths {
  readonly blockLength: number;
  /** Shortest strong sum with which blocks are unlikely to be mistaken for each other; for `strongLength: 'shortest'`. */
  readonly shortestStrongLength: number;
}

/**
 * librsync's recommendation: about as many blocks as a block has bytes, which makes signature and delta grow with the square root
 * of the file. Checked against `rdiff` 2.3.2 in tests.
 * @param basisLength bytes of the file to sign; undefined when unknown, as for a pipe
 */
export function recommendedLengths(basisLength?: number): RecommendedLengths {
  if (basisLength === undefined) return { blockLength: 2048, shortestStrongLength: 12 };
  if (!Number.isSafeInteger(basisLength) || basisLength < 0) {
    throw new RsyncError(
      'INVALID_OPTION',
      `The basis length ${basisLength} is not a number of bytes`,
      'Leave it out when unknown.',
    );
  }
  const blockLength = basisLength < 65536 ? 256 : Math.floor(Math.sqrt(basisLength) / 128) * 128;
  return { blockLength, shortestStrongLength: shortestStrongLength(basisLength, blockLength) };
}

/** Two bytes, and enough bits to tell every position of a file somewhat larger than this from every block of it. */
export function shortestStrongLength(basisLength: number, blockLength: number): number {
  const bits = floorLog2(basisLength + 2 ** 24) + floorLog2(Math.floor(basisLength / blockLength) + 1);
  return 2 + Math.floor((bits + 7) / 8);
}

function floorLog2(n: number): number {
  return Math.floor(Math.log2(n));
}

const KNOWN_FORMATS = `Use one of ${FORMATS.map((f) => f.format).join(', ')}.`;
