// The search: where in the new data do blocks of the signature occur? Two gaits:
//
//   aligned   after a match: the block that follows in the basis is expected next, four blocks are tried at once
//   rolling   after a miss: the weak sum of every position, in batches without branches, filter first
//
// Weak sums can be made to agree everywhere, and a strong sum for each position would cost a thousand times the rest. So each one
// computed in vain defers the next: `penalty` positions, of which BURST may be owed before the search passes positions over.
// That bounds the time, at the price of matches that only such data loses. What follows in place is always tried: the `diagonal`,
// where the basis goes on had some blocks been changed and none moved.
//
// The state lies in memory (one for each delta), is taken into globals for a call, and put back after it. Nothing depends on
// how the input was cut into calls.

import { roll, rollAt, rollEntry, rollOut, rollOutBegin, rollSum } from './roll';
import { strong, strong4, weakOf } from './sums';
import { blockLength, blocks, findStrong, findWeak, passes, penalty, recordWeak, sameStrong, strongAt } from './table';

/** What `scan` returns. */
const WANTS_INPUT: u32 = 0;
const WANTS_ROOM: u32 = 1;
const DONE: u32 = 2;

/** Longest literal command: with its header just under 64 KiB, as rdiff writes it. */
const LITERAL: u32 = 65533;
/** What one round of the loop may write: a copy, a literal, a copy and the end. */
const ROOM: u32 = LITERAL + 3 + 17 + 17 + 1;

/** Positions that may be owed for strong sums computed in vain. */
const BURST: i64 = 1 << 20;
/** Shorter blocks cost too little to be tried in place separately. */
const DIAGONAL_BLOCK: u32 = 256;

let litStart: usize = 0;
let pos: usize = 0;
let end: usize = 0;
let out: usize = 0;
let outEnd: usize = 0;
let rolling: u32 = 0;
let weak: u32 = 0;
/** The block that follows the last match in the basis. */
let expected: u32 = 0;
/** Next position on the diagonal and its block; only while rolling. */
let diagonal: usize = 0;
let diagonalBlock: u32 = 0;
/** Position at which nothing is owed any more. */
let owed: i64 = 0;
let copyStart: u64 = 0;
let copyLength: u64 = 0;

const DIGESTS: usize = memory.data(4 * 32, 16);

/** Candidates: position, entry, weak sum, on the diagonal?, what was owed before. None is left when a call ends. */
const CANDIDATES: usize = memory.data(4 * 24, 8);
const CANDIDATE: usize = 24;
let candidates: u32 = 0;
/** Bytes from the last match or literal up to which each candidate is decided at once: most matches are near. */
const PATIENT: usize = 16384;

// A delta's state: 0 litStart, 4 pos, 8 end, 12 out, 16 outEnd, 20 rolling, 24 weak, 28 expected, 32 copy
// (start, length), 48 owed - pos, 56 diagonal - pos, 60 diagonalBlock.

export function scanBegin(state: usize): void {
  memory.fill(state, 0, 64);
}

/** Searches as far as the data reaches. With `last` set, no more data will come: ends the delta. */
export function scan(state: usize, last: u32): u32 {
  litStart = load<u32>(state); pos = load<u32>(state, 4); end = load<u32>(state, 8);
  out = load<u32>(state, 12); outEnd = load<u32>(state, 16);
  rolling = load<u32>(state, 20); weak = load<u32>(state, 24); expected = load<u32>(state, 28);
  copyStart = load<u64>(state, 32); copyLength = load<u64>(state, 40);
  owed = <i64>pos + load<i64>(state, 48); diagonal = pos + load<u32>(state, 56); diagonalBlock = load<u32>(state, 60);
  let result = search();
  if (result == WANTS_INPUT && last) result = finish();
  store<u32>(state, litStart); store<u32>(state, pos, 4); store<u32>(state, out, 12);
  store<u32>(state, rolling, 20); store<u32>(state, weak, 24); store<u32>(state, expected, 28);
  store<u64>(state, copyStart, 32); store<u64>(state, copyLength, 40);
  store<i64>(state, max<i64>(owed - <i64>pos, 0), 48); store<u32>(state, <u32>(diagonal - pos), 56); store<u32>(state, diagonalBlock, 60);
  return result;
}

