/**
 * A small fuzzer: takes inputs of the corpus, changes them at random places by what breaks parsers (edge values, cuts, repeats,
 * splices of two inputs) and runs the target. Everything follows from the seed.
 */

import type { Target } from './targets.js';

export interface FuzzReport {
  readonly runs: number;
  /** Most processor time one input took. */
  readonly slowestMs: number;
  readonly failure: { readonly input: Uint8Array; readonly error: unknown } | undefined;
}

const EDGES = [0, 1, 2, 7, 8, 16, 32, 64, 0x40, 0x41, 0x44, 0x45, 0x54, 0x55, 0x7f, 0x80, 0xfe, 0xff];
const LONGEST = 4096;

/** Fuzzes until `stop` says so or an input fails; one that takes more than `limitMs` of processor time fails as well. */
export function fuzz(
  target: Target,
  corpus: readonly Uint8Array[],
  seed: number,
  stop: () => boolean,
  limitMs = 2000,
): FuzzReport {
  const random = numbers(seed);
  let runs = 0;
  let slowestMs = 0;
  const inputs = corpus.values();
  while (runs < corpus.length || !stop()) {
    const input = inputs.next().value ?? mutated(corpus, random);
    const start = process.cpuUsage();
    try {
      target.run(input);
    } catch (error) {
      return { runs, slowestMs, failure: { input, error } };
    }
    const { user, system } = process.cpuUsage(start);
    const took = (user + system) / 1000;
    slowestMs = Math.max(slowestMs, took);
    if (took > limitMs)
      return { runs, slowestMs, failure: { input, error: new Error(`It took ${took.toFixed(0)} ms`) } };
    runs++;
  }
  return { runs, slowestMs, failure: undefined };
}

function mutated(corpus: readonly Uint8Array[], random: (below: number) => number): Uint8Array {
  const pick = () => corpus[random(corpus.length)] ?? new Uint8Array(0);
  let bytes: Uint8Array = pick().slice();
  for (let changes = 1 + random(6); changes > 0; changes--) bytes = change(bytes, pick, random);
  return bytes.slice(0, LONGEST);
}

function change(bytes: Uint8Array, pick: () => Uint8Array, random: (below: number) => number): Uint8Array {
  const at = random(bytes.length + 1);
  const to = at + random(Math.min(64, bytes.length - at + 1));
  const joined = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));
  switch (random(7)) {
    case 0:
      if (at < bytes.length) bytes[at] = random(256);
      return bytes;
    case 1:
      if (at < bytes.length) bytes[at] = EDGES[random(EDGES.length)] ?? 0;
      return bytes;
    case 2:
      for (let i = at; i < Math.min(bytes.length, at + 2 ** random(4)); i++) bytes[i] = random(2) === 0 ? 0xff : 0;
      return bytes;
    case 3:
      return bytes.slice(0, at);
    case 4:
      return joined(bytes.subarray(0, at), bytes.subarray(to));
    case 5:
      return joined(bytes.subarray(0, to), bytes.subarray(at));
    default: {
      const other = pick();
      return joined(bytes.subarray(0, at), other.subarray(random(other.length + 1)));
    }
  }
}

/** xorshift32. */
function numbers(seed: number): (below: number) => number {
  let x = seed | 0 || 1;
  return (below) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
}
