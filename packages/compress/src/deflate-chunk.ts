/**
 * One chunk of bytes → complete deflate blocks (RFC 1951) that end on a byte and refer to nothing
 * before them, so that chunks made anywhere, in any order, lie end to end as one stream.
 *
 * Incompressible chunks are stored: a search would spend milliseconds to find out (random data: 2 GB/s stored).
 */
import { constants, deflateRawSync } from 'node:zlib';
import { WASM_CHUNK_BYTES, wasmDeflate } from './wasm-deflate.js';

/** Levels up to this one are WebAssembly's: 1 greedy, 2 and 3 lazy. */
const LAZY_LEVEL = 3;
const STORED_MAX = 65535;
const STORED_HEADER = 5;
/** Samples for the entropy test: 16 × 256 bytes, spread, so that mixed chunks are noticed as such. */
const SAMPLES = 16;
const SAMPLE_BYTES = 256;
/** 4 KiB of random bytes measure 7.95 bits each, JPEG 7.9, base64 6. */
const INCOMPRESSIBLE_BITS = 7.9;

/** The most bytes that `deflateChunk` writes for `chunkBytes` of input. */
export function deflateChunkBound(chunkBytes: number): number {
  return chunkBytes + STORED_HEADER * Math.max(1, Math.ceil(chunkBytes / STORED_MAX));
}

/**
 * Deflates `input` into `output` (at least `deflateChunkBound` long) and returns the length.
 * The blocks depend on `input`, `level` and `isLast` alone; `isLast` sets BFINAL.
 */
export function deflateChunk(input: Uint8Array, output: Uint8Array, level: number, isLast: boolean): number {
  if (input.length === 0) return isLast ? storeChunk(input, output, true) : 0;
  if (level === 0 || isIncompressible(input)) return storeChunk(input, output, isLast);
  const length =
    level <= LAZY_LEVEL && input.length <= WASM_CHUNK_BYTES
      ? wasmDeflate(input, output, level < LAZY_LEVEL - 1 ? 'greedy' : 'lazy', isLast)
      : zlibDeflate(input, output, level, isLast);
  return length === -1 || length >= deflateChunkBound(input.length) ? storeChunk(input, output, isLast) : length;
}

function zlibDeflate(input: Uint8Array, output: Uint8Array, level: number, isLast: boolean): number {
  const deflated = deflateRawSync(input, {
    level,
    memLevel: 9,
    finishFlush: isLast ? constants.Z_FINISH : constants.Z_FULL_FLUSH,
    // One output buffer, never a list to be joined.
    chunkSize: Math.max(64, input.length + 64),
  });
  if (deflated.length > output.length) return -1;
  output.set(deflated);
  return deflated.length;
}

function storeChunk(input: Uint8Array, output: Uint8Array, isLast: boolean): number {
  let from = 0;
  let to = 0;
  do {
    const length = Math.min(STORED_MAX, input.length - from);
    output[to] = isLast && from + length === input.length ? 1 : 0;
    output[to + 1] = length & 0xff;
    output[to + 2] = length >>> 8;
    output[to + 3] = ~length & 0xff;
    output[to + 4] = (~length >>> 8) & 0xff;
    output.set(input.subarray(from, from + length), to + STORED_HEADER);
    from += length;
    to += STORED_HEADER + length;
  } while (from < input.length);
  return to;
}

const histogram = new Uint32Array(256);

function isIncompressible(input: Uint8Array): boolean {
  const sampled = SAMPLES * SAMPLE_BYTES;
  if (input.length < sampled) return false;
  histogram.fill(0);
  const stride = Math.floor((input.length - SAMPLE_BYTES) / (SAMPLES - 1));
  for (let sample = 0; sample < SAMPLES; sample++) {
    const start = sample * stride;
    for (let i = start; i < start + SAMPLE_BYTES; i++) {
      const byte = input[i] as number;
      histogram[byte] = (histogram[byte] as number) + 1;
    }
  }
  let bits = 0;
  for (const count of histogram) if (count > 0) bits -= (count / sampled) * Math.log2(count / sampled);
  return bits > INCOMPRESSIBLE_BITS;
}
