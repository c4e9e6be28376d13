/**
 * A new file's bytes and the signature of an old one in, a delta out: {@link DeltaBuilder}.
 */

import { RsyncError } from './errors.js';
import { DELTA_MAGIC } from './formats.js';
import { NO_BYTES, Output } from './output.js';
import type { SearchRegions, Signature } from './signature.js';
import type { Arena } from './wasm.js';

/** Longest block a delta can search for: it must lie in memory as a whole. */
export const LONGEST_SEARCHED_BLOCK = 2 ** 30;

const STATE = 64;
/** Input taken at a time. */
const SLICE = 256 << 10;
const WINDOW = 512 << 10;
/** Room for what one slice may turn into, and for one round of the search (see ROOM in search.ts). */
const OUT = SLICE + (192 << 10);
/** Larger windows grow only as far as they must. */
const GENEROUS_WINDOW = 64 << 20;

/** Fields of the search's state in memory: see assembly/search.ts. */
const LIT_START = 0;
const POS = 4;
const END = 8;
const OUT_AT = 12;
const OUT_END = 16;

/** What `scan` returns when there is no room left for its output. */
const WANTS_ROOM = 1;

/**
 * Makes one delta. What `update` and `finish` return is a view of memory that the next call on this builder, or on another one of
 * the same signature, may overwrite or move: write it or copy it before. Memory: the signature's tables, and 1 MiB or four blocks.
 */
export class DeltaBuilder {
  readonly #signature: Signature;
  #regions: SearchRegions | undefined;
  readonly #output = new Output();

  /**
   * @internal Use `Rsync.createDelta`.
   */
  constructor(signature: Signature) {
    if (signature.blockLength > LONGEST_SEARCHED_BLOCK) {
      throw new RsyncError(
        'SIGNATURE_TOO_LARGE',
        `Blocks of ${signature.blockLength} bytes are too long to be searched for in memory`,
        'Sign the basis with blocks of at most 1 GiB.',
        4,
      );
    }
    this.#signature = signature;
    const { arena } = signature;
    const regions = signature.takeRegions() ?? layOut(arena);
    this.#regions = regions;
    arena.kernel.scanBegin(regions.state);
    const { view } = arena;
    view.setUint32(regions.state + LIT_START, regions.window, true);
    view.setUint32(regions.state + POS, regions.window, true);
    view.setUint32(regions.state + END, regions.window, true);
    view.setUint32(regions.state + OUT_END, regions.out + regions.outSize, true);
    view.setUint32(regions.out, DELTA_MAGIC);
    this.#setOut(arena, regions, 4);
  }

  /**
   * Adds the next bytes of the new file, of any number.
   * @returns the delta's bytes that became ready, perhaps none. Valid until the next call.
   */
  update(bytes: Uint8Array): Uint8Array {
    const regions = this.#opened();
    const { arena } = this.#signature;
    for (let at = 0; at < bytes.length; at += SLICE) {
      const slice = bytes.length <= SLICE ? bytes : bytes.subarray(at, at + SLICE);
      this.#makeRoom(arena, regions, slice.length);
      const end = arena.view.getUint32(regions.state + END, true);
      arena.bytes.set(slice, end);
      arena.view.setUint32(regions.state + END, end + slice.length, true);
      this.#search(arena, regions, 0);
    }
    return this.#take(arena, regions);
  }

  /** Ends the new file: returns the rest of the delta, valid until the next call. The builder is of no use after that. */
  finish(): Uint8Array {
    const regions = this.#opened();
    const { arena } = this.#signature;
    this.#search(arena, regions, 1);
    const rest = this.#take(arena, regions);
    this.dispose();
    return rest;
  }

  /** Gives the buffers back to the signature, without finishing. May be called twice. */
  dispose(): void {
    if (this.#regions) this.#signature.giveRegions(this.#regions);
    this.#regions = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #opened(): SearchRegions {
    if (!this.#regions)
      throw new RsyncError('INVALID_STATE', 'The delta is finished', 'Make a new builder for each delta.');
    return this.#regions;
  }

  #search(arena: Arena, regions: SearchRegions, last: number): void {
    while (arena.kernel.scan(regions.state, last) === WANTS_ROOM) {
      this.#output.spill(this.#written(arena, regions));
      this.#setOut(arena, regions, 0);
    }
  }

  /** Makes place for `more` bytes behind those that wait: moves these to the window's start, makes the window longer. */
  #makeRoom(arena: Arena, regions: SearchRegions, more: number): void {
    const { state, window } = regions;
    const end = arena.view.getUint32(state + END, true);
    if (end + more <= window + regions.windowSize) return;
    const from = arena.view.getUint32(state + LIT_START, true);
    const waiting = end - from;
    let size = regions.windowSize;
    while (waiting + more > size || (waiting > size / 2 && size < GENEROUS_WINDOW))
      size = Math.min(size * 2, size + 2 ** 28);
    if (size > regions.windowSize) {
      if (window + regions.windowSize + 64 >= arena.top) arena.extend(window, size);
      else regions.window = arena.alloc(size);
      regions.windowSize = size;
    }
    arena.bytes.copyWithin(regions.window, from, end);
    const moved = from - regions.window;
    const { view } = arena;
    view.setUint32(state + POS, view.getUint32(state + POS, true) - moved, true);
    view.setUint32(state + LIT_START, regions.window, true);
    view.setUint32(state + END, regions.window + waiting, true);
  }

  #setOut(arena: Arena, regions: SearchRegions, used: number): void {
    arena.view.setUint32(regions.state + OUT_AT, regions.out + used, true);
  }

  #written(arena: Arena, regions: SearchRegions): Uint8Array {
    const end = arena.view.getUint32(regions.state + OUT_AT, true);
    return end === regions.out ? NO_BYTES : arena.bytes.subarray(regions.out, end);
  }

  #take(arena: Arena, regions: SearchRegions): Uint8Array {
    const ready = this.#output.take(this.#written(arena, regions));
    this.#setOut(arena, regions, 0);
    return ready;
  }
}

function layOut(arena: Arena): SearchRegions {
  const state = arena.alloc(STATE);
  const out = arena.alloc(OUT);
  return { state, out, outSize: OUT, window: arena.alloc(WINDOW), windowSize: WINDOW };
}
