/**
 * For tests: the real rdiff as oracle, and deterministic data.
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SignatureFormat } from '../src/index.js';

export const FORMATS: readonly SignatureFormat[] = [
  'rollsum-md4',
  'rollsum-blake2',
  'rabinkarp-md4',
  'rabinkarp-blake2',
];

/** A folder with an rdiff in it. */
export class Rdiff {
  readonly folder = mkdtempSync(join(tmpdir(), 'librsync-wasm-'));

  signature(basis: Uint8Array, format: SignatureFormat, blockLength: number, strongLength: number): Buffer {
    const [rollsum = '', hash = ''] = format.split('-');
    const options = ['-b', `${blockLength}`, '-S', `${strongLength}`, '-R', rollsum, '-H', hash];
    return this.#made([...options, 'signature', this.#put('basis', basis)], 'signature');
  }

  delta(signature: Uint8Array, newFile: Uint8Array): Buffer {
    return this.#made(['delta', this.#put('sig', signature), this.#put('new', newFile)], 'delta');
  }

  patch(basis: Uint8Array, delta: Uint8Array): Buffer {
    return this.#made(['patch', this.#put('basis', basis), this.#put('delta', delta)], 'patched');
  }

  /** Runs it in the folder and returns its exit code. */
  run(...args: string[]): { status: number | null; stdout: Buffer } {
    const { status, stdout } = spawnSync('rdiff', args, { cwd: this.folder, stdio: ['ignore', 'pipe', 'ignore'] });
    return { status, stdout };
  }

  #made(args: string[], to: string): Buffer {
    const { status } = this.run('-f', ...args, to);
    if (status !== 0) throw new Error(`rdiff ${args.join(' ')} ended with ${status}`);
    return readFileSync(join(this.folder, to));
  }

  #put(name: string, bytes: Uint8Array): string {
    writeFileSync(join(this.folder, name), bytes);
    return name;
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Deterministic pseudo-random numbers (xorshift32); `next(n)` is from 0 to n - 1. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0 || 1;
  }

  next(below: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) % below;
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let i = 0; i < length; i++) bytes[i] = this.next(256);
    return bytes;
  }
}

/** Cuts bytes into pieces of random length, at most `longest`. */
export function* pieces(bytes: Uint8Array, random: Random, longest: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + random.next(longest);
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

/** Puts bytes through a builder, in pieces, and joins what comes out. */
export function through(
  builder: { update(bytes: Uint8Array): Uint8Array; finish(): Uint8Array },
  input: Iterable<Uint8Array>,
): Buffer {
  const out: Buffer[] = [];
  for (const piece of input) out.push(Buffer.from(builder.update(piece)));
  out.push(Buffer.from(builder.finish()));
  return Buffer.concat(out);
}

/** A changed copy: some ranges of `old` taken, moved, and mixed with new bytes. */
export function edited(old: Buffer, edits: number, random: Random): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  for (let i = 0; i < edits; i++) {
    const to = at + random.next(old.length - at + 1);
    parts.push(old.subarray(at, to), random.bytes(random.next(40)));
    at = Math.min(old.length, to + (random.next(3) === 0 ? random.next(50) : 0));
    if (random.next(8) === 0) at = random.next(old.length + 1);
  }
  parts.push(old.subarray(at));
  return Buffer.concat(parts);
}
