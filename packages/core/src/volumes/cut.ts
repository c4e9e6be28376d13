/**
 * When a volume is full (FORMAT.md §7), decided before each block is fetched.
 *
 * Compression runs in workers, so the size of what was given lately is not known yet. Until it is, it counts as if nothing
 * could be saved: then no volume becomes larger than asked for, and a cut, made only when every whole chunk is known,
 * depends neither on the number of workers nor on their pace. Volumes of what compresses well end up to a chunk early.
 */

import { CHUNK_BYTES } from '../archive/index.js';
import { DEFLATE_CHUNK_BYTES, type SealedObject } from './sealer.js';

/** Room kept for one more block with its headers, the zeros that end a tar (up to two records of 10,240), and framing. */
const RESERVE_BYTES = CHUNK_BYTES + 24_576;

/** `wait`: a chunk that must be known is still being compressed. */
export type CutDecision = 'go-on' | 'cut' | 'wait';

export function decideCut(object: SealedObject, volumeBytes: number): CutDecision {
  const { acceptedBytes, submittedBytes, chunkSizes, compressed } = object;
  const unknownBytes = compressed ? submittedBytes - chunkSizes.length * DEFLATE_CHUNK_BYTES : 0;
  if (volumeBytes - (acceptedBytes + unknownBytes) >= RESERVE_BYTES) return 'go-on';
  return unknownBytes >= DEFLATE_CHUNK_BYTES ? 'wait' : 'cut';
}
