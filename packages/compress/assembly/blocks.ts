// Blocks: tokens (literals and matches) are gathered and counted, then written with codes made for them, or stored when that is
// shorter. Only dynamic blocks are written: at the sizes of chunks, fixed codes never pay.

import { assignCodes, codeLengths } from './huffman';

/** Tokens of a block. Fewer adapt better and cost more headers. */
export const TOKENS: u32 = 24576;

const END_OF_BLOCK: u32 = 256;
const LITERALS: u32 = 286;
const DISTANCES: u32 = 30;

export const tokens: usize = memory.data(TOKENS * 4, 64);

/** Bits that were not yet written. */
let pending: u64 = 0;
let pendingBits: u32 = 0;

const literalCounts: usize = memory.data(286 * 4, 8);
const distanceCounts: usize = memory.data(30 * 4, 8);
/** Code lengths, literals first, distances behind them without a gap when a header is written. */
const literalLengths: usize = memory.data(320, 8);
const distanceLengths: usize = memory.data(32, 8);
/** Codes, bit-reversed as they are written. */
const literalCodes: usize = memory.data(286 * 4, 8);
const distanceCodes: usize = memory.data(30 * 4, 8);
/** What a token writes, in one load: bits below, their number in the top byte. For match lengths the extra bits are among them. */
const literalEntries: usize = memory.data(256 * 4, 8);
const lengthEntries: usize = memory.data(256 * 4, 8);
/** Code, its length from bit 16, number of extra bits from bit 24. */
const distanceEntries: usize = memory.data(30 * 4, 8);

/** RFC 1951 section 3.2.5, computed once: the symbol of each length less 3, of each distance class, bases and extra bits. */
const symbolOfLength: usize = memory.data(256, 8);
const baseOfLength: usize = memory.data(29 * 2, 8);
const extraOfLength: usize = memory.data(29, 8);
const symbolOfDistance: usize = memory.data(512, 8);
const extraOfDistance: usize = memory.data(30, 8);

export function begin(): void {
  let base: u32 = 0;
  for (let symbol: u32 = 0; symbol < 28; symbol++) {
    const extra: u32 = symbol < 8 ? 0 : (symbol >> 2) - 1;
    store<u16>(baseOfLength + (symbol << 1), <u16>base);
    store<u8>(extraOfLength + symbol, <u8>extra);
    for (let i: u32 = 0; i < <u32>1 << extra && base < 256; i++) store<u8>(symbolOfLength + base++, <u8>symbol);
  }
  // 258 has a symbol of its own without extra bits.
  store<u8>(symbolOfLength + 255, 28);
  store<u16>(baseOfLength + 56, 255);
  store<u8>(extraOfLength + 28, 0);
  let distance: u32 = 0;
  for (let symbol: u32 = 0; symbol < DISTANCES; symbol++) {
    const extra: u32 = symbol < 4 ? 0 : (symbol >> 1) - 1;
    store<u8>(extraOfDistance + symbol, <u8>extra);
    const next = distance + (<u32>1 << extra);
    for (; distance < next && distance < 256; distance++) store<u8>(symbolOfDistance + distance, <u8>symbol);
    for (let step = distance; step < next; step += 128) store<u8>(symbolOfDistance + 256 + (step >> 7), <u8>symbol);
    distance = next;
  }
  reset();
}

function reset(): void {
  memory.fill(literalCounts, 0, LITERALS * 4);
  memory.fill(distanceCounts, 0, DISTANCES * 4);
}

// @ts-ignore: decorator
@inline
function increment(counts: usize, symbol: u32): void {
  const at = counts + (symbol << 2);
  store<u32>(at, load<u32>(at) + 1);
}

// @ts-ignore: decorator
@inline
export function literal(at: usize, byte: u32): usize {
  store<u32>(at, byte);
  increment(literalCounts, byte);
  return at + 4;
}

// @ts-ignore: decorator
@inline
function distanceSymbol(less1: u32): u32 {
  const index: u32 = less1 < 256 ? less1 : 256 + (less1 >> 7);
  return load<u8>(symbolOfDistance + index);
}

/** A match; its token has the distance above the length less 3 and a marker bit. */
// @ts-ignore: decorator
@inline
export function match(at: usize, length: u32, distance: u32): usize {
  const less3 = length - 3;
  store<u32>(at, (distance << 16) | 0x100 | less3);
  increment(literalCounts, 257 + load<u8>(symbolOfLength + less3));
  increment(distanceCounts, distanceSymbol(distance - 1));
  return at + 4;
}

/** Adds bits and writes whole bytes. At most 56 bits at a time. */
// @ts-ignore: decorator
@inline
function put(out: usize, bits: u64, bitCount: u32): usize {
  pending |= bits << pendingBits;
  pendingBits += bitCount;
  store<u64>(out, pending);
  const bytes = pendingBits >> 3;
  pending >>= (bytes << 3);
  pendingBits &= 7;
  return out + bytes;
}

