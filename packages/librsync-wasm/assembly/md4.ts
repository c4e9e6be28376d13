// MD4 (RFC 1320): one message at a time, and four messages of equal length at once, one in each 32-bit lane.
// The digest is bound by the latency of its chain of 48 additions and rotations, so lanes come almost for free.

/** Where tails are padded: four lanes of two 64-byte blocks. */
const PADDED: usize = memory.data(4 * 128, 16);

// --- one message ---------------------------------------------------------------------------------------------------

// @ts-ignore: decorator
@inline
function f1(a: u32, b: u32, c: u32, d: u32, x: u32, s: u32): u32 {
  return rotl<u32>(a + x + (d ^ (b & (c ^ d))), s);
}
// @ts-ignore: decorator
@inline
function g1(a: u32, b: u32, c: u32, d: u32, x: u32, s: u32): u32 {
  return rotl<u32>(a + (x + 0x5a827999) + ((b & c) | (d & (b | c))), s);
}
// @ts-ignore: decorator
@inline
function h1(a: u32, b: u32, c: u32, d: u32, x: u32, s: u32): u32 {
  return rotl<u32>(a + (x + 0x6ed9eba1) + (b ^ (c ^ d)), s);
}
// @ts-ignore: decorator
@inline
function x1(p: usize, k: usize): u32 {
  return load<u32>(p + (k << 2));
}

/** Runs `chunks` blocks of 64 bytes at `p` through the state of four words at `state`. */
export function md4Chunks(p: usize, chunks: u32, state: usize): void {
  let a = load<u32>(state), b = load<u32>(state, 4), c = load<u32>(state, 8), d = load<u32>(state, 12);
  for (; chunks > 0; --chunks, p += 64) {
    const a0 = a, b0 = b, c0 = c, d0 = d;
    a = f1(a, b, c, d, x1(p, 0), 3); d = f1(d, a, b, c, x1(p, 1), 7); c = f1(c, d, a, b, x1(p, 2), 11); b = f1(b, c, d, a, x1(p, 3), 19);
    a = f1(a, b, c, d, x1(p, 4), 3); d = f1(d, a, b, c, x1(p, 5), 7); c = f1(c, d, a, b, x1(p, 6), 11); b = f1(b, c, d, a, x1(p, 7), 19);
    a = f1(a, b, c, d, x1(p, 8), 3); d = f1(d, a, b, c, x1(p, 9), 7); c = f1(c, d, a, b, x1(p, 10), 11); b = f1(b, c, d, a, x1(p, 11), 19);
    a = f1(a, b, c, d, x1(p, 12), 3); d = f1(d, a, b, c, x1(p, 13), 7); c = f1(c, d, a, b, x1(p, 14), 11); b = f1(b, c, d, a, x1(p, 15), 19);
    a = g1(a, b, c, d, x1(p, 0), 3); d = g1(d, a, b, c, x1(p, 4), 5); c = g1(c, d, a, b, x1(p, 8), 9); b = g1(b, c, d, a, x1(p, 12), 13);
    a = g1(a, b, c, d, x1(p, 1), 3); d = g1(d, a, b, c, x1(p, 5), 5); c = g1(c, d, a, b, x1(p, 9), 9); b = g1(b, c, d, a, x1(p, 13), 13);
    a = g1(a, b, c, d, x1(p, 2), 3); d = g1(d, a, b, c, x1(p, 6), 5); c = g1(c, d, a, b, x1(p, 10), 9); b = g1(b, c, d, a, x1(p, 14), 13);
    a = g1(a, b, c, d, x1(p, 3), 3); d = g1(d, a, b, c, x1(p, 7), 5); c = g1(c, d, a, b, x1(p, 11), 9); b = g1(b, c, d, a, x1(p, 15), 13);
    a = h1(a, b, c, d, x1(p, 0), 3); d = h1(d, a, b, c, x1(p, 8), 9); c = h1(c, d, a, b, x1(p, 4), 11); b = h1(b, c, d, a, x1(p, 12), 15);
    a = h1(a, b, c, d, x1(p, 2), 3); d = h1(d, a, b, c, x1(p, 10), 9); c = h1(c, d, a, b, x1(p, 6), 11); b = h1(b, c, d, a, x1(p, 14), 15);
    a = h1(a, b, c, d, x1(p, 1), 3); d = h1(d, a, b, c, x1(p, 9), 9); c = h1(c, d, a, b, x1(p, 5), 11); b = h1(b, c, d, a, x1(p, 13), 15);
    a = h1(a, b, c, d, x1(p, 3), 3); d = h1(d, a, b, c, x1(p, 11), 9); c = h1(c, d, a, b, x1(p, 7), 11); b = h1(b, c, d, a, x1(p, 15), 15);
    a += a0; b += b0; c += c0; d += d0;
  }
  store<u32>(state, a); store<u32>(state, b, 4); store<u32>(state, c, 8); store<u32>(state, d, 12);
}

