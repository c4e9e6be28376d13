// Rolling: the weak sum of every position of unmatched data, several positions a step and without a branch but one: has any
// of them passed the filter? This is the loop that decides how fast new data is searched: `npm run bench` measures it.

import { M, M_INVERSE, power } from './rabinkarp';
import { weakKind } from './sums';
import { blockLength, filter, filterAgain, filterShift, findWeak, multiplier, passes, passes4, passesAgain4 } from './table';

/** Position and its weak sum: in and out. */
export let rollAt: usize = 0;
export let rollSum: u32 = 0;
/** Primary entry of the weak sum where rolling stopped. */
export let rollEntry: u32 = 0;

const SUMS: usize = memory.data(64, 16);

/** Positions before this one are passed over, whatever their weak sum: see search.ts. */
let resumeAt: usize = 0;

/**
 * Moves from `p`, whose weak sum is `sum`, by up to `steps`, to the first position at or behind `resume` whose weak sum some
 * block has: then true.
 */
export function roll(p: usize, sum: u32, steps: u32, resume: usize): bool {
  resumeAt = resume;
  return weakKind ? rollRabinKarp(p, sum, steps) : rollRollsum(p, sum, steps);
}

function stop(p: usize, sum: u32): bool {
  if (p < resumeAt || !passes(sum)) return false;
  rollEntry = findWeak(sum);
  if (!rollEntry) return false;
  rollAt = p;
  rollSum = sum;
  return true;
}

function keep(a: v128, b: v128, c: v128, d: v128): void {
  v128.store(SUMS, a);
  v128.store(SUMS, b, 16);
  v128.store(SUMS, c, 32);
  v128.store(SUMS, d, 48);
}

/** In each lane, the sum of the lanes up to it. */
// @ts-ignore: decorator
@inline
function upTo8(x: v128): v128 {
  const zero = i16x8.splat(0);
  x = i16x8.add(x, v128.shuffle<u16>(zero, x, 7, 8, 9, 10, 11, 12, 13, 14));
  x = i16x8.add(x, v128.shuffle<u16>(zero, x, 6, 7, 8, 9, 10, 11, 12, 13));
  return i16x8.add(x, v128.shuffle<u16>(zero, x, 4, 5, 6, 7, 8, 9, 10, 11));
}

// @ts-ignore: decorator
@inline
function eighth(x: v128): v128 {
  return v128.shuffle<u16>(x, x, 7, 7, 7, 7, 7, 7, 7, 7);
}

/** The first four sums of eight, and the last. */
// @ts-ignore: decorator
@inline
function lows(s1: v128, s2: v128): v128 {
  return v128.shuffle<u16>(s1, s2, 0, 8, 1, 9, 2, 10, 3, 11);
}

// @ts-ignore: decorator
@inline
function highs(s1: v128, s2: v128): v128 {
  return v128.shuffle<u16>(s1, s2, 4, 12, 5, 13, 6, 14, 7, 15);
}