/** `flush` 0: begins a stream. 1: fills the last byte. */
export function end(out: usize, flush: u32): usize {
  if (flush && pendingBits > 0) store<u8>(out++, <u8>pending);
  pending = 0;
  pendingBits = 0;
  return out;
}

/** Writes the tokens up to `stop`, which stand for `length` bytes at `data`. `last` 1 sets BFINAL; 2 writes an empty stored block, which ends on a byte. */
export function emitBlock(out: usize, stop: usize, data: usize, length: u32, last: u32): usize {
  if (last == 2) return putStored(out, data, 0, 0);
  increment(literalCounts, END_OF_BLOCK);
  codeLengths(literalCounts, LITERALS, 15, literalLengths);
  codeLengths(distanceCounts, DISTANCES, 15, distanceLengths);
  // A decoder may expect one distance code even where none is used.
  if (noneUsed()) store<u8>(distanceLengths, 1);
  const literalsUsed = usedLengths(literalLengths, LITERALS, 257);
  const distancesUsed = usedLengths(distanceLengths, DISTANCES, 1);
  memory.copy(literalLengths + literalsUsed, distanceLengths, distancesUsed);
  planHeader(literalsUsed + distancesUsed);
  if (headerBits + bodyBits() >= (length + 5 * (length / 65535 + 1)) * 8) {
    out = putStored(out, data, length, last);
  } else {
    // The distances stand behind the literals' lengths only for the header.
    out = put(out, last | 4, 3);
    out = putHeader(out, literalsUsed, distancesUsed);
    memory.fill(literalLengths + literalsUsed, 0, LITERALS - literalsUsed);
    out = putBody(out, stop);
  }
  reset();
  return out;
}

function noneUsed(): bool {
  for (let symbol: u32 = 0; symbol < DISTANCES; symbol++) if (load<u8>(distanceLengths + symbol)) return false;
  return true;
}

function usedLengths(lengths: usize, all: u32, least: u32): u32 {
  while (all > least && load<u8>(lengths + all - 1) == 0) all--;
  return all;
}

function bodyBits(): u32 {
  let bits: u32 = 0;
  for (let symbol: u32 = 0; symbol < LITERALS; symbol++) {
    const extra: u32 = symbol < 257 ? 0 : load<u8>(extraOfLength + symbol - 257);
    const uses = load<u32>(literalCounts + (symbol << 2));
    if (uses) bits += uses * (load<u8>(literalLengths + symbol) + extra);
  }
  for (let symbol: u32 = 0; symbol < DISTANCES; symbol++) {
    bits += load<u32>(distanceCounts + (symbol << 2)) * (load<u8>(distanceLengths + symbol) + load<u8>(extraOfDistance + symbol));
  }
  return bits;
}

/** Stored blocks (RFC 1951 section 3.2.4); none of length 0 unless the whole is empty. */
function putStored(out: usize, data: usize, length: u32, last: u32): usize {
  do {
    const part: u32 = length < 65535 ? length : 65535;
    length -= part;
    out = put(out, last && length == 0 ? 1 : 0, 3);
    out = end(out, 1);
    store<u16>(out, <u16>part);
    store<u16>(out, <u16>~part, 2);
    memory.copy(out + 4, data, part);
    out += 4 + part;
    data += part;
  } while (length > 0);
  return out;
}

