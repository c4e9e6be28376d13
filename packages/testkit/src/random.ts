/** Numbers that a seed determines, the same on every machine: mulberry32, by Tommy Ettinger, in the public domain. */

/** Whole numbers of 32 bits. */
export function wordsFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** Numbers from 0 to 1. */
export function randomFrom(seed: number): () => number {
  const next = wordsFrom(seed);
  return () => next() / 2 ** 32;
}
