/**
 * rdiff's three jobs over files, synchronously and with memory that does not depend on their length. `-` is standard input or
 * output. This folder alone uses Node's API: it is the command, not the library.
 */

import * as fs from 'node:fs';
import { type Basis, loadRsync, type Signature, type SignatureOptions } from '../index.js';

/** What one read asks for: larger ones leave the second-level cache before they are hashed. */
const READ = 256 << 10;
/** Shorter output is collected before it is written. */
const WRITE = 64 << 10;

/** Bytes in and out, for `--statistics`. */
export interface Traffic {
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export function signFile(from: string, to: string, options: SignatureOptions, force = true): Traffic {
  using input = new Input(from);
  using output = new Output(to, force);
  using builder = loadRsync().createSignature(options);
  for (const bytes of input.pieces()) output.write(builder.update(bytes));
  output.write(builder.finish());
  return output.end(input);
}

export function deltaFile(signaturePath: string, from: string, to: string, force = true): Traffic {
  using signature = loadSignatureFile(signaturePath);
  using input = new Input(from);
  using output = new Output(to, force);
  using builder = loadRsync().createDelta(signature);
  for (const bytes of input.pieces()) output.write(builder.update(bytes));
  output.write(builder.finish());
  return output.end(input);
}

export function patchFile(basisPath: string, deltaPath: string, to: string, force = true): Traffic {
  using basisFile = new Input(basisPath);
  using input = new Input(deltaPath);
  using output = new Output(to, force);
  const patch = loadRsync().createPatch(basisFile);
  for (const bytes of input.pieces()) for (const piece of patch.update(bytes)) output.write(piece);
  patch.finish();
  return output.end(input);
}

export function loadSignatureFile(path: string): Signature {
  using input = new Input(path);
  return loadRsync().loadSignature(input.pieces());
}

class Input implements Basis {
  bytesIn = 0;
  readonly #fd: number;
  readonly #close: boolean;

  constructor(path: string) {
    this.#close = path !== '-';
    this.#fd = this.#close ? fs.openSync(path, 'r') : 0;
  }

  get size(): number {
    return fs.fstatSync(this.#fd).size;
  }

  read(position: number, target: Uint8Array): number {
    return fs.readSync(this.#fd, target, 0, target.length, position);
  }

  /** The file in order; each piece is valid until the next. */
  *pieces(): Generator<Uint8Array, void, undefined> {
    const buffer = new Uint8Array(READ);
    while (true) {
      const got = readSome(this.#fd, buffer);
      if (got === 0) return;
      this.bytesIn += got;
      yield got === READ ? buffer : buffer.subarray(0, got);
    }
  }

  [Symbol.dispose](): void {
    if (this.#close) fs.closeSync(this.#fd);
  }
}

/** Reads; waits where a pipe without data was opened as non-blocking. */
function readSome(fd: number, buffer: Uint8Array): number {
  while (true) {
    try {
      return fs.readSync(fd, buffer, 0, buffer.length, null);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EOF') return 0;
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

class Output {
  #bytesOut = 0;
  readonly #fd: number;
  readonly #close: boolean;
  /** Collects small pieces; made when the first comes. */
  #buffer: Uint8Array | undefined;
  #filled = 0;

  constructor(path: string, force: boolean) {
    this.#close = path !== '-';
    this.#fd = this.#close ? fs.openSync(path, force ? 'w' : 'wx') : 1;
  }

  write(bytes: Uint8Array): void {
    if (bytes.length + this.#filled >= WRITE) {
      this.#flush();
      this.#put(bytes);
    } else if (bytes.length > 0) {
      this.#buffer ??= new Uint8Array(WRITE);
      this.#buffer.set(bytes, this.#filled);
      this.#filled += bytes.length;
    }
  }

  end(input: Input): Traffic {
    this.#flush();
    return { bytesIn: input.bytesIn, bytesOut: this.#bytesOut };
  }

  #flush(): void {
    if (this.#buffer) this.#put(this.#buffer.subarray(0, this.#filled));
    this.#filled = 0;
  }

  #put(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) at += fs.writeSync(this.#fd, bytes, at, bytes.length - at);
    this.#bytesOut += bytes.length;
  }

  [Symbol.dispose](): void {
    if (this.#close) fs.closeSync(this.#fd);
  }
}
