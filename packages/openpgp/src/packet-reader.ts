/**
 * Reading packets from a stream (RFC 9580 section 4.2): old and new headers; definite, partial and
 * indeterminate lengths. Bodies come in large pieces: gpg's parts of 8 KiB are joined, since each
 * piece costs a call to the cipher and a turn of the pipeline.
 */
import { OpenPgpError } from './errors.js';

const JOIN_BYTES = 131_072;
/** Pieces from this size on are passed on as they came. */
const LARGE_BYTES = 65_536;

/** Source pieces as bytes. */
export class PieceReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array(0);
  #isEnded = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Unread bytes of the current piece; empty only at the end, after `fill()`. */
  get buffered(): Uint8Array {
    return this.#piece;
  }

  /** Makes `buffered` non-empty; false at the end of the source. */
  async fill(): Promise<boolean> {
    while (this.#piece.length === 0 && !this.#isEnded) {
      const result = await this.#source.next();
      if (result.done === true) this.#isEnded = true;
      else this.#piece = result.value;
    }
    return this.#piece.length > 0;
  }

  /** Drops `count` buffered bytes. */
  skip(count: number): void {
    this.#piece = this.#piece.subarray(count);
  }

  /** The next byte, or undefined at the end. */
  async byte(): Promise<number | undefined> {
    if (!(await this.fill())) return undefined;
    const byte = this.#piece[0];
    this.skip(1);
    return byte;
  }

  async close(): Promise<void> {
    if (this.#isEnded) return;
    this.#isEnded = true;
    await this.#source.return?.();
  }
}

export interface PacketStart {
  readonly tag: number;
  readonly body: PacketBody;
}

/** The next packet; undefined at the end of the source. Its body must be read to the end before the next. */
export async function readPacket(reader: PieceReader): Promise<PacketStart | undefined> {
  const header = await reader.byte();
  if (header === undefined) return undefined;
  if ((header & 0x80) === 0) throw new OpenPgpError('not-openpgp', 'This is not an OpenPGP packet');
  if ((header & 0x40) !== 0) {
    const { length, isPartial } = await readLength(reader);
    return { tag: header & 0x3f, body: new PacketBody(reader, length, isPartial ? 'partial' : 'definite') };
  }
  const lengthType = header & 3;
  const tag = (header >> 2) & 15;
  if (lengthType === 3) return { tag, body: new PacketBody(reader, 0, 'indeterminate') };
  let length = 0;
  for (let i = 0; i < 1 << lengthType; i++) length = length * 256 + (await mustByte(reader));
  return { tag, body: new PacketBody(reader, length, 'definite') };
}

async function readLength(reader: PieceReader): Promise<{ length: number; isPartial: boolean }> {
  const first = await mustByte(reader);
  if (first < 192) return { length: first, isPartial: false };
  if (first < 224) return { length: ((first - 192) << 8) + (await mustByte(reader)) + 192, isPartial: false };
  if (first < 255) return { length: 2 ** (first & 0x1f), isPartial: true };
  let length = 0;
  for (let i = 0; i < 4; i++) length = length * 256 + (await mustByte(reader));
  return { length, isPartial: false };
}

async function mustByte(reader: PieceReader): Promise<number> {
  const byte = await reader.byte();
  if (byte === undefined) throw truncated();
  return byte;
}

function truncated(): OpenPgpError {
  return new OpenPgpError('truncated', 'The message ends inside a packet');
}

type LengthKind = 'definite' | 'partial' | 'indeterminate';

export class PacketBody {
  readonly #reader: PieceReader;
  #left: number;
  #kind: LengthKind;
  /** How the packet's length was given in its header. */
  readonly lengthKind: LengthKind;

  constructor(reader: PieceReader, length: number, kind: LengthKind) {
    this.#reader = reader;
    this.#left = length;
    this.#kind = kind;
    this.lengthKind = kind;
  }

  /** The whole of a small body; more than `most` bytes are refused before they are read. */
  async readAll(most: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let length = 0;
    if (this.#left > most) throw tooLong();
    while (await this.#more()) {
      const piece = this.#take();
      length += piece.length;
      if (length > most) throw tooLong();
      parts.push(piece);
    }
    return Buffer.concat(parts, length);
  }

  /** Exactly `count` bytes from the front of the body. */
  async readExactly(count: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(count);
    for (let filled = 0; filled < count; ) {
      if (!(await this.#more())) throw new OpenPgpError('damaged', 'A packet is too short');
      const piece = this.#take(count - filled);
      bytes.set(piece, filled);
      filled += piece.length;
    }
    return bytes;
  }

  /** The rest of the body. Pieces may be views of the source's; they are not overwritten here. */
  async *pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    let joined: Uint8Array | undefined;
    let length = 0;
    // Awaited only where bytes are missing: gpg's plaintext has 32,000 parts in 256 MB.
    for (;;) {
      const state = this.#state();
      if (state === 'end' || (state === 'missing' && !(await this.#more()))) break;
      const piece = this.#take(JOIN_BYTES - length);
      if (length === 0 && piece.length >= LARGE_BYTES) {
        yield piece;
        continue;
      }
      joined ??= Buffer.allocUnsafeSlow(JOIN_BYTES);
      joined.set(piece, length);
      length += piece.length;
      if (length < JOIN_BYTES) continue;
      yield joined;
      joined = undefined;
      length = 0;
    }
    if (joined !== undefined) yield joined.subarray(0, length);
  }

  /** Whether a byte of the body is at hand, as far as that shows without waiting. */
  #state(): 'some' | 'end' | 'missing' {
    while (this.#kind !== 'indeterminate' && this.#left === 0) {
      if (this.#kind === 'definite') return 'end';
      const first = this.#reader.buffered[0] ?? 0;
      // Only the header of a further part is read here: one byte, and all but a few of all headers.
      if (first < 224 || first === 255) return 'missing';
      this.#left = 2 ** (first & 0x1f);
      this.#reader.skip(1);
    }
    return this.#reader.buffered.length > 0 ? 'some' : 'missing';
  }

  /** Makes at least one byte of the body available; false at its end. */
  async #more(): Promise<boolean> {
    while (this.#kind !== 'indeterminate' && this.#left === 0) {
      if (this.#kind === 'definite') return false;
      const { length, isPartial } = await readLength(this.#reader);
      this.#left = length;
      if (!isPartial) this.#kind = 'definite';
    }
    if (this.#reader.buffered.length > 0 || (await this.#reader.fill())) return true;
    if (this.#kind === 'indeterminate') return false;
    throw truncated();
  }

  #take(most = Number.POSITIVE_INFINITY): Uint8Array {
    const { buffered } = this.#reader;
    const count = Math.min(buffered.length, most, this.#kind === 'indeterminate' ? buffered.length : this.#left);
    const piece = buffered.subarray(0, count);
    this.#reader.skip(count);
    if (this.#kind !== 'indeterminate') this.#left -= count;
    return piece;
  }
}

function tooLong(): OpenPgpError {
  return new OpenPgpError('refused', 'A packet is longer than any program writes it');
}
