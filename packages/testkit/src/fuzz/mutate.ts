/** Changes to an input that break parsers: edge values, cuts, repeats, splices of two inputs, words of the format. */

export type Random = (below: number) => number;

const EDGES = [0, 1, 2, 7, 8, 16, 32, 64, 0x40, 0x41, 0x44, 0x45, 0x54, 0x55, 0x7f, 0x80, 0xfe, 0xff];

/** One to six changes to one of the inputs. */
export function mutated(
  corpus: readonly Uint8Array[],
  words: readonly Uint8Array[],
  random: Random,
  longest: number,
): Uint8Array {
  const pick = () => corpus[random(corpus.length)] ?? new Uint8Array(0);
  let bytes: Uint8Array = pick().slice();
  for (let changes = 1 + random(6); changes > 0; changes--) bytes = change(bytes, pick, words, random);
  return bytes.slice(0, longest);
}

function change(bytes: Uint8Array, pick: () => Uint8Array, words: readonly Uint8Array[], random: Random): Uint8Array {
  const at = random(bytes.length + 1);
  const to = at + random(Math.min(64, bytes.length - at + 1));
  switch (random(words.length > 0 ? 9 : 7)) {
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
    case 6: {
      const other = pick();
      return joined(bytes.subarray(0, at), other.subarray(random(other.length + 1)));
    }
    default: {
      const word = words[random(words.length)] ?? new Uint8Array(0);
      return joined(bytes.subarray(0, at), word, bytes.subarray(random(2) === 0 ? at : to));
    }
  }
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** xorshift32. */
export function numbers(seed: number): Random {
  let x = seed | 0 || 1;
  return (below) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
}
