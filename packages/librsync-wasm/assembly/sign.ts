// Blocks to signature records: the weak sum, big-endian, then the first bytes of the strong one.

import { strong, strong4, strongAdd, strongBegin, strongEnd, weakAdd, weakOf, weakStart } from './sums';

const DIGESTS: usize = memory.data(4 * 32, 16);

/**
 * Signs `count` blocks of `blockLength` bytes that lie one after the other at `p`; returns the end of the records at `to`,
 * behind which 64 bytes may be overwritten.
 */
export function signBlocks(p: usize, count: u32, blockLength: u32, strongLength: u32, to: usize): usize {
  const record = 4 + strongLength;
  for (; count >= 4; count -= 4) {
    strong4(p, p + blockLength, p + 2 * blockLength, p + 3 * blockLength, blockLength, DIGESTS);
    for (let lane: usize = 0; lane < 4; ++lane, p += blockLength, to += record) putRecord(weakOf(p, blockLength), DIGESTS + (lane << 5), to);
  }
  for (; count > 0; --count, p += blockLength, to += record) {
    strong(p, blockLength, DIGESTS);
    putRecord(weakOf(p, blockLength), DIGESTS, to);
  }
  return to;
}

/** Always 36 bytes: the next record overwrites what is too much. */
function putRecord(weak: u32, digest: usize, to: usize): void {
  store<u32>(to, bswap<u32>(weak));
  v128.store(to + 4, v128.load(digest));
  v128.store(to + 20, v128.load(digest, 16));
}

// A block too long for the buffer is signed piece by piece. State: strong sum's, 128 bytes; length so far, 8; weak sum, 4.

export function blockBegin(state: usize): void {
  strongBegin(state);
  store<u64>(state, 0, 128);
  store<u32>(state, weakStart(), 136);
}

/** Adds `length` bytes, a multiple of 128, behind which more must follow. */
export function blockUpdate(state: usize, p: usize, length: u32): void {
  const before = load<u64>(state, 128);
  strongAdd(state, p, length, before);
  store<u64>(state, before + length, 128);
  store<u32>(state, weakAdd(load<u32>(state, 136), p, length), 136);
}

/** Adds the last `length` bytes of a block and writes its record. */
export function blockEnd(state: usize, p: usize, length: u32, to: usize): void {
  const weak = weakAdd(load<u32>(state, 136), p, length);
  strongEnd(state, p, length, load<u64>(state, 128) + length, DIGESTS);
  putRecord(weak, DIGESTS, to);
}
