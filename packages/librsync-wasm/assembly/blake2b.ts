// BLAKE2b (RFC 7693) with digests of 32 bytes and no key, two messages of equal length at once, one in each 64-bit lane.
// A single message takes both lanes: the hash waits for its own results, so the second lane costs nothing.

const SIGMA: StaticArray<u8> = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
  14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3,
  11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4,
  7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8,
  9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13,
  2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9,
  12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11,
  13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10,
  6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5,
  10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
  14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3,
];

const IV0: u64 = 0x6a09e667f3bcc908, IV1: u64 = 0xbb67ae8584caa73b, IV2: u64 = 0x3c6ef372fe94f82b, IV3: u64 = 0xa54ff53a5f1d36f1;
const IV4: u64 = 0x510e527fade682d1, IV5: u64 = 0x9b05688c2b3e6c1f, IV6: u64 = 0x1f83d9abfb41bd6b, IV7: u64 = 0x5be0cd19137e2179;
/** Digest length 32, no key, fan-out and depth 1. */
const PARAMETERS: u64 = 0x01010020;

/** The present 128 bytes of both messages, word by word. */
const WORDS: usize = memory.data(256, 16);
const PADDED: usize = memory.data(256, 16);

export const BLAKE2B_STATE: usize = 128;

// @ts-ignore: decorator
@inline
function r32(x: v128): v128 {
  return v128.shuffle<u32>(x, x, 1, 0, 3, 2);
}
// @ts-ignore: decorator
@inline
function r24(x: v128): v128 {
  return v128.or(i64x2.shr_u(x, 24), i64x2.shl(x, 40));
}
// @ts-ignore: decorator
@inline
function r16(x: v128): v128 {
  return v128.shuffle<u16>(x, x, 1, 2, 3, 0, 5, 6, 7, 4);
}
// @ts-ignore: decorator
@inline
function r63(x: v128): v128 {
  return v128.or(i64x2.add(x, x), i64x2.shr_u(x, 63));
}
// @ts-ignore: decorator
@inline
function sum3(a: v128, b: v128, m: v128): v128 {
  return i64x2.add(i64x2.add(a, b), m);
}
// @ts-ignore: decorator
@inline
function word(s: usize, i: usize): v128 {
  return v128.load(WORDS + (<usize>load<u8>(s + i) << 4));
}

