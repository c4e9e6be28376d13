/** The work on one slot, the same in a worker and inline. */
import { adler32, crc32 } from './checksums.js';
import { deflateChunk } from './deflate-chunk.js';
import {
  ADLER32,
  CRC32,
  DONE,
  INPUT_LENGTH,
  IS_LAST,
  OUTPUT_LENGTH,
  type RingMemory,
  type RingSettings,
  STATE,
} from './ring-memory.js';

export function deflateSlot(memory: RingMemory, slot: number, settings: RingSettings): void {
  const { words } = memory;
  const input = memory.input(slot).subarray(0, words[memory.slotWord(slot, INPUT_LENGTH)]);
  const isLast = words[memory.slotWord(slot, IS_LAST)] === 1;
  words[memory.slotWord(slot, OUTPUT_LENGTH)] = deflateChunk(input, memory.output(slot), settings.level, isLast);
  if (settings.crc32) words[memory.slotWord(slot, CRC32)] = crc32(input);
  if (settings.adler32) words[memory.slotWord(slot, ADLER32)] = adler32(input);
  Atomics.store(words, memory.slotWord(slot, STATE), DONE);
}