function search(): u32 {
  const length = blockLength;
  while (true) {
    const ahead = <i32>(end - pos) - <i32>length;
    const literal = <u32>(pos - litStart);
    // Before a literal is written, or the data moves: is one of the candidates a match?
    if (candidates && (ahead <= 0 || literal == LITERAL) && decide()) continue;
    if (outEnd - out < ROOM) return WANTS_ROOM;
    if (ahead < 0) return WANTS_INPUT;
    if (!rolling) {
      weak = weakOf(pos, length);
      if (matchExpected() || matchAny(length)) continue;
      rolling = 1;
      diagonal = pos + length;
      diagonalBlock = expected + 1;
    }
    if (literal == LITERAL) {
      flushLiteral();
      continue;
    }
    if (!ahead) return WANTS_INPUT;
    let steps = min<u32>(ahead, LITERAL - literal);
    if (length >= DIAGONAL_BLOCK) steps = min<u32>(steps, <u32>(diagonal - pos));
    const stopped = roll(pos, weak, steps, <usize>max<i64>(min<i64>(owed - BURST, 0xffffffff), 0));
    pos = rollAt;
    weak = rollSum;
    if (length >= DIAGONAL_BLOCK && pos == diagonal) {
      const block = diagonalBlock++;
      diagonal += length;
      if (block < blocks && recordWeak(block) == weak && propose(block + 1, 1)) continue;
    }
    if (stopped) propose(rollEntry, 0);
  }
}

/** After the last byte: ever shorter ends, of which one may be the basis's short last block; then what is pending. */
function finish(): u32 {
  if (outEnd - out < ROOM) return WANTS_ROOM;
  const length = blockLength;
  let left = <u32>(end - pos);
  if (left) rollOutBegin(left);
  if (left && !rolling) {
    weak = weakOf(pos, left);
  } else if (left == length) {
    weak = rollOut(weak, pos++, left--);
  }
  while (left) {
    if (<u32>(pos - litStart) == LITERAL) {
      flushLiteral();
      if (outEnd - out < ROOM) { rolling = 1; return WANTS_ROOM; }
    }
    if (passes(weak) && owed - <i64>pos <= BURST && matchAny(left)) break;
    weak = rollOut(weak, pos++, left--);
  }
  rolling = 1;
  if (pos > litStart) flushLiteral();
  flushCopy();
  store<u8>(out++, 0);
  return DONE;
}

// --- matching ------------------------------------------------------------------------------------------------------

/** Does the basis simply go on? `weak` is the sum at `pos`. */
function matchExpected(): bool {
  if (expected >= blocks || recordWeak(expected) != weak) return false;
  const length = blockLength;
  const most = min<u32>(min<u32>(4, blocks - expected), <u32>((end - pos) / length));
  let likely: u32 = 1;
  while (likely < most && weakOf(pos + likely * length, length) == recordWeak(expected + likely)) ++likely;
  if (likely == 4) strong4(pos, pos + length, pos + 2 * length, pos + 3 * length, length, DIGESTS);
  else for (let i: u32 = likely; i > 0; --i) strong(pos + (i - 1) * length, length, DIGESTS + ((i - 1) << 5));
  let same: u32 = 0;
  while (same < likely && sameStrong(strongAt(expected + same), DIGESTS + (same << 5))) ++same;
  if (!same) return false;
  matched(expected, same * length);
  expected += same;
  return true;
}

/**
 * The block at `pos` may be one of the basis: the one after `entry` in the primary table, or, on the diagonal, block `entry` - 1.
 * Far from the last match that is rarely so: then four such candidates are hashed at once, and the search goes on until there are
 * so many. The first that is a match counts, and what was found behind it is forgotten: as if each had been decided at once.
 */
