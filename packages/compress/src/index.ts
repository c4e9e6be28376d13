/**
 * @redup/compress: bulk bytes to deflate and back.
 *
 * `DeflateRing` compresses in worker threads while the caller stays synchronous; `inflateRaw`,
 * `inflate` and `gunzip` read what anybody compressed, in bounded memory and without mercy for
 * damage. Checksums and the gzip frame are here because both directions need them.
 */
export { adler32, adler32Combine, crc32, crc32Combine } from './checksums.js';
export { type DeflatedChunk, DeflateRing, type DeflateRingOptions } from './deflate-ring.js';
export { deflate } from './deflate-stream.js';
export { CompressError, type CompressErrorCode } from './errors.js';
export { type GzipOptions, gzip, gzipHeader, gzipTrailer } from './gzip.js';
export { gunzip, type InflateOptions, inflate, inflateRaw } from './inflate.js';
