/**
 * A buffer in which a tar member is put together around its content: the header right before it, the padding right behind.
 * Content is read where it will be written from, and the pipeline gets one piece instead of three.
 */

import { BLOCK, CHUNK_BYTES, padding } from '../archive/index.js';

/** A plain header, and one with pax records of usual length. */
const HEADER_ROOM = 4 * BLOCK;

export class MemberFrame {
  readonly #buffer = Buffer.alloc(HEADER_ROOM + CHUNK_BYTES);
  /** Room for one chunk. */
  readonly content: Buffer = this.#buffer.subarray(HEADER_ROOM);

  /** The member with the first `length` bytes of `content`. A view, valid until the frame is used again. */
  member(header: Uint8Array, length: number): Uint8Array {
    const end = HEADER_ROOM + length + padding(length);
    this.#buffer.fill(0, HEADER_ROOM + length, end);
    if (header.length > HEADER_ROOM) return Buffer.concat([header, this.#buffer.subarray(HEADER_ROOM, end)]);
    const start = HEADER_ROOM - header.length;
    this.#buffer.set(header, start);
    return this.#buffer.subarray(start, end);
  }
}
