/**
 * CRC-32 (gzip, RFC 1952) and Adler-32 (zlib, RFC 1950), each with the combination of two adjacent
 * parts: chunks are summed where they are compressed, and the sums are joined in order.
 */
import { crc32 as zlibCrc32 } from 'node:zlib';

/** CRC-32 of `bytes`, continued from `previous`. Unsigned. */
export function crc32(bytes: Uint8Array, previous = 0): number {
  return zlibCrc32(bytes, previous);
}

/**
 * The CRC-32 of two parts laid end to end, from the CRC of each and the length of the second.
 * Appending n zero bytes is a linear map over GF(2); it is applied by repeated squaring, O(log n).
 */
export function crc32Combine(first: number, second: number, secondLength: number): number {
  if (secondLength <= 0) return first >>> 0;
  // Multiplication by x^8 modulo the reflected polynomial appends one zero byte.
  let factor = 0x00800000;
  let shifted = first >>> 0;
  let count = secondLength;
  while (count > 0) {
    if (count % 2 === 1) shifted = multiplyModP(factor, shifted);
    factor = multiplyModP(factor, factor);
    count = Math.floor(count / 2);
  }
  return (shifted ^ second) >>> 0;
}

/** Product of two polynomials modulo the CRC-32 polynomial, both with reflected bits (x^0 is the top bit). */
function multiplyModP(a: number, b: number): number {
  let product = 0;
  let term = b;
  for (let bit = 31; bit >= 0; bit--) {
    if ((a >>> bit) & 1) product ^= term;
    term = term & 1 ? (term >>> 1) ^ 0xedb88320 : term >>> 1;
  }
  return product >>> 0;
}

const ADLER_BASE = 65521;
/** The most bytes that can be summed before the sums leave 31 bits, and with them V8's small integers. */
const ADLER_RUN = 3800;

/** Adler-32 of `bytes`, continued from `previous` (1 is the sum of nothing). Unsigned. */
export function adler32(bytes: Uint8Array, previous = 1): number {
  let a = previous & 0xffff;
  let b = previous >>> 16;
  let position = 0;
  while (position < bytes.length) {
    const end = Math.min(bytes.length, position + ADLER_RUN);
    while (position < end) {
      a += bytes[position++] as number;
      b += a;
    }
    a %= ADLER_BASE;
    b %= ADLER_BASE;
  }
  return ((b << 16) | a) >>> 0;
}

/** The Adler-32 of two parts laid end to end. */
export function adler32Combine(first: number, second: number, secondLength: number): number {
  const remainder = secondLength % ADLER_BASE;
  const a1 = first & 0xffff;
  const a = (a1 + (second & 0xffff) + ADLER_BASE - 1) % ADLER_BASE;
  const b = ((first >>> 16) + (second >>> 16) + remainder * (a1 + ADLER_BASE - 1)) % ADLER_BASE;
  return ((b << 16) | a) >>> 0;
}
