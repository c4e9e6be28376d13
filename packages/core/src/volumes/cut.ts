/**
 * When a volume is full (FORMAT.md §7), decided before each block is fetched.
 *
 * Compression runs in workers, so the size of what was given lately is not known yet. To keep the cut independent of
 * their number and speed, only chunks older than a fixed lag count with their real size; the rest is estimated by
 * the ratio so far.
 */

import { CHUNK_BYTES } from '../archive/index.js';
import { DEFLATE_CHUNK_BYTES, type SealedObject } from './sealer.js';

/** Room kept for one more block: its header, framing and the closing of the file. */
const RESERVE_BYTES = CHUNK_BYTES;

/** Chunks that may be under way while a cut is decided: enough to keep workers busy, little beside the volume. */
export function cutLag(volumeBytes: number): number {
  return Math.min(12, Math.max(1, Math.floor(volumeBytes / (16 * DEFLATE_CHUNK_BYTES))));
}

/** `wait`: a chunk that must be known is still being compressed. */
export type CutDecision = 'go-on' | 'cut' | 'wait';

export function decideCut(object: SealedObject, volumeBytes: number, lag: number): CutDecision {
  if (!object.compressed) return volumeBytes - object.size < RESERVE_BYTES ? 'cut' : 'go-on';
  const submitted = Math.floor(object.submittedBytes / DEFLATE_CHUNK_BYTES);
  const known = Math.max(0, submitted - lag);
  if (object.chunkSizes.length < known) return 'wait';
  let compressed = 0;
  for (let i = 0; i < known; i++) compressed += object.chunkSizes[i] ?? 0;
  const unknown = object.submittedBytes - known * DEFLATE_CHUNK_BYTES;
  const ratio = known === 0 ? 1 : compressed / (known * DEFLATE_CHUNK_BYTES);
  return volumeBytes - (compressed + unknown * ratio) < RESERVE_BYTES ? 'cut' : 'go-on';
}
