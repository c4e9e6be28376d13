/**
 * Pieces of any size, read as bytes: exact counts for headers and trailers, large pieces for bulk.
 * Tiny pieces are joined, since every piece costs a trip through the event loop further on.
 */
const JOIN_BELOW = 16_384;
const JOIN_UP_TO = 65_536;

export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);
  #isEnded = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The next bytes, at least one; undefined at the end. */
  async read(): Promise<Uint8Array | undefined> {
    if (this.#rest.length > 0) return this.#takeRest();
    const first = await this.#next();
    if (first === undefined || first.length >= JOIN_BELOW) return first;
    const parts = [first];
    let length = first.length;
    while (length < JOIN_UP_TO) {
      const part = await this.#next();
      if (part === undefined) break;
      if (part.length >= JOIN_UP_TO) {
        this.#rest = part;
        break;
      }
      parts.push(part);
      length += part.length;
    }
    return parts.length === 1 ? first : Buffer.concat(parts, length);
  }

  /** Exactly `count` bytes, or fewer at the end of the source. For small counts. */
  async readExactly(count: number): Promise<Uint8Array> {
    const result = new Uint8Array(count);
    let filled = 0;
    while (filled < count) {
      const piece = await this.read();
      if (piece === undefined) return result.subarray(0, filled);
      const used = Math.min(piece.length, count - filled);
      result.set(piece.subarray(0, used), filled);
      filled += used;
      if (used < piece.length) this.unread(piece.subarray(used));
    }
    return result;
  }

  /** Puts back what the last `read` gave too much. */
  unread(bytes: Uint8Array): void {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([bytes, this.#rest]);
  }

  /** Tells the source that no more is wanted. */
  async close(): Promise<void> {
    if (this.#isEnded) return;
    this.#isEnded = true;
    await this.#source.return?.();
  }

  #takeRest(): Uint8Array {
    const rest = this.#rest;
    this.#rest = new Uint8Array(0);
    return rest;
  }

  async #next(): Promise<Uint8Array | undefined> {
    while (!this.#isEnded) {
      const result = await this.#source.next();
      if (result.done === true) this.#isEnded = true;
      else if (result.value.length > 0) return result.value;
    }
    return undefined;
  }
}