function rollRollsum(p: usize, sum: u32, steps: u32): bool {
  const length = blockLength, at = i32x4.splat(<i32>filter), again = i32x4.splat(<i32>filterAgain), shift = filterShift;
  // All of it modulo 2^16, so eight positions fit a vector: sums over the lanes so far give s1, sums over these s2.
  const factors = i32x4.splat(multiplier), lengths = i16x8.splat(<i16>length), offsets = i16x8.splat(<i16>(31 * length));
  const ramp = i16x8(1, 2, 3, 4, 5, 6, 7, 8);
  let s1 = i16x8.splat(<i16>sum), s2 = i16x8.splat(<i16>(sum >>> 16));
  for (; steps >= 16; steps -= 16, p += 16) {
    const gone0 = v128.load_ext<u8>(p), gone1 = v128.load_ext<u8>(p, 8);
    const x0 = upTo8(i16x8.sub(v128.load_ext<u8>(p + length), gone0)), x1 = upTo8(i16x8.sub(v128.load_ext<u8>(p + length, 8), gone1));
    const y0 = upTo8(i16x8.sub(i16x8.sub(x0, offsets), i16x8.mul(lengths, gone0)));
    const y1 = upTo8(i16x8.sub(i16x8.sub(x1, offsets), i16x8.mul(lengths, gone1)));
    const v0 = i16x8.add(s1, x0), w0 = i16x8.add(i16x8.add(s2, y0), i16x8.mul(s1, ramp));
    s1 = eighth(v0);
    s2 = eighth(w0);
    const v1 = i16x8.add(s1, x1), w1 = i16x8.add(i16x8.add(s2, y1), i16x8.mul(s1, ramp));
    s1 = eighth(v1);
    s2 = eighth(w1);
    const z0 = lows(v0, w0), z1 = highs(v0, w0), z2 = lows(v1, w1), z3 = highs(v1, w1);
    const h0 = i32x4.mul(z0, factors), h1 = i32x4.mul(z1, factors), h2 = i32x4.mul(z2, factors), h3 = i32x4.mul(z3, factors);
    const hits0 = passes4(h0, at, shift), hits1 = passes4(h1, at, shift), hits2 = passes4(h2, at, shift), hits3 = passes4(h3, at, shift);
    if (v128.any_true(v128.or(v128.or(hits0, hits1), v128.or(hits2, hits3))) && p + 16 >= resumeAt) {
      let hits = i32x4.bitmask(v128.and(hits0, passesAgain4(h0, again, shift))) | (i32x4.bitmask(v128.and(hits1, passesAgain4(h1, again, shift))) << 4)
        | (i32x4.bitmask(v128.and(hits2, passesAgain4(h2, again, shift))) << 8) | (i32x4.bitmask(v128.and(hits3, passesAgain4(h3, again, shift))) << 12);
      if (hits) {
        keep(z0, z1, z2, z3);
        for (; hits; hits &= hits - 1) {
          const i = ctz(hits);
          if (stop(p + i + 1, load<u32>(SUMS + (i << 2)))) return true;
        }
      }
    }
  }
  sum = <u32>i16x8.extract_lane_u(s1, 0) | (<u32>i16x8.extract_lane_u(s2, 0) << 16);
  for (; steps > 0; --steps) {
    const gone: u32 = load<u8>(p) + 31, come: u32 = load<u8>(p + length) + 31;
    const low = (sum & 0xffff) + come - gone;
    sum = (low & 0xffff) | (((sum >>> 16) + low - length * gone) << 16);
    if (stop(++p, sum)) return true;
  }
  rollAt = p;
  rollSum = sum;
  return false;
}

// @ts-ignore: decorator
@inline
function upTo(x: v128): v128 {
  const zero = i32x4.splat(0);
  x = i32x4.add(x, v128.shuffle<u32>(zero, x, 3, 4, 5, 6));
  return i32x4.add(x, v128.shuffle<u32>(zero, x, 2, 3, 4, 5));
}

// @ts-ignore: decorator
@inline
function fourth(x: v128): v128 {
  return v128.shuffle<u32>(x, x, 3, 3, 3, 3);
}

// @ts-ignore: decorator
@inline
function powers(first: u32, ratio: u32): v128 {
  const second = first * ratio, third = second * ratio;
  return i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(first), 1, second), 2, third), 3, third * ratio);
}

