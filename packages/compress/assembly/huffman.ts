// Huffman codes of limited length: minimum-redundancy lengths computed in place (Moffat and Katajainen 1995), brought down to the
// limit along the Kraft sum, and canonical codes (RFC 1951 section 3.2.2).

/** Used symbols by rising count: count above symbol. */
const sorted: usize = memory.data(286 * 4, 8);
/** Counts, then parents, then depths. */
const work: usize = memory.data(286 * 4, 8);
const perLength: usize = memory.data(32 * 4, 8);
const nextCode: usize = memory.data(16 * 4, 8);

// @ts-ignore: decorator
@inline
function get(array: usize, index: i32): u32 {
  return load<u32>(array + (<usize>index << 2));
}

// @ts-ignore: decorator
@inline
function set(array: usize, index: i32, value: u32): void {
  store<u32>(array + (<usize>index << 2), value);
}

/** Writes the length in bits of each symbol's code to `lengths`, 0 for those that don't occur. */
export function codeLengths(counts: usize, symbols: u32, limit: u32, lengths: usize): void {
  memory.fill(lengths, 0, symbols);
  let used: i32 = 0;
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const uses = get(counts, symbol);
    if (uses) set(sorted, used++, (uses << 9) | symbol);
  }
  if (used == 0) return;
  if (used == 1) {
    store<u8>(lengths + (get(sorted, 0) & 511), 1);
    return;
  }
  sort(used);
  for (let i = 0; i < used; i++) set(work, i, get(sorted, i) >> 9);
  minimumRedundancy(used);
  memory.fill(perLength, 0, 32 * 4);
  for (let i = 0; i < used; i++) {
    const depth = get(work, i);
    const length = depth < limit ? depth : limit;
    set(perLength, length, get(perLength, length) + 1);
  }
  keepKraft(limit);
  // The rarest symbols come first and get the longest codes.
  let index: i32 = 0;
  for (let length = limit; length > 0; length--) {
    for (let left = get(perLength, length); left > 0; left--) {
      store<u8>(lengths + (get(sorted, index++) & 511), <u8>length);
    }
  }
}

/** Shell sort: at most 286 items, nearly the same order from block to block. */
function sort(length: i32): void {
  for (let gap: i32 = 132; gap > 0; gap = gap == 132 ? 57 : gap == 57 ? 23 : gap == 23 ? 10 : gap == 10 ? 4 : gap == 4 ? 1 : 0) {
    for (let i = gap; i < length; i++) {
      const item = get(sorted, i);
      let j = i;
      while (j >= gap && get(sorted, j - gap) > item) {
        set(sorted, j, get(sorted, j - gap));
        j -= gap;
      }
      set(sorted, j, item);
    }
  }
}

/** `work`: counts in rising order → depths in falling order. At least two. */
function minimumRedundancy(n: i32): void {
  set(work, 0, get(work, 0) + get(work, 1));
  let root: i32 = 0;
  let leaf: i32 = 2;
  for (let next: i32 = 1; next < n - 1; next++) {
    if (leaf >= n || get(work, root) < get(work, leaf)) {
      set(work, next, get(work, root));
      set(work, root++, next);
    } else set(work, next, get(work, leaf++));
    if (leaf >= n || (root < next && get(work, root) < get(work, leaf))) {
      set(work, next, get(work, next) + get(work, root));
      set(work, root++, next);
    } else set(work, next, get(work, next) + get(work, leaf++));
  }
  set(work, n - 2, 0);
  for (let next = n - 3; next >= 0; next--) set(work, next, get(work, get(work, next)) + 1);
  let available: i32 = 1;
  let inner: i32 = 0;
  let depth: u32 = 0;
  let next = n - 1;
  root = n - 2;
  while (available > 0) {
    while (root >= 0 && get(work, root) == depth) {
      inner++;
      root--;
    }
    while (available > inner) {
      set(work, next--, depth);
      available--;
    }
    available = 2 * inner;
    depth++;
    inner = 0;
  }
}

/** Codes that were cut to the limit take too much room; others are lengthened until the sum fits. */
function keepKraft(limit: u32): void {
  let sum: u32 = 0;
  for (let length: u32 = 1; length <= limit; length++) sum += get(perLength, length) << (limit - length);
  for (; sum > <u32>1 << limit; sum--) {
    set(perLength, limit, get(perLength, limit) - 1);
    for (let length = limit - 1; length > 0; length--) {
      if (get(perLength, length) == 0) continue;
      set(perLength, length, get(perLength, length) - 1);
      set(perLength, length + 1, get(perLength, length + 1) + 2);
      break;
    }
  }
}

/** Canonical codes, reversed, for the lengths given. */
export function assignCodes(lengths: usize, symbols: u32, codes: usize): void {
  memory.fill(perLength, 0, 32 * 4);
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const length: u32 = load<u8>(lengths + symbol);
    if (length) set(perLength, length, get(perLength, length) + 1);
  }
  let code: u32 = 0;
  for (let length: i32 = 1; length < 16; length++) {
    code = (code + get(perLength, length - 1)) << 1;
    set(nextCode, length, code);
  }
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const length: u32 = load<u8>(lengths + symbol);
    if (length == 0) continue;
    code = get(nextCode, length);
    set(nextCode, length, code + 1);
    set(codes, symbol, reverse(code, length));
  }
}

function reverse(code: u32, length: u32): u32 {
  let reversed: u32 = 0;
  for (; length > 0; length--) {
    reversed = (reversed << 1) | (code & 1);
    code >>= 1;
  }
  return reversed;
}
