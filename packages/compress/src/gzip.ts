/** The gzip frame (RFC 1952): header, trailer, and a whole file made with them. */
import { crc32Combine } from './checksums.js';
import { DeflateRing } from './deflate-ring.js';
import { deflate } from './deflate-stream.js';

/** Ten bytes: no name, XFL 0, OS 255 (unknown), as duplicity's files have it. `mtime` in whole seconds since 1970. */
export function gzipHeader(mtime: number): Uint8Array {
  const header = new Uint8Array([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
  new DataView(header.buffer).setUint32(4, mtime >>> 0, true);
  return header;
}

/** Eight bytes: the CRC-32 of the uncompressed bytes and their number modulo 2^32. */
export function gzipTrailer(crc: number, size: number): Uint8Array {
  const trailer = new Uint8Array(8);
  const view = new DataView(trailer.buffer);
  view.setUint32(0, crc >>> 0, true);
  view.setUint32(4, size % 0x1_0000_0000, true);
  return trailer;
}

export interface GzipOptions {
  /** Seconds since 1970 for the header; default 0, which means none. */
  readonly mtime?: number;
  /** See `DeflateRing`. */
  readonly level?: number;
  /** Worker threads; default 0, which suits small files. */
  readonly workers?: number;
}

/** Compresses `source` into one gzip member. The pieces belong to the caller. */
export async function* gzip(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: GzipOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const ring = DeflateRing.create({
    crc32: true,
    workers: options.workers ?? 0,
    ...(options.level === undefined ? {} : { level: options.level }),
    ...((options.workers ?? 0) === 0 ? { slots: 2 } : {}),
  });
  try {
    let crc = 0;
    let size = 0;
    yield gzipHeader(options.mtime ?? 0);
    for await (const chunk of deflate(source, ring)) {
      crc = crc32Combine(crc, chunk.crc32 ?? 0, chunk.inputBytes);
      size += chunk.inputBytes;
      yield chunk.output.slice();
    }
    yield gzipTrailer(crc, size);
  } finally {
    await ring.close();
  }
}
