/** Reading an upload source: its pieces, its hash. */

import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { fromErrno } from './errors.js';
import { PIECE_BYTES, pieces } from './pieces.js';
import type { UploadSource } from './storage.js';

/** The bytes of a source from `start` up to `end` (as in `slice`). */
export async function readSource(source: UploadSource, start: number, end: number): Promise<AsyncIterable<Uint8Array>> {
  let at = start;
  if (source.kind === 'bytes') {
    return pieces(
      async () => {
        if (at >= Math.min(end, source.bytes.length)) return undefined;
        const piece = source.bytes.subarray(at, Math.min(at + PIECE_BYTES, end));
        at += piece.length;
        return piece;
      },
      async () => {},
    );
  }
  const file = await open(source.path, 'r').catch((error: unknown) => {
    throw fromErrno(error, source.path);
  });
  return pieces(
    async () => {
      if (at >= end) return undefined;
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(Math.min(PIECE_BYTES, end - at)), 0, null, at);
      at += bytesRead;
      return bytesRead === 0 ? undefined : buffer.subarray(0, bytesRead);
    },
    () => file.close(),
  );
}

/** Digests of a stream, in the order of `algorithms`, and its length. */
export async function digest(
  data: AsyncIterable<Uint8Array>,
  ...algorithms: readonly string[]
): Promise<{ size: number; digests: readonly Buffer[] }> {
  const hashes = algorithms.map((algorithm) => createHash(algorithm));
  let size = 0;
  for await (const piece of data) {
    size += piece.length;
    for (const hash of hashes) hash.update(piece);
  }
  return { size, digests: hashes.map((hash) => hash.digest()) };
}