function propose(entry: u32, onDiagonal: u32): bool {
  const candidate = CANDIDATES + <usize>candidates * CANDIDATE;
  ++candidates;
  store<u32>(candidate, pos); store<u32>(candidate, entry, 4); store<u32>(candidate, weak, 8); store<u32>(candidate, onDiagonal, 12);
  store<i64>(candidate, owed, 16);
  owed = max<i64>(owed, pos) + penalty;
  return (candidates == 4 || pos - litStart < PATIENT) && decide();
}

function decide(): bool {
  const n = candidates, length = blockLength;
  candidates = 0;
  const p0 = load<u32>(CANDIDATES);
  if (n == 1) strong(p0, length, DIGESTS);
  else {
    const p1 = load<u32>(CANDIDATES, CANDIDATE), p2 = n > 2 ? load<u32>(CANDIDATES, 2 * CANDIDATE) : p0;
    strong4(p0, p1, p2, n > 3 ? load<u32>(CANDIDATES, 3 * CANDIDATE) : p0, length, DIGESTS);
  }
  for (let i: u32 = 0; i < n; ++i) {
    const candidate = CANDIDATES + <usize>i * CANDIDATE, digest = DIGESTS + (i << 5), entry = load<u32>(candidate, 4);
    let block = entry - 1;
    if (!load<u32>(candidate, 12)) block = findStrong(entry, load<u32>(candidate, 8), digest);
    else if (!sameStrong(strongAt(block), digest)) continue;
    if (<i32>block < 0) continue;
    pos = load<u32>(candidate);
    owed = load<i64>(candidate, 16);
    matched(block, length);
    expected = block + 1;
    rolling = 0;
    return true;
  }
  return false;
}

/** Is there any block like the `length` bytes at `pos`, whose weak sum is `weak`? */
function matchAny(length: u32): bool {
  const entry = findWeak(weak);
  if (!entry) return false;
  strong(pos, length, DIGESTS);
  const block = findStrong(entry, weak, DIGESTS);
  if (block < 0) {
    owed = max<i64>(owed, pos) + penalty;
    return false;
  }
  matched(block, length);
  expected = block + 1;
  return true;
}

/** The `length` bytes at `pos` are in the basis, from `block` on. */
function matched(block: u32, length: u32): void {
  if (pos > litStart) flushLiteral();
  const start = <u64>block * blockLength;
  if (copyLength && copyStart + copyLength == start) {
    copyLength += length;
  } else {
    flushCopy();
    copyStart = start;
    copyLength = length;
  }
  pos += length;
  litStart = pos;
}

// --- commands ------------------------------------------------------------------------------------------------------

/** Writes all that is pending: the copy, and the literal bytes up to `pos`. */
function flushLiteral(): void {
  flushCopy();
  const length = <u32>(pos - litStart);
  if (length <= 64) {
    store<u8>(out++, <u8>length);
  } else if (length < 256) {
    store<u8>(out, 0x41);
    store<u8>(out + 1, <u8>length);
    out += 2;
  } else {
    store<u8>(out, 0x42);
    store<u16>(out + 1, bswap<u16>(<u16>length));
    out += 3;
  }
  memory.copy(out, litStart, length);
  out += length;
  litStart = pos;
}

function flushCopy(): void {
  if (!copyLength) return;
  const p = widthOf(copyStart), l = widthOf(copyLength);
  store<u8>(out++, <u8>(0x45 + 4 * p + l));
  putNumber(copyStart, p);
  putNumber(copyLength, l);
  copyLength = 0;
}

/** 0…3 for the 1, 2, 4 or 8 bytes a number takes. */
function widthOf(n: u64): u32 {
  return n < 0x100 ? 0 : n < 0x10000 ? 1 : n < 0x100000000 ? 2 : 3;
}

function putNumber(n: u64, width: u32): void {
  const bytes: u32 = 1 << width;
  store<u64>(out, bswap<u64>(n << (64 - (bytes << 3))));
  out += bytes;
}
