/** Bytes that a generator makes, as a stream; destroying it aborts what is under way for it and waits until that has ended. */

import { Readable } from 'node:stream';

export class ByteStream extends Readable {
  readonly #left = new AbortController();
  readonly #bytes: AsyncGenerator<Uint8Array, void, undefined>;

  /** @param signal of the caller, who may also destroy the stream */
  constructor(bytes: (aborted: AbortSignal) => AsyncGenerator<Uint8Array, void, undefined>, signal?: AbortSignal) {
    super();
    this.#bytes = bytes(signal === undefined ? this.#left.signal : AbortSignal.any([this.#left.signal, signal]));
  }

  override _read(): void {
    this.#bytes.next().then(
      ({ done, value }) => this.push(done === true ? null : value),
      (error: Error) => this.destroy(error),
    );
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#left.abort();
    const ended = () => callback(error);
    this.#bytes.return().then(ended, ended);
  }
}