/** Sets the four words of a state to RFC 1320's initial values. */
export function md4Init(state: usize): void {
  store<u32>(state, 0x67452301); store<u32>(state, 0xefcdab89, 4); store<u32>(state, 0x98badcfe, 8); store<u32>(state, 0x10325476, 12);
}

/** Copies the last `rest` (< 64) bytes of a message of `length` bytes to `to` and pads them; returns 1 or 2 chunks. */
function pad(p: usize, rest: u32, length: u64, to: usize): u32 {
  memory.copy(to, p, rest);
  store<u8>(to + rest, 0x80);
  const chunks: u32 = rest < 56 ? 1 : 2;
  const end = (chunks << 6) - 8;
  memory.fill(to + rest + 1, 0, end - rest - 1);
  store<u64>(to + end, length << 3);
  return chunks;
}

/** Finishes a streamed message: `rest` bytes at `p` are left, `length` bytes in all. The digest is the state. */
export function md4Final(p: usize, rest: u32, length: u64, state: usize): void {
  const whole = rest >> 6;
  md4Chunks(p, whole, state);
  const chunks = pad(p + (whole << 6), rest & 63, length, PADDED);
  md4Chunks(PADDED, chunks, state);
}

/** MD4 of `length` bytes at `p`, to 16 bytes at `to`. */
export function md4(p: usize, length: u32, to: usize): void {
  md4Init(to);
  md4Final(p, length, length, to);
}

// --- four messages, one in each lane -------------------------------------------------------------------------------

// @ts-ignore: decorator
@inline
function rotl4(v: v128, s: i32): v128 {
  return v128.or(i32x4.shl(v, s), i32x4.shr_u(v, 32 - s));
}
// @ts-ignore: decorator
@inline
function f4(a: v128, b: v128, c: v128, d: v128, x: v128, s: i32): v128 {
  return rotl4(i32x4.add(i32x4.add(a, x), v128.xor(d, v128.and(b, v128.xor(c, d)))), s);
}
// @ts-ignore: decorator
@inline
function g4(a: v128, b: v128, c: v128, d: v128, x: v128, s: i32): v128 {
  return rotl4(i32x4.add(i32x4.add(a, i32x4.add(x, i32x4.splat(0x5a827999))), v128.or(v128.and(c, d), v128.and(b, v128.or(c, d)))), s);
}
// @ts-ignore: decorator
@inline
function h4(a: v128, b: v128, c: v128, d: v128, x: v128, s: i32): v128 {
  return rotl4(i32x4.add(i32x4.add(a, i32x4.add(x, i32x4.splat(0x6ed9eba1))), v128.xor(b, v128.xor(c, d))), s);
}

