/**
 * A delta's bytes and the old file in, the new file out: {@link PatchDecoder}. The delta may come from anywhere: each command is
 * checked against the basis before anything is read, and memory does not depend on what it says.
 */

import { type DeltaCommand, DeltaParser } from './delta-parser.js';
import { RsyncError } from './errors.js';

/** The old file, for patch: anything that can be read at a position. */
export interface Basis {
  /** Length in bytes. */
  readonly size: number;
  /**
   * Reads bytes from `position` into `target` and returns how many; fewer than asked for are asked for again, 0 is the end.
   * Never asked for bytes beyond `size`.
   */
  read(position: number, target: Uint8Array): number;
}

export interface PatchOptions {
  /** Longest output to make, in bytes; a few bytes of delta can stand for terabytes. Default: no limit. */
  readonly maxOutputBytes?: number;
}

/** Output is collected and handed out in pieces of this size; longer literals are handed out as they came. */
const PIECE = 256 << 10;
const LONG_LITERAL = 16 << 10;

export class PatchDecoder {
  #basis: Basis;
  #parser: DeltaParser;
  /** Made when it is first needed. */
  #piece: Uint8Array | undefined;
  #filled = 0;

  constructor(basis: Basis, options: PatchOptions = {}) {
    this.#basis = basis;
    this.#parser = new DeltaParser(basis.size, options.maxOutputBytes);
  }

  /** Begins another delta, to another basis, whatever became of the last. */
  reset(basis: Basis, options: PatchOptions = {}): void {
    this.#basis = basis;
    this.#parser = new DeltaParser(basis.size, options.maxOutputBytes);
    this.#filled = 0;
  }

  /** Bytes of output so far, those included that this call is about to hand out. */
  get outputBytes(): number {
    return this.#parser.outputBytes;
  }

  /**
   * Adds the next bytes of the delta, of any number, and iterates over the output that they make possible, in pieces of at most
   * 256 KiB or the length of `delta`. Each piece is valid until the next is asked for. Iterate to the end before the next call.
   * @throws RsyncError `DELTA_MAGIC`, `DELTA_INVALID`, `DELTA_OUT_OF_BASIS`, `OUTPUT_TOO_LARGE`, `BASIS_SHORT`
   */
  *update(delta: Uint8Array): Generator<Uint8Array, void, undefined> {
    for (const command of this.#parser.parse(delta)) yield* this.#run(command);
    if (this.#filled > 0) yield this.#flush();
  }

  /**
   * Call after the last bytes of the delta: checks that it was complete.
   * @throws RsyncError `DELTA_TRUNCATED`
   */
  finish(): void {
    this.#parser.finish();
  }

  *#run(command: DeltaCommand): Generator<Uint8Array, void, undefined> {
    if (command.kind === 'copy') {
      yield* this.#copy(command.position, command.length);
    } else if (command.bytes.length >= LONG_LITERAL) {
      if (this.#filled > 0) yield this.#flush();
      yield command.bytes;
    } else {
      if (command.bytes.length > PIECE - this.#filled) yield this.#flush();
      this.#collected().set(command.bytes, this.#filled);
      this.#filled += command.bytes.length;
    }
  }

  *#copy(from: number, length: number): Generator<Uint8Array, void, undefined> {
    let position = from;
    const end = from + length;
    while (position < end) {
      const wanted = Math.min(end - position, PIECE - this.#filled);
      const target = this.#collected().subarray(this.#filled, this.#filled + wanted);
      const got = this.#basis.read(position, target);
      if (!(got > 0 && got <= wanted)) throw basisShort(position, this.#basis.size);
      position += got;
      this.#filled += got;
      if (this.#filled === PIECE) yield this.#flush();
    }
  }

  #collected(): Uint8Array {
    this.#piece ??= new Uint8Array(PIECE);
    return this.#piece;
  }

  #flush(): Uint8Array {
    const ready = this.#collected().subarray(0, this.#filled);
    this.#filled = 0;
    return ready;
  }
}

export function basisShort(position: number, size: number): RsyncError {
  return new RsyncError(
    'BASIS_SHORT',
    `The basis has nothing to read at byte ${position}, though its size is ${size}`,
    'The basis changed while it was read, or its size is wrong.',
  );
}
