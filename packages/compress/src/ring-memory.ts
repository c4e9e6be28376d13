/**
 * The shared memory of a deflate ring, seen alike by the main thread and by the workers.
 *
 * A slot holds one chunk: its input, its output and a few numbers. The main thread queues slots as
 * jobs; each worker draws the next job number, waits until that job was queued, and marks the slot
 * done. No lock, no message, no event loop: only Atomics.
 */
import { deflateChunkBound } from './deflate-chunk.js';

export interface RingGeometry {
  readonly chunkBytes: number;
  /** Physical slots: one more than a caller may have pending, because one is lent out by `take()`. */
  readonly slots: number;
}

export interface RingSettings extends RingGeometry {
  readonly level: number;
  readonly crc32: boolean;
  readonly adler32: boolean;
}

/** What a worker is started with. */
export interface WorkerStart {
  readonly memory: SharedArrayBuffer;
  readonly settings: RingSettings;
}

/** Indices of the ring-wide numbers. */
export const QUEUED = 0;
export const DRAWN = 1;
export const CLOSED = 2;
const RING_WORDS = 4;

/** Indices of a slot's numbers, from `RingMemory.slotWord`. */
export const STATE = 0;
export const INPUT_LENGTH = 1;
export const OUTPUT_LENGTH = 2;
export const IS_LAST = 3;
export const CRC32 = 4;
export const ADLER32 = 5;
const SLOT_WORDS = 8;

/** Values of STATE. */
export const WAITING = 0;
export const DONE = 1;

export class RingMemory {
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly #jobsStart: number;
  readonly #slots: number;
  readonly #inputs: Uint8Array<SharedArrayBuffer>[] = [];
  readonly #outputs: Uint8Array<SharedArrayBuffer>[] = [];

  static allocate(geometry: RingGeometry): SharedArrayBuffer {
    return new SharedArrayBuffer(layout(geometry).total);
  }

  constructor(memory: SharedArrayBuffer, geometry: RingGeometry) {
    const { wordCount, outputBytes, dataStart } = layout(geometry);
    this.words = new Int32Array(memory, 0, wordCount);
    this.#slots = geometry.slots;
    this.#jobsStart = RING_WORDS + SLOT_WORDS * geometry.slots;
    for (let slot = 0; slot < geometry.slots; slot++) {
      const start = dataStart + slot * (geometry.chunkBytes + outputBytes);
      this.#inputs.push(new Uint8Array(memory, start, geometry.chunkBytes));
      this.#outputs.push(new Uint8Array(memory, start + geometry.chunkBytes, outputBytes));
    }
  }

  slotWord(slot: number, word: number): number {
    return RING_WORDS + SLOT_WORDS * slot + word;
  }

  jobWord(job: number): number {
    return this.#jobsStart + (job % this.#slots);
  }

  input(slot: number): Uint8Array<SharedArrayBuffer> {
    return this.#inputs[slot] as Uint8Array<SharedArrayBuffer>;
  }

  output(slot: number): Uint8Array<SharedArrayBuffer> {
    return this.#outputs[slot] as Uint8Array<SharedArrayBuffer>;
  }
}

function layout(geometry: RingGeometry): {
  wordCount: number;
  outputBytes: number;
  dataStart: number;
  total: number;
} {
  const wordCount = RING_WORDS + SLOT_WORDS * geometry.slots + geometry.slots;
  const outputBytes = roundUp(deflateChunkBound(geometry.chunkBytes), 64);
  const dataStart = roundUp(wordCount * 4, 64);
  return { wordCount, outputBytes, dataStart, total: dataStart + geometry.slots * (geometry.chunkBytes + outputBytes) };
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
