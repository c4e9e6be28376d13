// A loaded signature: its records as they came, and three tables over them.
//
//   filter    four bits for every weak sum, one in each byte of a 32-bit word, and four more in a second array, asked when
//             the first agree: answers nearly all positions of unmatched data, most from the second-level cache
//   primary   open addressing by weak sum: {weak, block + 1}; one entry for each weak sum, the lowest block
//   overflow  open addressing by weak and strong sum, for blocks that share a weak sum with another strong one
//
// However often a weak sum repeats, a lookup stays one probe in each table. The multiplier is drawn anew for each
// signature, so that nobody can prepare one whose sums fall into one place; what is found does not depend on it.

export let blockLength: u32 = 0;
export let strongLength: u32 = 0;
export let blocks: u32 = 0;

export let filter: usize = 0;
/** The filter's second half. */
export let filterAgain: usize = 0;
export let filterShift: u32 = 0;
export let multiplier: u32 = 1;

let records: usize = 0;
let recordLength: u32 = 0;
let primary: usize = 0;
let primaryShift: u32 = 0;
let primaryMask: u32 = 0;
let overflow: usize = 0;
let overflowMask: u32 = 0;

const CROWDED: u32 = 0x80000000;
/** Makes the bits of a filter word independent of the word's place: 2^32 divided by the golden ratio. */
const MIX: u32 = 0x9e3779b1;

/** How many positions of search a strong sum computed in vain costs: see search.ts. */
export let penalty: u32 = 1;

export function describe(length: u32, strongBytes: u32, positions: u32): void {
  penalty = positions;
  blockLength = length;
  strongLength = strongBytes;
  recordLength = strongBytes + 4;
}

/**
 * Builds the tables over `count` records at `at`: 2^filterLog words of filter (8 bytes), 2^primaryLog entries (8 bytes) and
 * 2^overflowLog entries (4 bytes). Returns 0, or 1 when the overflow table is more than half full: then repeat with a larger one.
 */
export function buildTable(
  at: usize, count: u32, filterAt: usize, filterLog: u32, primaryAt: usize, primaryLog: u32, overflowAt: usize, overflowLog: u32, seed: u32,
): u32 {
  records = at;
  blocks = count;
  filter = filterAt;
  filterShift = 32 - filterLog;
  primary = primaryAt;
  primaryShift = 32 - primaryLog;
  primaryMask = (1 << primaryLog) - 1;
  overflow = overflowAt;
  overflowMask = (1 << overflowLog) - 1;
  multiplier = seed | 1;
  const half = <usize>4 << filterLog;
  filterAgain = filterAt + half;
  memory.fill(filterAt, 0, <usize>8 << filterLog);
  memory.fill(primaryAt, 0, <usize>8 << primaryLog);
  memory.fill(overflowAt, 0, <usize>4 << overflowLog);
  let crowd: u32 = 0;
  for (let block: u32 = 0; block < count; ++block) {
    const weak = recordWeak(block);
    const h = weak * multiplier;
    const word = filterAt + ((h >>> filterShift) << 2), second = word + half;
    store<u32>(word, load<u32>(word) | filterBits(h));
    store<u32>(second, load<u32>(second) | filterBits(h * MIX));
    let slot = h >>> primaryShift;
    for (; ; slot = (slot + 1) & primaryMask) {
      const entry = primaryAt + (slot << 3);
      const value = load<u32>(entry, 4);
      if (!value) {
        store<u32>(entry, weak);
        store<u32>(entry, block + 1, 4);
        break;
      }
      if (load<u32>(entry) != weak) continue;
      const strong = strongAt(block);
      if (sameStrong(strongAt((value & ~CROWDED) - 1), strong)) break;
      store<u32>(entry, value | CROWDED, 4);
      if (addOverflow(weak, strong, block) && ++crowd > overflowMask >>> 1) return 1;
      break;
    }
  }
  return 0;
}

// @ts-ignore: decorator
@inline
export function recordWeak(block: u32): u32 {
  return bswap<u32>(load<u32>(records + <usize>block * recordLength));
}

// @ts-ignore: decorator
@inline
export function strongAt(block: u32): usize {
  return records + <usize>block * recordLength + 4;
}

