// Deflate (RFC 1951) for independent chunks, faster than zlib at the same size: matches come from a table of hash buckets instead
// of chains, and bits are written 64 at a time. One instance serves one thread; `setup` once, then for each chunk: fill the
// input, call `deflate`, read the output.

import { begin, emitBlock, end, literal, match, TOKENS, tokens } from './blocks';

/** Buckets of two positions, the newest in the low half. 16,384 of them take 64 KiB: more find 0.3 % more and miss the cache. */
const HASH_BITS: u32 = 14;
const TABLE_BYTES: i32 = 4 << HASH_BITS;
const WINDOW: u32 = 32768;
const LEAST_MATCH: u32 = 4;
const LONGEST_MATCH: u32 = 258;
/** A match this long is taken without looking whether the next position has a longer one. */
const NICE_MATCH: u32 = 32;
/** Four bytes from further away cost as much as four literals. */
const FAR: u32 = 8192;
/** After so many misses in a row (as a power of two), one more position is passed over at each further one. */
const SKIP_SHIFT: u32 = 6;
/** Room behind the input: matches are compared eight bytes at a time. */
const PADDING: usize = 64;

const table: usize = memory.data(TABLE_BYTES, 64);
/** Constant, so that no access has to look up where the input is. */
const input: usize = (__heap_base + 63) & ~63;
let output: usize = 0;

/** Makes room for chunks of up to `chunkBytes`. */
export function setup(chunkBytes: u32): void {
  output = (input + chunkBytes + PADDING + 63) & ~63;
  // Stored blocks are the most that comes out; a block of codes is only written when it is smaller.
  const last = output + chunkBytes + (chunkBytes >> 12) + 1024;
  const pages = ((last + 0xffff) >> 16) - memory.size();
  if (pages > 0) memory.grow(<i32>pages);
  begin();
}

export function inputAt(): usize {
  return input;
}

export function outputAt(): usize {
  return output;
}

/** Compresses the first `length` bytes of the input; returns the length of the output, which ends on a byte. */
export function deflate(length: u32, lazy: u32, last: u32): u32 {
  memory.fill(table, 0, TABLE_BYTES);
  memory.fill(input + length, 0, PADDING);
  let out = output;
  const stop = input + length;
  // The last bytes can't begin a match.
  const searchStop = length > 8 ? stop - 8 : input;
  const full = tokens + (TOKENS - 2) * 4;
  let token = tokens;
  let p = input;
  let blockStart = input;
  let misses: u32 = 0;
  out = end(out, 0);
  while (p < stop) {
    if (token >= full) {
      out = emitBlock(out, token, blockStart, <u32>(p - blockStart), 0);
      blockStart = p;
      token = tokens;
    }
    if (p >= searchStop) {
      token = literal(token, load<u8>(p++));
      continue;
    }
    let found = find(p, stop);
    if (found == 0) {
      token = literal(token, load<u8>(p++));
      let skip = misses++ >> SKIP_SHIFT;
      while (skip-- > 0 && p < searchStop && token < full) token = literal(token, load<u8>(p++));
      continue;
    }
    misses = 0;
    let looked = p;
    if (lazy) {
      while ((found & 0xffff) < NICE_MATCH && p + 1 < searchStop && token < full) {
        looked = p + 1;
        const later = find(looked, stop);
        if ((later & 0xffff) <= (found & 0xffff)) break;
        token = literal(token, load<u8>(p++));
        found = later;
      }
    }
    token = match(token, found & 0xffff, found >> 16);
    const next = p + (found & 0xffff);
    const insertStop = next < searchStop ? next : searchStop;
    if (lazy) for (let q = looked + 1; q < insertStop; q++) insert(q);
    else if (next - 2 > p && next < searchStop) {
      insert(p + 1);
      insert(next - 2);
    }
    p = next;
  }
  if (token > tokens || last) out = emitBlock(out, token, blockStart, <u32>(stop - blockStart), last);
  if (!last) out = emitBlock(out, tokens, stop, 0, 2);
  return <u32>(end(out, 1) - output);
}

// @ts-ignore: decorator
@inline
function bucketOf(word: u32): usize {
  return table + (<usize>((word * 0x9e3779b1) >> (32 - HASH_BITS)) << 2);
}

/** Positions are kept modulo 65,536: what they point at is compared anyway, so a stale one costs time and nothing else. */
// @ts-ignore: decorator
@inline
function insert(p: usize): void {
  const bucket = bucketOf(load<u32>(p));
  store<u32>(bucket, (load<u32>(bucket) << 16) | (<u32>(p - input) & 0xffff));
}

/** The longest match at `p` among its bucket: distance above length, or 0. Enters `p`. */
function find(p: usize, stop: usize): u32 {
  const word = load<u32>(p);
  const bucket = bucketOf(word);
  const known = load<u32>(bucket);
  const position = <u32>(p - input);
  store<u32>(bucket, (known << 16) | (position & 0xffff));
  const furthest = position < WINDOW ? position : WINDOW;
  let best: u32 = 0;
  let bestDistance: u32 = 0;
  // Distance 0 wraps to the greatest number and is too far.
  let distance = (position - known) & 0xffff;
  if (distance - 1 < furthest && load<u32>(p - distance) == word) {
    best = extend(p, p - distance, stop);
    bestDistance = distance;
  }
  distance = (position - (known >> 16)) & 0xffff;
  if (distance - 1 < furthest && load<u32>(p - distance) == word) {
    const length = extend(p, p - distance, stop);
    if (length > best) {
      best = length;
      bestDistance = distance;
    }
  }
  return best == LEAST_MATCH && bestDistance > FAR ? 0 : (bestDistance << 16) | best;
}

/** How many bytes agree, four of which are known to. */
// @ts-ignore: decorator
@inline
function extend(a: usize, b: usize, stop: usize): u32 {
  const room = <u32>(stop - a);
  const longest = room < LONGEST_MATCH ? room : LONGEST_MATCH;
  let length: u32 = 4;
  while (length < longest) {
    const difference = load<u64>(a + length) ^ load<u64>(b + length);
    if (difference != 0) {
      length += <u32>(ctz(difference) >> 3);
      break;
    }
    length += 8;
  }
  return length < longest ? length : longest;
}
