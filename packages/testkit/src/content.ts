/**
 * File contents as recipes: a list of pieces, each a range of an endless deterministic stream (named by
 * a seed) or literal bytes. A recipe of several MB prints in one line, can be sliced and joined like
 * the file that it stands for, and gives the same bytes on every machine.
 *
 * A stream consists of blocks of 4 KiB, each random, text-like or repeating, so that it is partly compressible.
 */

import { createHash } from 'node:crypto';

import { toBytes } from './bytes.js';
import { wordsFrom } from './random.js';

/** `size` bytes of stream `seed`, beginning at its byte `from`; or the literal bytes of a byte string. */
export type Piece =
  | { readonly seed: number; readonly from: number; readonly size: number }
  | { readonly literal: string };

export type Content = readonly Piece[];

/** `size` bytes of the stream `seed`. */
export function seeded(seed: number, size: number): Content {
  return size === 0 ? [] : [{ seed, from: 0, size }];
}

/** The bytes of a byte string. */
export function literal(bytes: string): Content {
  return bytes === '' ? [] : [{ literal: bytes }];
}

export function contentSize(content: Content): number {
  return content.reduce((sum, piece) => sum + pieceSize(piece), 0);
}

/** The bytes from `start` up to, not including, `end`. */
export function sliceContent(content: Content, start: number, end: number): Content {
  const pieces: Piece[] = [];
  let position = 0;
  for (const piece of content) {
    const size = pieceSize(piece);
    const from = Math.max(start - position, 0);
    const to = Math.min(end - position, size);
    if (from < to) {
      pieces.push(
        'literal' in piece
          ? { literal: piece.literal.slice(from, to) }
          : { seed: piece.seed, from: piece.from + from, size: to - from },
      );
    }
    position += size;
  }
  return pieces;
}

/** The content in buffers of at most 1 MiB; each is only valid until the next one is asked for. */
export function* contentChunks(content: Content): Generator<Buffer> {
  const buffer = Buffer.alloc(CHUNK_BYTES);
  for (const piece of content) {
    if ('literal' in piece) {
      yield toBytes(piece.literal);
      continue;
    }
    let done = 0;
    while (done < piece.size) {
      const length = Math.min(CHUNK_BYTES, piece.size - done);
      fill(piece.seed, piece.from + done, buffer.subarray(0, length));
      yield buffer.subarray(0, length);
      done += length;
    }
  }
}

/** The whole content in memory. */
export function contentBytes(content: Content): Buffer {
  const whole = Buffer.alloc(contentSize(content));
  let position = 0;
  for (const chunk of contentChunks(content)) position += chunk.copy(whole, position);
  return whole;
}

/** SHA-256 of the content, in lower-case hex. */
export function contentSha256(content: Content): string {
  const hash = createHash('sha256');
  for (const chunk of contentChunks(content)) hash.update(chunk);
  return hash.digest('hex');
}

const CHUNK_BYTES = 1 << 20;
const BLOCK_BYTES = 4096;

function pieceSize(piece: Piece): number {
  return 'literal' in piece ? piece.literal.length : piece.size;
}

function fill(seed: number, from: number, target: Buffer): void {
  const block = Buffer.alloc(BLOCK_BYTES);
  let done = 0;
  while (done < target.length) {
    const position = from + done;
    fillBlock(seed, Math.floor(position / BLOCK_BYTES), block);
    done += block.copy(target, done, position % BLOCK_BYTES);
  }
}

const WORDS = ['backup ', 'volume ', 'of ', 'the ', 'manifest\n', 'signature, ', 'chain. ', '0042 '].map((word) =>
  Buffer.from(word),
);

function fillBlock(seed: number, index: number, block: Buffer): void {
  const next = wordsFrom(Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35));
  const kind = next() % 4;
  if (kind === 0) {
    let position = 0;
    while (position < BLOCK_BYTES) position += (WORDS[next() % WORDS.length] as Buffer).copy(block, position);
    return;
  }
  const period = kind === 1 ? 64 : BLOCK_BYTES;
  for (let i = 0; i < period; i += 4) block.writeUInt32LE(next(), i);
  for (let i = period; i < BLOCK_BYTES; i += period) block.copy(block, i, 0, period);
}
