// Blocks to signature records: the weak sum, big-endian, then the first bytes of the strong one.

import { md4, md4Chunks, md4Final, md4Init, md4x4 } from './md4';
import { rollsum } from './rollsum';

const DIGESTS: usize = memory.data(8 * 32, 16);

/**
 * Signs `count` blocks of `blockLength` bytes that lie one after the other at `p`; returns the end of the records at `to`,
 * behind which 32 bytes may be overwritten.
 */
export function signBlocks(p: usize, count: u32, blockLength: u32, strongLength: u32, to: usize): usize {
  const record = 4 + strongLength;
  for (; count >= 4; count -= 4) {
    md4x4(p, blockLength, blockLength, DIGESTS);
    for (let lane: usize = 0; lane < 4; ++lane, p += blockLength, to += record) {
      store<u32>(to, bswap<u32>(rollsum(0, p, blockLength)));
      v128.store(to + 4, v128.load(DIGESTS + (lane << 4)));
    }
  }
  for (; count > 0; --count, p += blockLength, to += record) {
    store<u32>(to, bswap<u32>(rollsum(0, p, blockLength)));
    md4(p, blockLength, to + 4);
  }
  return to;
}

// A block too long for the buffer is signed piece by piece. State: weak sum, then 12 bytes unused, then the strong sum's.

export function blockBegin(state: usize): void {
  store<u32>(state, 0);
  md4Init(state + 16);
}

/** Adds `length` bytes, a multiple of 128. */
export function blockUpdate(state: usize, p: usize, length: u32): void {
  store<u32>(state, rollsum(load<u32>(state), p, length));
  md4Chunks(p, length >> 6, state + 16);
}

/** Adds the last `length` bytes of a block of `total` and writes its record; returns the record's end. */
export function blockEnd(state: usize, p: usize, length: u32, total: u32, strongLength: u32, to: usize): usize {
  store<u32>(to, bswap<u32>(rollsum(load<u32>(state), p, length)));
  md4Final(p, length, total, state + 16);
  v128.store(to + 4, v128.load(state + 16));
  return to + 4 + strongLength;
}