/** Four messages: `chunks` blocks of 64 bytes each at p0…p3; the state is four vectors at `state`. */
function md4Chunks4(p0: usize, p1: usize, p2: usize, p3: usize, chunks: u32, state: usize): void {
  let a = v128.load(state), b = v128.load(state, 16), c = v128.load(state, 32), d = v128.load(state, 48);
  for (; chunks > 0; --chunks, p0 += 64, p1 += 64, p2 += 64, p3 += 64) {
    const a0 = a, b0 = b, c0 = c, d0 = d;
    let r0 = v128.load(p0), r1 = v128.load(p1), r2 = v128.load(p2), r3 = v128.load(p3);
    let t0 = v128.shuffle<u32>(r0, r1, 0, 4, 1, 5), t1 = v128.shuffle<u32>(r0, r1, 2, 6, 3, 7), t2 = v128.shuffle<u32>(r2, r3, 0, 4, 1, 5), t3 = v128.shuffle<u32>(r2, r3, 2, 6, 3, 7);
    const x0 = v128.shuffle<u64>(t0, t2, 0, 2), x1 = v128.shuffle<u64>(t0, t2, 1, 3), x2 = v128.shuffle<u64>(t1, t3, 0, 2), x3 = v128.shuffle<u64>(t1, t3, 1, 3);
    a = f4(a, b, c, d, x0, 3); d = f4(d, a, b, c, x1, 7); c = f4(c, d, a, b, x2, 11); b = f4(b, c, d, a, x3, 19);
    r0 = v128.load(p0, 16), r1 = v128.load(p1, 16), r2 = v128.load(p2, 16), r3 = v128.load(p3, 16);
    t0 = v128.shuffle<u32>(r0, r1, 0, 4, 1, 5), t1 = v128.shuffle<u32>(r0, r1, 2, 6, 3, 7), t2 = v128.shuffle<u32>(r2, r3, 0, 4, 1, 5), t3 = v128.shuffle<u32>(r2, r3, 2, 6, 3, 7);
    const x4 = v128.shuffle<u64>(t0, t2, 0, 2), x5 = v128.shuffle<u64>(t0, t2, 1, 3), x6 = v128.shuffle<u64>(t1, t3, 0, 2), x7 = v128.shuffle<u64>(t1, t3, 1, 3);
    a = f4(a, b, c, d, x4, 3); d = f4(d, a, b, c, x5, 7); c = f4(c, d, a, b, x6, 11); b = f4(b, c, d, a, x7, 19);
    r0 = v128.load(p0, 32), r1 = v128.load(p1, 32), r2 = v128.load(p2, 32), r3 = v128.load(p3, 32);
    t0 = v128.shuffle<u32>(r0, r1, 0, 4, 1, 5), t1 = v128.shuffle<u32>(r0, r1, 2, 6, 3, 7), t2 = v128.shuffle<u32>(r2, r3, 0, 4, 1, 5), t3 = v128.shuffle<u32>(r2, r3, 2, 6, 3, 7);
    const x8 = v128.shuffle<u64>(t0, t2, 0, 2), x9 = v128.shuffle<u64>(t0, t2, 1, 3), x10 = v128.shuffle<u64>(t1, t3, 0, 2), x11 = v128.shuffle<u64>(t1, t3, 1, 3);
    a = f4(a, b, c, d, x8, 3); d = f4(d, a, b, c, x9, 7); c = f4(c, d, a, b, x10, 11); b = f4(b, c, d, a, x11, 19);
    r0 = v128.load(p0, 48), r1 = v128.load(p1, 48), r2 = v128.load(p2, 48), r3 = v128.load(p3, 48);
    t0 = v128.shuffle<u32>(r0, r1, 0, 4, 1, 5), t1 = v128.shuffle<u32>(r0, r1, 2, 6, 3, 7), t2 = v128.shuffle<u32>(r2, r3, 0, 4, 1, 5), t3 = v128.shuffle<u32>(r2, r3, 2, 6, 3, 7);
    const x12 = v128.shuffle<u64>(t0, t2, 0, 2), x13 = v128.shuffle<u64>(t0, t2, 1, 3), x14 = v128.shuffle<u64>(t1, t3, 0, 2), x15 = v128.shuffle<u64>(t1, t3, 1, 3);
    a = f4(a, b, c, d, x12, 3); d = f4(d, a, b, c, x13, 7); c = f4(c, d, a, b, x14, 11); b = f4(b, c, d, a, x15, 19);
    a = g4(a, b, c, d, x0, 3); d = g4(d, a, b, c, x4, 5); c = g4(c, d, a, b, x8, 9); b = g4(b, c, d, a, x12, 13);
    a = g4(a, b, c, d, x1, 3); d = g4(d, a, b, c, x5, 5); c = g4(c, d, a, b, x9, 9); b = g4(b, c, d, a, x13, 13);
    a = g4(a, b, c, d, x2, 3); d = g4(d, a, b, c, x6, 5); c = g4(c, d, a, b, x10, 9); b = g4(b, c, d, a, x14, 13);
    a = g4(a, b, c, d, x3, 3); d = g4(d, a, b, c, x7, 5); c = g4(c, d, a, b, x11, 9); b = g4(b, c, d, a, x15, 13);
    a = h4(a, b, c, d, x0, 3); d = h4(d, a, b, c, x8, 9); c = h4(c, d, a, b, x4, 11); b = h4(b, c, d, a, x12, 15);
    a = h4(a, b, c, d, x2, 3); d = h4(d, a, b, c, x10, 9); c = h4(c, d, a, b, x6, 11); b = h4(b, c, d, a, x14, 15);
    a = h4(a, b, c, d, x1, 3); d = h4(d, a, b, c, x9, 9); c = h4(c, d, a, b, x5, 11); b = h4(b, c, d, a, x13, 15);
    a = h4(a, b, c, d, x3, 3); d = h4(d, a, b, c, x11, 9); c = h4(c, d, a, b, x7, 11); b = h4(b, c, d, a, x15, 15);
    a = i32x4.add(a, a0); b = i32x4.add(b, b0); c = i32x4.add(c, c0); d = i32x4.add(d, d0);
  }
  v128.store(state, a); v128.store(state, b, 16); v128.store(state, c, 32); v128.store(state, d, 48);
}

