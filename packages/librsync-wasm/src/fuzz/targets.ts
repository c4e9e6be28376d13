/**
 * Fuzz targets, one for each parser and one for the search: each takes any bytes and must end quickly, either normally or with
 * an {@link RsyncError}. `fuzz.test.ts` runs them for some seconds, `npm run fuzz` for as long as asked.
 */

import { type Basis, bytesBasis, loadRsync, RsyncError, type SignatureFormat } from '../index.js';

export interface Target {
  /** Folder of its corpus. */
  readonly name: string;
  /** @throws anything when the property does not hold */
  run(input: Uint8Array): void;
}

const FORMATS: readonly SignatureFormat[] = ['rollsum-md4', 'rollsum-blake2', 'rabinkarp-md4', 'rabinkarp-blake2'];
const BASIS = Uint8Array.from({ length: 10_000 }, (_, i) => (i * i + (i >> 3)) & 0xff);
const MOST_OUTPUT = 1 << 16;

export const TARGETS: readonly Target[] = [
  { name: 'signature', run: loadAndSearch },
  { name: 'delta', run: applyTwice },
  { name: 'search', run: roundTrip },
];

/** A signature from anywhere is either refused or searched, and the delta then has the new file in it, right or wrong in its copies. */
function loadAndSearch(input: Uint8Array): void {
  const rsync = loadRsync();
  expectRsyncError(() => {
    using signature = rsync.loadSignature([input.subarray(0, 5), input.subarray(5, 20), input.subarray(20)]);
    // A short file can make no more of tables than this, whatever its header says.
    const bound = (8 << 20) + 64 * input.length;
    if (signature.memoryBytes > bound)
      throw new Error(`${signature.memoryBytes} bytes for a signature of ${input.length}`);
    using delta = rsync.createDelta(signature);
    const parts = [delta.update(BASIS).slice(), delta.finish().slice()];
    let length = 0;
    // Copies may go beyond any real basis: this one has room for all of them.
    const endless: Basis = { size: 2 ** 62, read: (_, target) => target.length };
    const patch = rsync.createPatch(endless, { maxOutputBytes: BASIS.length });
    for (const part of parts) for (const bytes of patch.update(part)) length += bytes.length;
    patch.finish();
    if (length !== BASIS.length) throw new Error(`The delta of ${BASIS.length} bytes makes ${length}`);
  });
}

/** A delta from anywhere comes to the same end whole and in small pieces, at its start byte by byte. */
function applyTwice(input: Uint8Array): void {
  const whole = outcome([input]);
  const bytes = Array.from(input.subarray(0, 100), (_, i) => input.subarray(i, i + 1));
  for (let at = 100; at < input.length; at += 23) bytes.push(input.subarray(at, at + 23));
  const cut = outcome(bytes);
  if (whole.error !== cut.error) throw new Error(`Whole: ${whole.error}; in pieces: ${cut.error}`);
  // What came out before an error may differ: adjacent copies are put together within a piece.
  if (whole.error === '' && !equal(whole.output, cut.output)) throw new Error('The outputs differ');
}

function outcome(pieces: readonly Uint8Array[]): { error: string; output: Uint8Array[] } {
  const output: Uint8Array[] = [];
  const error = expectRsyncError(() => {
    const patch = loadRsync().createPatch(bytesBasis(BASIS), { maxOutputBytes: MOST_OUTPUT });
    for (const piece of pieces) for (const bytes of patch.update(piece)) output.push(bytes.slice());
    patch.finish();
    if (patch.outputBytes !== output.reduce((sum, bytes) => sum + bytes.length, 0))
      throw new Error('Miscounted output');
  });
  return { error, output };
}

/** Four bytes choose format, lengths and the cut; of the rest, the first part is the old file, the second the new one. */
function roundTrip(input: Uint8Array): void {
  const [kind = 0, length = 0, cut = 0, piece = 0] = input;
  const rest = input.subarray(4);
  const old = rest.subarray(0, Math.floor((rest.length * cut) / 255));
  const changed = rest.subarray(Math.floor((rest.length * (255 - cut)) / 255));
  const rsync = loadRsync();
  using builder = rsync.createSignature({
    format: FORMATS[kind & 3] ?? 'rollsum-md4',
    blockLength: 1 + length,
    strongLength: 16,
  });
  const bytes = [builder.update(old).slice(), builder.finish().slice()];
  using signature = rsync.loadSignature(bytes);
  using delta = rsync.createDelta(signature);
  const commands: Uint8Array[] = [];
  for (let at = 0; at < changed.length; at += piece + 1)
    commands.push(delta.update(changed.subarray(at, at + piece + 1)).slice());
  commands.push(delta.finish().slice());
  const patch = rsync.createPatch(bytesBasis(old));
  const output: Uint8Array[] = [];
  for (const part of commands) for (const out of patch.update(part)) output.push(out.slice());
  patch.finish();
  if (!equal(output, [changed])) throw new Error('The patched file is not the new one');
}

/** Runs it and returns the code and offset of the RsyncError it ends with, '' when it ends well. */
function expectRsyncError(work: () => void): string {
  try {
    work();
    return '';
  } catch (error) {
    if (error instanceof RsyncError) return `${error.code} ${error.offset}`;
    throw error;
  }
}

function equal(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  const [x, y] = [joined(a), joined(b)];
  return x.length === y.length && x.every((byte, i) => byte === y[i]);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
