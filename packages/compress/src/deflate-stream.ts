/** A ring behind an async generator, for callers that are asynchronous anyway. */
import type { DeflatedChunk, DeflateRing } from './deflate-ring.js';

/**
 * Deflates `source` as one stream through `ring` and yields its chunks in order, the last one with
 * `final`. Each chunk's `output` is valid until the next is asked for. The ring must be idle, and is again afterwards.
 */
export async function* deflate(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ring: DeflateRing,
): AsyncGenerator<DeflatedChunk, void, undefined> {
  for await (const piece of source) {
    let position = 0;
    while (position < piece.length) {
      position += ring.write(position === 0 ? piece : piece.subarray(position));
      yield* finished(ring);
      if (position < piece.length) await ring.ready();
    }
  }
  while (!ring.flush(true)) {
    await ring.ready();
    yield* finished(ring);
  }
  while (ring.pending > 0) {
    await ring.ready();
    yield* finished(ring);
  }
}

function* finished(ring: DeflateRing): Generator<DeflatedChunk, void, undefined> {
  for (let chunk = ring.take(); chunk !== undefined; chunk = ring.take()) yield chunk;
}
