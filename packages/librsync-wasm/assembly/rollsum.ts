// The classic rolling checksum of rsync as librsync writes it: modulo 2^16, every byte counted 31 higher than it is,
// s1 = sum of the bytes, s2 = sum of all s1 so far; the digest is s2 << 16 | s1.

/** Continues the digest `sum` with `length` bytes at `p`. */
export function rollsum(sum: u32, p: usize, length: u32): u32 {
  const n = length;
  let s1: u32 = 0, s2: u32 = 0;
  // Sixteen bytes a step, as for Adler-32: `before` adds up what s1 was before each step, and counts sixteenfold.
  let sums = i32x4.splat(0), before = i32x4.splat(0), weighted = i32x4.splat(0);
  const high = i16x8(16, 15, 14, 13, 12, 11, 10, 9), low = i16x8(8, 7, 6, 5, 4, 3, 2, 1);
  while (length >= 16) {
    const v = v128.load(p);
    before = i32x4.add(before, sums);
    sums = i32x4.add(sums, i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(v)));
    weighted = i32x4.add(weighted, i32x4.add(i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(v), high), i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(v), low)));
    p += 16;
    length -= 16;
  }
  s1 = across(sums);
  s2 = (across(before) << 4) + across(weighted);
  for (; length > 0; --length, ++p) {
    s1 += load<u8>(p);
    s2 += s1;
  }
  s1 += 31 * n;
  s2 += 31 * <u32>((<u64>n * (<u64>n + 1)) >> 1);
  s2 += (sum >>> 16) + n * (sum & 0xffff);
  s1 += sum & 0xffff;
  return (s2 << 16) | (s1 & 0xffff);
}

// @ts-ignore: decorator
@inline
function across(v: v128): u32 {
  return i32x4.extract_lane(v, 0) + i32x4.extract_lane(v, 1) + i32x4.extract_lane(v, 2) + i32x4.extract_lane(v, 3);
}
