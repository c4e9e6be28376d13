/** A file of this machine → the sealed object that goes into the target, or its gzip copy here. */

import { closeSync, openSync, readSync } from 'node:fs';
import type { BeginOptions, SealedFile, Sealer } from '../volumes/index.js';

const PIECE_BYTES = 262_144;

export interface SealFileOptions extends BeginOptions {
  readonly source: string;
  /** Must not be there yet. */
  readonly target: string;
  readonly signal?: AbortSignal;
}

export async function sealFile(
  sealer: Sealer,
  { source, target, signal, ...options }: SealFileOptions,
): Promise<SealedFile> {
  const object = await sealer.begin(target, options);
  const fd = openSync(source, 'r');
  const buffer = Buffer.alloc(PIECE_BYTES);
  try {
    for (let count = readSync(fd, buffer); count > 0; count = readSync(fd, buffer)) {
      signal?.throwIfAborted();
      sealer.write(buffer.subarray(0, count));
      sealer.pump();
      while (!sealer.hasRoom) await sealer.drain();
    }
  } finally {
    closeSync(fd);
  }
  await sealer.end();
  await sealer.settle();
  return object.finished;
}