export function sameStrong(a: usize, b: usize): bool {
  let i: u32 = 0;
  for (; i + 8 <= strongLength; i += 8) if (load<u64>(a + i) != load<u64>(b + i)) return false;
  for (; i < strongLength; ++i) if (load<u8>(a + i) != load<u8>(b + i)) return false;
  return true;
}

/** A weak sum's bits in its half of a filter word, one in each byte; `h` is the sum times the multiplier. */
// @ts-ignore: decorator
@inline
function filterBits(h: u32): u32 {
  const g = h * MIX >>> 5;
  return (1 << (g & 7)) | (0x100 << ((g >>> 8) & 7)) | (0x10000 << ((g >>> 16) & 7)) | (0x1000000 << (g >>> 24));
}

/** Whether the filter lets a weak sum through: then it must be looked up. */
export function passes(weak: u32): bool {
  const h = weak * multiplier, first = filterBits(h), second = filterBits(h * MIX), place = (h >>> filterShift) << 2;
  return (load<u32>(filter + place) & first) == first && (load<u32>(filterAgain + place) & second) == second;
}

/** The first half of that for four weak sums, times the multiplier: all ones in the lanes that pass. */
// @ts-ignore: decorator
@inline
export function passes4(h: v128, at: v128, shift: u32): v128 {
  return bitsSet(h, i32x4.mul(h, i32x4.splat(MIX)), at, shift);
}

/** The second half: `at` is where that lies. */
// @ts-ignore: decorator
@inline
export function passesAgain4(h: v128, at: v128, shift: u32): v128 {
  return bitsSet(h, i32x4.mul(h, i32x4.splat(MIX * MIX)), at, shift);
}

// @ts-ignore: decorator
@inline
function bitsSet(h: v128, g: v128, at: v128, shift: u32): v128 {
  const places = i32x4.add(i32x4.shl(i32x4.shr_u(h, shift), 2), at);
  const powers = i8x16(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
  const bits = i8x16.swizzle(powers, v128.and(i32x4.shr_u(g, 5), i32x4.splat(0x07070707)));
  const a = i64x2.extract_lane(places, 0), b = i64x2.extract_lane(places, 1);
  let words = v128.load32_zero(<usize>a);
  words = v128.load_lane<u32>(<usize>(a >>> 32), words, 1);
  words = v128.load_lane<u32>(<usize>b, words, 2);
  words = v128.load_lane<u32>(<usize>(b >>> 32), words, 3);
  return i32x4.eq(v128.and(words, bits), bits);
}

/** The primary entry of a weak sum: 0 when no block has it. */
export function findWeak(weak: u32): u32 {
  let slot = (weak * multiplier) >>> primaryShift;
  while (true) {
    const entry = primary + (slot << 3);
    const value = load<u32>(entry, 4);
    if (!value || load<u32>(entry) == weak) return value;
    slot = (slot + 1) & primaryMask;
  }
}

/** The lowest block with this weak sum (of which `entry` is the primary entry) and strong sum; -1 when there is none. */
export function findStrong(entry: u32, weak: u32, strong: usize): i32 {
  const block = (entry & ~CROWDED) - 1;
  if (sameStrong(strongAt(block), strong)) return block;
  if (!(entry & CROWDED)) return -1;
  const slot = overflow + (overflowSlot(weak, strong) << 2);
  return load<u32>(slot) - 1;
}

function addOverflow(weak: u32, strong: usize, block: u32): bool {
  const slot = overflow + (overflowSlot(weak, strong) << 2);
  if (load<u32>(slot)) return false;
  store<u32>(slot, block + 1);
  return true;
}

/** The slot that holds these sums, or the empty one where they belong. */
function overflowSlot(weak: u32, strong: usize): u32 {
  let h = weak * multiplier;
  for (let i: u32 = 0; i < strongLength; ++i) h = (h ^ (h >>> 15) ^ load<u8>(strong + i)) * (multiplier ^ 0x9e3779b8);
  let slot = (h ^ (h >>> 16)) & overflowMask;
  while (true) {
    const value = load<u32>(overflow + (slot << 2));
    if (!value || (recordWeak(value - 1) == weak && sameStrong(strongAt(value - 1), strong))) return slot;
    slot = (slot + 1) & overflowMask;
  }
}