/** Compresses 128 bytes at p and q; `total` counts them and all before, `last` is all ones for a message's end. */
function compress(state: usize, p: usize, q: usize, total: u64, last: u64): void {
  for (let i: usize = 0; i < 128; i += 16) {
    const x = v128.load(p + i), y = v128.load(q + i);
    v128.store(WORDS + (i << 1), v128.shuffle<u64>(x, y, 0, 2));
    v128.store(WORDS + (i << 1), v128.shuffle<u64>(x, y, 1, 3), 16);
  }
  let v0 = v128.load(state), v1 = v128.load(state, 16), v2 = v128.load(state, 32), v3 = v128.load(state, 48);
  let v4 = v128.load(state, 64), v5 = v128.load(state, 80), v6 = v128.load(state, 96), v7 = v128.load(state, 112);
  let v8 = i64x2.splat(IV0), v9 = i64x2.splat(IV1), v10 = i64x2.splat(IV2), v11 = i64x2.splat(IV3);
  let v12 = i64x2.splat(IV4 ^ total), v13 = i64x2.splat(IV5), v14 = i64x2.splat(IV6 ^ last), v15 = i64x2.splat(IV7);
  const sigma = changetype<usize>(SIGMA);
  for (let s = sigma; s < sigma + 192; s += 16) {
    v0 = sum3(v0, v4, word(s, 0)); v1 = sum3(v1, v5, word(s, 2)); v2 = sum3(v2, v6, word(s, 4)); v3 = sum3(v3, v7, word(s, 6));
    v12 = r32(v128.xor(v12, v0)); v13 = r32(v128.xor(v13, v1)); v14 = r32(v128.xor(v14, v2)); v15 = r32(v128.xor(v15, v3));
    v8 = i64x2.add(v8, v12); v9 = i64x2.add(v9, v13); v10 = i64x2.add(v10, v14); v11 = i64x2.add(v11, v15);
    v4 = r24(v128.xor(v4, v8)); v5 = r24(v128.xor(v5, v9)); v6 = r24(v128.xor(v6, v10)); v7 = r24(v128.xor(v7, v11));
    v0 = sum3(v0, v4, word(s, 1)); v1 = sum3(v1, v5, word(s, 3)); v2 = sum3(v2, v6, word(s, 5)); v3 = sum3(v3, v7, word(s, 7));
    v12 = r16(v128.xor(v12, v0)); v13 = r16(v128.xor(v13, v1)); v14 = r16(v128.xor(v14, v2)); v15 = r16(v128.xor(v15, v3));
    v8 = i64x2.add(v8, v12); v9 = i64x2.add(v9, v13); v10 = i64x2.add(v10, v14); v11 = i64x2.add(v11, v15);
    v4 = r63(v128.xor(v4, v8)); v5 = r63(v128.xor(v5, v9)); v6 = r63(v128.xor(v6, v10)); v7 = r63(v128.xor(v7, v11));
    v0 = sum3(v0, v5, word(s, 8)); v1 = sum3(v1, v6, word(s, 10)); v2 = sum3(v2, v7, word(s, 12)); v3 = sum3(v3, v4, word(s, 14));
    v15 = r32(v128.xor(v15, v0)); v12 = r32(v128.xor(v12, v1)); v13 = r32(v128.xor(v13, v2)); v14 = r32(v128.xor(v14, v3));
    v10 = i64x2.add(v10, v15); v11 = i64x2.add(v11, v12); v8 = i64x2.add(v8, v13); v9 = i64x2.add(v9, v14);
    v5 = r24(v128.xor(v5, v10)); v6 = r24(v128.xor(v6, v11)); v7 = r24(v128.xor(v7, v8)); v4 = r24(v128.xor(v4, v9));
    v0 = sum3(v0, v5, word(s, 9)); v1 = sum3(v1, v6, word(s, 11)); v2 = sum3(v2, v7, word(s, 13)); v3 = sum3(v3, v4, word(s, 15));
    v15 = r16(v128.xor(v15, v0)); v12 = r16(v128.xor(v12, v1)); v13 = r16(v128.xor(v13, v2)); v14 = r16(v128.xor(v14, v3));
    v10 = i64x2.add(v10, v15); v11 = i64x2.add(v11, v12); v8 = i64x2.add(v8, v13); v9 = i64x2.add(v9, v14);
    v5 = r63(v128.xor(v5, v10)); v6 = r63(v128.xor(v6, v11)); v7 = r63(v128.xor(v7, v8)); v4 = r63(v128.xor(v4, v9));
  }
  v128.store(state, v128.xor(v128.load(state), v128.xor(v0, v8)));
  v128.store(state, v128.xor(v128.load(state, 16), v128.xor(v1, v9)), 16);
  v128.store(state, v128.xor(v128.load(state, 32), v128.xor(v2, v10)), 32);
  v128.store(state, v128.xor(v128.load(state, 48), v128.xor(v3, v11)), 48);
  v128.store(state, v128.xor(v128.load(state, 64), v128.xor(v4, v12)), 64);
  v128.store(state, v128.xor(v128.load(state, 80), v128.xor(v5, v13)), 80);
  v128.store(state, v128.xor(v128.load(state, 96), v128.xor(v6, v14)), 96);
  v128.store(state, v128.xor(v128.load(state, 112), v128.xor(v7, v15)), 112);
}

export function blake2bInit(state: usize): void {
  v128.store(state, i64x2.splat(IV0 ^ PARAMETERS)); v128.store(state, i64x2.splat(IV1), 16);
  v128.store(state, i64x2.splat(IV2), 32); v128.store(state, i64x2.splat(IV3), 48);
  v128.store(state, i64x2.splat(IV4), 64); v128.store(state, i64x2.splat(IV5), 80);
  v128.store(state, i64x2.splat(IV6), 96); v128.store(state, i64x2.splat(IV7), 112);
}

/** Adds `length` bytes, a multiple of 128, at p and q, behind which more must follow; `before` bytes came before. */
export function blake2bUpdate(state: usize, p: usize, q: usize, length: u32, before: u64): void {
  for (let i: u32 = 0; i < length; i += 128) compress(state, p + i, q + i, before + i + 128, 0);
}

/** Adds the last `length` bytes, at p and q, of messages of `total`. The digests are the even and the odd words of the state. */
export function blake2bFinal(state: usize, p: usize, q: usize, length: u32, total: u64): void {
  const whole = length ? (length - 1) & ~127 : 0, rest = length - whole;
  blake2bUpdate(state, p, q, whole, total - length);
  memory.fill(PADDED, 0, 256);
  memory.copy(PADDED, p + whole, rest);
  memory.copy(PADDED + 128, q + whole, rest);
  compress(state, PADDED, PADDED + 128, total, -1);
}

const STATE: usize = memory.data(128, 16);

/** BLAKE2b of `length` bytes at p and of as many at q, to 32 bytes at `to` and 32 behind them. */
export function blake2bx2(p: usize, q: usize, length: u32, to: usize): void {
  blake2bInit(STATE);
  blake2bFinal(STATE, p, q, length, length);
  for (let i: usize = 0; i < 2; ++i) blake2bDigest(STATE, i, to + (i << 5));
}

/** Takes the digest of one lane out of the state. */
export function blake2bDigest(state: usize, lane: usize, to: usize): void {
  for (let i: usize = 0; i < 4; ++i) store<u64>(to + (i << 3), load<u64>(state + (i << 4) + (lane << 3)));
}