/** MD4 of four messages of `length` bytes at p0…p3; four digests of 16 bytes go to `to`, 32 bytes apart. */
export function md4x4(p0: usize, p1: usize, p2: usize, p3: usize, length: u32, to: usize): void {
  v128.store(to, i32x4.splat(0x67452301)); v128.store(to, i32x4.splat(0xefcdab89), 16);
  v128.store(to, i32x4.splat(0x98badcfe), 32); v128.store(to, i32x4.splat(0x10325476), 48);
  md4Chunks4(p0, p1, p2, p3, length >> 6, to);
  const whole = length & ~63, rest = length & 63;
  const chunks = pad(p0 + whole, rest, length, PADDED);
  pad(p1 + whole, rest, length, PADDED + 128);
  pad(p2 + whole, rest, length, PADDED + 256);
  pad(p3 + whole, rest, length, PADDED + 384);
  md4Chunks4(PADDED, PADDED + 128, PADDED + 256, PADDED + 384, chunks, to);
  const a = v128.load(to), b = v128.load(to, 16), c = v128.load(to, 32), d = v128.load(to, 48);
  const t0 = v128.shuffle<u32>(a, b, 0, 4, 1, 5), t1 = v128.shuffle<u32>(a, b, 2, 6, 3, 7), t2 = v128.shuffle<u32>(c, d, 0, 4, 1, 5), t3 = v128.shuffle<u32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<u64>(t0, t2, 0, 2)); v128.store(to, v128.shuffle<u64>(t0, t2, 1, 3), 32);
  v128.store(to, v128.shuffle<u64>(t1, t3, 0, 2), 64); v128.store(to, v128.shuffle<u64>(t1, t3, 1, 3), 96);
}
