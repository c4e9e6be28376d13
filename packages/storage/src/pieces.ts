/** Byte streams as async iterables whose resources are freed even when nobody ever reads from them. */

/** Bytes read or written at a time. */
export const PIECE_BYTES = 256 * 1024;

/**
 * Pieces that `next` delivers until it returns undefined. `release` runs once: at the end, at an error, or when
 * the reader stops early (a generator that was never started would skip its `finally`).
 */
export function pieces(
  next: () => Promise<Uint8Array | undefined>,
  release: () => Promise<void>,
): AsyncIterableIterator<Uint8Array> {
  let ended = false;
  const end = async (): Promise<IteratorResult<Uint8Array>> => {
    if (!ended) {
      ended = true;
      await release();
    }
    return { done: true, value: undefined };
  };
  return {
    async next() {
      if (ended) return { done: true, value: undefined };
      try {
        const value = await next();
        return value === undefined ? await end() : { done: false, value };
      } catch (error) {
        await end();
        throw error;
      }
    },
    return: end,
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** Everything in one array: for small objects such as manifests, whose size the caller has checked. */
export async function collect(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}