function rollRabinKarp(p: usize, sum: u32, steps: u32): bool {
  const length = blockLength, at = i32x4.splat(<i32>filter), again = i32x4.splat(<i32>filterAgain), shift = filterShift;
  // sum(k) = M^k · (sum + Σ x(j) · M^-(j+1)) with x = come - M^length · (gone + M - 1): the products with powers that are
  // the same at each step don't wait for each other. The filter's factor is multiplied into the powers M^k beforehand.
  const leading = power(length), factor = multiplier;
  const lead = i32x4.splat(leading), constant = i32x4.splat(leading * (M - 1));
  const down0 = powers(M_INVERSE, M_INVERSE), fourDown = i32x4.splat(M_INVERSE * M_INVERSE * M_INVERSE * M_INVERSE);
  const down1 = i32x4.mul(down0, fourDown), down2 = i32x4.mul(down1, fourDown), down3 = i32x4.mul(down2, fourDown);
  const up0 = powers(M * factor, M), fourUp = i32x4.splat(M * M * M * M);
  const up1 = i32x4.mul(up0, fourUp), up2 = i32x4.mul(up1, fourUp), up3 = i32x4.mul(up2, fourUp);
  const sixteenUp = power(16);
  for (; steps >= 16; steps -= 16, p += 16) {
    const gone = v128.load(p), come = v128.load(p + length);
    const goneLow = i16x8.extend_low_i8x16_u(gone), goneHigh = i16x8.extend_high_i8x16_u(gone);
    const comeLow = i16x8.extend_low_i8x16_u(come), comeHigh = i16x8.extend_high_i8x16_u(come);
    const start = i32x4.splat(sum);
    const x0 = i32x4.sub(i32x4.sub(i32x4.extend_low_i16x8_u(comeLow), constant), i32x4.mul(lead, i32x4.extend_low_i16x8_u(goneLow)));
    const x1 = i32x4.sub(i32x4.sub(i32x4.extend_high_i16x8_u(comeLow), constant), i32x4.mul(lead, i32x4.extend_high_i16x8_u(goneLow)));
    const x2 = i32x4.sub(i32x4.sub(i32x4.extend_low_i16x8_u(comeHigh), constant), i32x4.mul(lead, i32x4.extend_low_i16x8_u(goneHigh)));
    const x3 = i32x4.sub(i32x4.sub(i32x4.extend_high_i16x8_u(comeHigh), constant), i32x4.mul(lead, i32x4.extend_high_i16x8_u(goneHigh)));
    const y0 = upTo(i32x4.mul(x0, down0)), y1 = i32x4.add(upTo(i32x4.mul(x1, down1)), fourth(y0));
    const y2 = i32x4.add(upTo(i32x4.mul(x2, down2)), fourth(y1)), y3 = i32x4.add(upTo(i32x4.mul(x3, down3)), fourth(y2));
    const z0 = i32x4.add(start, y0), z1 = i32x4.add(start, y1), z2 = i32x4.add(start, y2), z3 = i32x4.add(start, y3);
    const h0 = i32x4.mul(z0, up0), h1 = i32x4.mul(z1, up1), h2 = i32x4.mul(z2, up2), h3 = i32x4.mul(z3, up3);
    const hits0 = passes4(h0, at, shift), hits1 = passes4(h1, at, shift), hits2 = passes4(h2, at, shift), hits3 = passes4(h3, at, shift);
    if (v128.any_true(v128.or(v128.or(hits0, hits1), v128.or(hits2, hits3))) && p + 16 >= resumeAt) {
      let hits = i32x4.bitmask(v128.and(hits0, passesAgain4(h0, again, shift))) | (i32x4.bitmask(v128.and(hits1, passesAgain4(h1, again, shift))) << 4)
        | (i32x4.bitmask(v128.and(hits2, passesAgain4(h2, again, shift))) << 8) | (i32x4.bitmask(v128.and(hits3, passesAgain4(h3, again, shift))) << 12);
      if (hits) {
        keep(z0, z1, z2, z3);
        for (; hits; hits &= hits - 1) {
          const i = ctz(hits);
          if (stop(p + i + 1, load<u32>(SUMS + (i << 2)) * power(i + 1))) return true;
        }
      }
    }
    sum = i32x4.extract_lane(z3, 3) * sixteenUp;
  }
  for (; steps > 0; --steps) {
    sum = sum * M + load<u8>(p + length) - leading * (load<u8>(p) + (M - 1));
    if (stop(++p, sum)) return true;
  }
  rollAt = p;
  rollSum = sum;
  return false;
}

/** The power of M that belongs to the first of the bytes left at the end. */
let endPower: u32 = 1;

/** Before the first `rollOut` of the last `length` bytes. */
export function rollOutBegin(length: u32): void {
  endPower = power(length - 1);
}

/** The weak sum of the last `length` bytes without the first of them, which is at `p`. */
export function rollOut(sum: u32, p: usize, length: u32): u32 {
  const gone: u32 = load<u8>(p);
  if (weakKind) {
    sum -= endPower * (gone + (M - 1));
    endPower *= M_INVERSE;
    return sum;
  }
  return ((sum & 0xffff) - gone - 31 & 0xffff) | ((sum >>> 16) - length * (gone + 31)) << 16;
}
