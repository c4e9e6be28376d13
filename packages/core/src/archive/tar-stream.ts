/**
 * A tar as it arrives: synchronous as long as bytes are at hand, with one `fill` to await when they are not.
 * That keeps a merge of many streams free of a promise per entry.
 */

import type { TarHeader } from './tar.js';
import { TarScanner } from './tar-scanner.js';

/** More bytes are needed: `await stream.fill()` and ask again. */
export const MORE = Symbol('more');
/** There is nothing further. */
export const END = Symbol('end');

export class TarStream {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #scanner = new TarScanner();
  #header: TarHeader | undefined;
  #exhausted = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Whether the archive ended as it should, with a zero block, and not where its bytes happen to. */
  get terminated(): boolean {
    return this.#scanner.terminated;
  }

  /** The next member; what is left of the current one's content is dropped. @throws RedupError ARCHIVE_INVALID */
  next(): TarHeader | typeof MORE | typeof END {
    if (this.#header !== undefined) {
      if (!this.#scanner.skipData()) return this.#more();
      this.#header = undefined;
    }
    const item = this.#scanner.next();
    if (item === undefined) return this.#more();
    if (item.kind !== 'member') return END;
    this.#header = item.header;
    return item.header;
  }

  /** A piece of the current member's content, a view valid until the next call; `END` when it is complete. */
  data(): Uint8Array | typeof MORE | typeof END {
    if (this.#scanner.dataLeft === 0) return END;
    const item = this.#scanner.next();
    if (item === undefined) return this.#more();
    return item.kind === 'data' ? item.bytes : END;
  }

  async fill(): Promise<void> {
    if (this.#exhausted) return;
    const { done, value } = await this.#source.next();
    if (done) {
      this.#exhausted = true;
      this.#scanner.finish();
    } else {
      this.#scanner.feed(value);
    }
  }

  /** All of the current member's content. Only for what must be in memory, such as a file's signature. */
  async collect(): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (let piece = this.data(); piece !== END; piece = this.data()) {
      if (piece === MORE) await this.fill();
      else pieces.push(Buffer.from(piece));
    }
    return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
  }

  /** Reads the rest of the source, so that checks at its end (MDC, checksums) are made. */
  async drain(): Promise<void> {
    while (!this.#exhausted) {
      const { done } = await this.#source.next();
      if (done) this.#exhausted = true;
    }
  }

  async close(): Promise<void> {
    this.#exhausted = true;
    await this.#source.return?.();
  }

  #more(): typeof MORE | typeof END {
    return this.#exhausted ? END : MORE;
  }
}
