/**
 * Where bytes come from and go to asynchronously: iterables and Web streams around the synchronous objects.
 */

/** Anything bytes can be iterated from, a Web `ReadableStream` and a Node stream included. */
export type ByteSource = Iterable<Uint8Array> | AsyncIterable<Uint8Array> | ReadableStream<Uint8Array>;

/** Iterates over a source; a `ReadableStream` also where that is not iterable by itself, as in Safari. */
export async function* piecesOf(source: ByteSource): AsyncGenerator<Uint8Array, void, undefined> {
  if (Symbol.asyncIterator in source || Symbol.iterator in source) {
    yield* source;
    return;
  }
  const reader = (source as ReadableStream<Uint8Array>).getReader();
  let ended = false;
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) {
        ended = true;
        return;
      }
      yield value;
    }
  } finally {
    if (!ended) await reader.cancel();
    reader.releaseLock();
  }
}

interface Builder {
  update(bytes: Uint8Array): Uint8Array;
  finish(): Uint8Array;
  dispose(): void;
}

/** A stream that puts what is written to it through a builder, and disposes of it at the end or when either side gives up. */
export function transformStream(builder: Builder): TransformStream<Uint8Array, Uint8Array> {
  type Controller = TransformStreamDefaultController<Uint8Array>;
  const transformer = {
    transform: (bytes: Uint8Array, controller: Controller) => enqueueCopy(controller, builder.update(bytes)),
    flush: (controller: Controller) => {
      enqueueCopy(controller, builder.finish());
      builder.dispose();
    },
    // Called by newer platforms only; on others, the garbage collector has it.
    cancel: () => builder.dispose(),
  };
  return new TransformStream<Uint8Array, Uint8Array>(transformer);
}

function enqueueCopy(controller: TransformStreamDefaultController<Uint8Array>, bytes: Uint8Array): void {
  if (bytes.length > 0) controller.enqueue(bytes.slice());
}
