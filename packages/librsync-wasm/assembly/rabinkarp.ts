// The Rabin-Karp sum as librsync 2.2 and later write it, modulo 2^32: from 1, each byte multiplies by M and is added.

/** The multiplier, and its inverse modulo 2^32. */
export const M: u32 = 0x08104225;
export const M_INVERSE: u32 = 0x98f009ad;

/** M^63 … M^0, split into signed 16-bit halves: 64 low ones, then 64 high ones. */
const WEIGHTS: usize = memory.data(256, 16);
let M64: u32 = 1;

for (let i: usize = 64; i > 0; --i) {
  const low = <i16>M64;
  store<i16>(WEIGHTS + (i << 1) - 2, low);
  store<i16>(WEIGHTS + 128 + (i << 1) - 2, <i16>((M64 - <u32>low) >>> 16));
  M64 *= M;
}

/** M to the power `n`. */
export function power(n: u32): u32 {
  let result: u32 = 1;
  for (let square = M; n > 0; n >>>= 1, square *= square) if (n & 1) result *= square;
  return result;
}

/** Continues the sum with `length` bytes at `p`. */
export function rabinKarp(sum: u32, p: usize, length: u32): u32 {
  if (length >= 64) {
    // 64 bytes a step: products of bytes and 16-bit halves are added in pairs by one instruction.
    const step = i32x4.splat(M64);
    let total = i32x4.replace_lane(i32x4.splat(0), 0, sum);
    for (; length >= 64; length -= 64, p += 64) {
      let low = i32x4.splat(0), high = i32x4.splat(0);
      for (let i: usize = 0; i < 4; ++i) {
        const v = v128.load(p + (i << 4)), w = WEIGHTS + (i << 5);
        const first = i16x8.extend_low_i8x16_u(v), second = i16x8.extend_high_i8x16_u(v);
        low = i32x4.add(low, i32x4.add(i32x4.dot_i16x8_s(first, v128.load(w)), i32x4.dot_i16x8_s(second, v128.load(w, 16))));
        high = i32x4.add(high, i32x4.add(i32x4.dot_i16x8_s(first, v128.load(w, 128)), i32x4.dot_i16x8_s(second, v128.load(w, 144))));
      }
      total = i32x4.add(i32x4.mul(total, step), i32x4.add(low, i32x4.shl(high, 16)));
    }
    sum = i32x4.extract_lane(total, 0) + i32x4.extract_lane(total, 1) + i32x4.extract_lane(total, 2) + i32x4.extract_lane(total, 3);
  }
  for (; length > 0; --length, ++p) sum = sum * M + load<u8>(p);
  return sum;
}