function putBody(out: usize, stop: usize): usize {
  assignCodes(literalLengths, LITERALS, literalCodes);
  assignCodes(distanceLengths, DISTANCES, distanceCodes);
  for (let byte: u32 = 0; byte < 256; byte++) {
    const code = load<u32>(literalCodes + (byte << 2));
    store<u32>(literalEntries + (byte << 2), code | (<u32>load<u8>(literalLengths + byte) << 24));
  }
  for (let less3: u32 = 0; less3 < 256; less3++) {
    const symbol: u32 = load<u8>(symbolOfLength + less3);
    const codeLength: u32 = load<u8>(literalLengths + 257 + symbol);
    const extra = less3 - load<u16>(baseOfLength + (symbol << 1));
    const code = load<u32>(literalCodes + ((257 + symbol) << 2)) | (extra << codeLength);
    store<u32>(lengthEntries + (less3 << 2), code | ((codeLength + load<u8>(extraOfLength + symbol)) << 24));
  }
  for (let symbol: u32 = 0; symbol < DISTANCES; symbol++) {
    const lengths = (<u32>load<u8>(distanceLengths + symbol) << 16) | (<u32>load<u8>(extraOfDistance + symbol) << 24);
    store<u32>(distanceEntries + (symbol << 2), load<u32>(distanceCodes + (symbol << 2)) | lengths);
  }
  // The bits wait in a local while tokens are written: a global costs a load and a store for each of them.
  let bits = pending;
  let bitCount = pendingBits;
  for (let at = tokens; at < stop; at += 4) {
    const token = load<u32>(at);
    if (token < 256) {
      const entry = load<u32>(literalEntries + (token << 2));
      bits |= <u64>(entry & 0xffffff) << bitCount;
      bitCount += entry >> 24;
    } else {
      const entry = load<u32>(lengthEntries + ((token & 0xff) << 2));
      bits |= <u64>(entry & 0xffffff) << bitCount;
      bitCount += entry >> 24;
      const less1 = (token >> 16) - 1;
      const distance = load<u32>(distanceEntries + (distanceSymbol(less1) << 2));
      bits |= <u64>(distance & 0xffff) << bitCount;
      bitCount += (distance >> 16) & 0xff;
      // Bases are multiples of the extra bits' range.
      const extra = distance >> 24;
      bits |= <u64>(less1 & ((1 << extra) - 1)) << bitCount;
      bitCount += extra;
    }
    store<u64>(out, bits);
    out += bitCount >> 3;
    bits >>= bitCount & 0x38;
    bitCount &= 7;
  }
  pending = bits;
  pendingBits = bitCount;
  return put(out, load<u32>(literalCodes + (END_OF_BLOCK << 2)), load<u8>(literalLengths + END_OF_BLOCK));
}

// The header (RFC 1951 section 3.2.7): the code lengths, run-length coded, with a Huffman code of their own.

const headerSymbols: usize = memory.data(320, 8);
const headerExtras: usize = memory.data(320, 8);
let headerCount: u32 = 0;
let headerBits: u32 = 0;
let headerOrders: u32 = 0;
const headerCounts: usize = memory.data(19 * 4, 8);
const headerLengths: usize = memory.data(19, 8);
const headerCodes: usize = memory.data(19 * 4, 8);
const headerOrder: usize = memory.data<u8>([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]);

function addHeader(symbol: u32, extra: u32): void {
  store<u8>(headerSymbols + headerCount, <u8>symbol);
  store<u8>(headerExtras + headerCount++, <u8>extra);
  increment(headerCounts, symbol);
}

function planHeader(lengths: u32): void {
  headerCount = 0;
  memory.fill(headerCounts, 0, 19 * 4);
  for (let i: u32 = 0; i < lengths; ) {
    const value: u32 = load<u8>(literalLengths + i);
    let run: u32 = 1;
    while (i + run < lengths && load<u8>(literalLengths + i + run) == value) run++;
    i += run;
    if (value == 0) {
      for (; run >= 11; ) {
        const part = run < 138 ? run : 138;
        addHeader(18, part - 11);
        run -= part;
      }
      if (run >= 3) {
        addHeader(17, run - 3);
        run = 0;
      }
    } else {
      addHeader(value, 0);
      run--;
      for (; run >= 3; ) {
        const part = run < 6 ? run : 6;
        addHeader(16, part - 3);
        run -= part;
      }
    }
    for (; run > 0; run--) addHeader(value, 0);
  }
  codeLengths(headerCounts, 19, 7, headerLengths);
  headerOrders = 19;
  while (headerOrders > 4 && load<u8>(headerLengths + load<u8>(headerOrder + headerOrders - 1)) == 0) headerOrders--;
  headerBits = 3 + 14 + 3 * headerOrders;
  for (let symbol: u32 = 0; symbol < 19; symbol++) {
    headerBits += load<u32>(headerCounts + (symbol << 2)) * (load<u8>(headerLengths + symbol) + headerExtraBits(symbol));
  }
}

function headerExtraBits(symbol: u32): u32 {
  return symbol == 16 ? 2 : symbol == 17 ? 3 : symbol == 18 ? 7 : 0;
}

function putHeader(out: usize, literalsUsed: u32, distancesUsed: u32): usize {
  assignCodes(headerLengths, 19, headerCodes);
  out = put(out, (literalsUsed - 257) | ((distancesUsed - 1) << 5) | ((headerOrders - 4) << 10), 14);
  for (let i: u32 = 0; i < headerOrders; i++) out = put(out, load<u8>(headerLengths + load<u8>(headerOrder + i)), 3);
  for (let i: u32 = 0; i < headerCount; i++) {
    const symbol: u32 = load<u8>(headerSymbols + i);
    const length: u32 = load<u8>(headerLengths + symbol);
    const extra: u32 = load<u8>(headerExtras + i);
    out = put(out, load<u32>(headerCodes + (symbol << 2)) | (extra << length), length + headerExtraBits(symbol));
  }
  return out;
}
