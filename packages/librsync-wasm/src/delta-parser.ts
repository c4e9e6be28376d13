/**
 * A delta's bytes, in pieces of any size, to its commands. Everything is checked here: reserved commands, lengths of zero and of
 * 2^63 and more, copies outside the basis. Adjacent copies come out as one, so that reads are long.
 */

import { RsyncError } from './errors.js';
import { DELTA_MAGIC } from './formats.js';

export type DeltaCommand =
  | { readonly kind: 'literal'; readonly bytes: Uint8Array }
  | { readonly kind: 'copy'; readonly position: number; readonly length: number };

const END = 0x00;
const LITERAL_1 = 0x41;
const COPY_1_1 = 0x45;
const RESERVED = 0x55;
const DAMAGED = 'The delta is damaged: make or fetch it again.';

export class DeltaParser {
  readonly #basisSize: number;
  readonly #mostOutput: number;
  /** The command that is being collected: the magic number at first. */
  readonly #head = new Uint8Array(17);
  readonly #view = new DataView(this.#head.buffer);
  #headFilled = 0;
  #headLength = 4;
  #started = false;
  #ended = false;
  /** Bytes of the present literal still to come. */
  #literal = 0;
  #copyPosition = 0;
  #copyLength = 0;
  #outputBytes = 0;
  /** Bytes of delta taken in, and where the present command began. */
  #offset = 0;
  #commandAt = 0;

  constructor(basisSize: number, mostOutput = Number.MAX_SAFE_INTEGER) {
    this.#basisSize = basisSize;
    this.#mostOutput = mostOutput;
  }

  get outputBytes(): number {
    return this.#outputBytes;
  }

  /** Iterates over the commands that `delta` completes; a literal comes in as many parts as the delta. Bytes behind the end are ignored. */
  *parse(delta: Uint8Array): Generator<DeltaCommand, void, undefined> {
    let at = 0;
    while (at < delta.length && !this.#ended) {
      if (this.#literal > 0) {
        const bytes = delta.subarray(at, at + this.#literal);
        at += bytes.length;
        this.#offset += bytes.length;
        this.#literal -= bytes.length;
        yield { kind: 'literal', bytes };
        continue;
      }
      const byte = delta[at++] ?? 0;
      if (this.#headFilled === 0) this.#beginCommand(byte);
      this.#head[this.#headFilled++] = byte;
      this.#offset++;
      if (this.#headFilled < this.#headLength) continue;
      this.#headFilled = 0;
      const done = this.#endCommand();
      if (done) yield done;
    }
    const copy = this.#takeCopy();
    if (copy) yield copy;
  }

  /** @throws RsyncError `DELTA_TRUNCATED` when there was no end command. */
  finish(): void {
    if (this.#ended) return;
    const missing =
      this.#literal > 0
        ? `${this.#literal} bytes of a literal are missing`
        : this.#headFilled > 0
          ? 'it ends within a command'
          : 'its end command is missing';
    throw new RsyncError('DELTA_TRUNCATED', `The delta is incomplete: ${missing}`, DAMAGED, this.#offset);
  }

  #beginCommand(opcode: number): void {
    this.#commandAt = this.#offset;
    if (!this.#started) return;
    if (opcode >= RESERVED) {
      throw this.#invalid(`0x${opcode.toString(16)} is a reserved command`);
    }
    if (opcode < LITERAL_1) this.#headLength = 1;
    else if (opcode < COPY_1_1) this.#headLength = 1 + 2 ** (opcode - LITERAL_1);
    else this.#headLength = 1 + 2 ** ((opcode - COPY_1_1) >> 2) + 2 ** ((opcode - COPY_1_1) & 3);
  }

  /** Acts on the command in `#head`; returns the copy before it when that can't become longer any more. */
  #endCommand(): DeltaCommand | undefined {
    const opcode = this.#head[0] ?? 0;
    if (!this.#started) {
      this.#checkMagic();
      return undefined;
    }
    if (opcode === END) {
      this.#ended = true;
      return this.#takeCopy();
    }
    if (opcode < COPY_1_1) {
      const length = opcode < LITERAL_1 ? opcode : this.#number(1, opcode - LITERAL_1, 'length');
      if (length === 0) throw this.#invalid('a literal of length 0');
      this.#literal = length;
      this.#count(length);
      return this.#takeCopy();
    }
    const positionWidth = (opcode - COPY_1_1) >> 2;
    const position = this.#number(1, positionWidth, 'position');
    const length = this.#number(1 + 2 ** positionWidth, (opcode - COPY_1_1) & 3, 'length');
    return this.#addCopy(position, length);
  }

  #addCopy(position: number, length: number): DeltaCommand | undefined {
    if (length === 0) throw this.#invalid('a copy of length 0');
    if (position + length > this.#basisSize) {
      throw new RsyncError(
        'DELTA_OUT_OF_BASIS',
        `A copy of ${length} bytes from byte ${position} reaches beyond the end of the basis of ${this.#basisSize} bytes`,
        'The delta was made for another basis, or is damaged.',
        this.#commandAt,
      );
    }
    this.#count(length);
    if (this.#copyLength > 0 && this.#copyPosition + this.#copyLength === position) {
      this.#copyLength += length;
      return undefined;
    }
    const before = this.#takeCopy();
    this.#copyPosition = position;
    this.#copyLength = length;
    return before;
  }

  #takeCopy(): DeltaCommand | undefined {
    if (this.#copyLength === 0) return undefined;
    const copy: DeltaCommand = { kind: 'copy', position: this.#copyPosition, length: this.#copyLength };
    this.#copyLength = 0;
    return copy;
  }

  /** The big-endian number of 2^width bytes at `at`. Up to 2^63 it may lose precision: it then is too large for every use. */
  #number(at: number, width: number, what: string): number {
    if (width === 0) return this.#view.getUint8(at);
    if (width === 1) return this.#view.getUint16(at);
    if (width === 2) return this.#view.getUint32(at);
    const high = this.#view.getUint32(at);
    if (high >= 2 ** 31) throw this.#invalid(`a ${what} of 2^63 or more`);
    return high * 2 ** 32 + this.#view.getUint32(at + 4);
  }

  #count(length: number): void {
    this.#outputBytes += length;
    if (this.#outputBytes > this.#mostOutput) {
      throw new RsyncError(
        'OUTPUT_TOO_LARGE',
        `The output would be longer than ${this.#mostOutput} bytes`,
        'Raise maxOutputBytes if so much is expected; otherwise the delta is damaged.',
        this.#commandAt,
      );
    }
  }

  #checkMagic(): void {
    const magic = this.#view.getUint32(0);
    if (magic !== DELTA_MAGIC) {
      const found = `0x${magic.toString(16).padStart(8, '0')}`;
      throw new RsyncError(
        'DELTA_MAGIC',
        `A delta begins with 0x72730236, this with ${found}`,
        found.startsWith('0x727301')
          ? 'This is a signature.'
          : 'Check that this file is a delta, decrypted and unpacked.',
        0,
      );
    }
    this.#started = true;
  }

  #invalid(what: string): RsyncError {
    return new RsyncError('DELTA_INVALID', `Not a command of a delta: ${what}`, DAMAGED, this.#commandAt);
  }
}
