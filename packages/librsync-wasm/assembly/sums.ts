// The two kinds of each sum behind one name. Kinds: weak 0 is rollsum, 1 Rabin-Karp; strong 0 is MD4, 1 BLAKE2b.

import { blake2bDigest, blake2bFinal, blake2bInit, blake2bUpdate, blake2bx2 } from './blake2b';
import { md4, md4Chunks, md4Final, md4Init, md4x4 } from './md4';
import { rabinKarp } from './rabinkarp';
import { rollsum } from './rollsum';

export let weakKind: u32 = 0;
export let strongKind: u32 = 0;

export function chooseSums(weak: u32, strong: u32): void {
  weakKind = weak;
  strongKind = strong;
}

/** What the weak sum of no bytes is. */
export function weakStart(): u32 {
  return weakKind;
}

export function weakAdd(sum: u32, p: usize, length: u32): u32 {
  return weakKind ? rabinKarp(sum, p, length) : rollsum(sum, p, length);
}

export function weakOf(p: usize, length: u32): u32 {
  return weakAdd(weakStart(), p, length);
}

/** The strong sum of one block, to `to`, where 64 bytes may be overwritten. */
export function strong(p: usize, length: u32, to: usize): void {
  if (strongKind) blake2bx2(p, p, length, to);
  else md4(p, length, to);
}

/** The strong sums of four blocks of `length` bytes, to `to`, 32 bytes apart. */
export function strong4(p0: usize, p1: usize, p2: usize, p3: usize, length: u32, to: usize): void {
  if (strongKind) {
    blake2bx2(p0, p1, length, to);
    blake2bx2(p2, p3, length, to + 64);
  } else {
    md4x4(p0, p1, p2, p3, length, to);
  }
}

// --- a block in pieces: the state has 128 bytes --------------------------------------------------------------------

export function strongBegin(state: usize): void {
  if (strongKind) blake2bInit(state);
  else md4Init(state);
}

/** Adds `length` bytes, a multiple of 128, behind which more must follow; `before` bytes came before. */
export function strongAdd(state: usize, p: usize, length: u32, before: u64): void {
  if (strongKind) blake2bUpdate(state, p, p, length, before);
  else md4Chunks(p, length >> 6, state);
}

/** Adds the last `length` bytes of `total`; the digest goes to `to`. */
export function strongEnd(state: usize, p: usize, length: u32, total: u64, to: usize): void {
  if (strongKind) {
    blake2bFinal(state, p, p, length, total);
    blake2bDigest(state, 0, to);
  } else {
    md4Final(p, length, total, state);
    v128.store(to, v128.load(state));
  }
}
