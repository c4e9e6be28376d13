/**
 * Patch over a basis that is read asynchronously, where a read costs a round trip: commands are collected for some megabytes
 * of output, their copies merged into few long reads, several of these under way at once, and the output put together in order.
 */

import { type DeltaCommand, DeltaParser } from './delta-parser.js';
import { type Basis, basisShort, type PatchOptions } from './patch-decoder.js';

/** The old file, for asynchronous patch: a file handle, a Blob, an HTTP resource read by ranges. */
export interface RangedBasis {
  /** Length in bytes. */
  readonly size: number;
  /**
   * Reads exactly `length` bytes from `position`, which never reach beyond `size`. May be called several times at once.
   * The result must not change afterwards.
   */
  read(position: number, length: number, signal?: AbortSignal): Promise<Uint8Array> | Uint8Array;
}

export interface RangedPatchOptions extends PatchOptions {
  /** Longest read, in bytes; default 1 MiB. */
  readonly readBytes?: number;
  /** Copies with at most this many bytes between them are read in one; default 16 KiB. */
  readonly gapBytes?: number;
  /** Reads under way at once; default 4. Memory is about `readBytes` times this, twice over. */
  readonly parallelReads?: number;
  readonly signal?: AbortSignal;
}

/** A part of the output, in order: literal bytes, or a piece of the basis. */
type Part = DeltaCommand;
type Copy = Extract<Part, { kind: 'copy' }>;

interface Read {
  readonly position: number;
  end: number;
}

export async function* patchRanges(
  basis: RangedBasis,
  delta: AsyncIterable<Uint8Array>,
  options: RangedPatchOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { readBytes = 1 << 20, parallelReads = 4, signal } = options;
  const parser = new DeltaParser(basis.size, options.maxOutputBytes);
  let parts: Part[] = [];
  let collected = 0;
  for await (const bytes of delta) {
    signal?.throwIfAborted();
    for (const command of parser.parse(bytes)) {
      if (command.kind === 'literal') {
        parts.push({ kind: 'literal', bytes: command.bytes.slice() });
        collected += command.bytes.length;
      } else {
        for (let done = 0; done < command.length; done += readBytes) {
          const length = Math.min(readBytes, command.length - done);
          parts.push({ kind: 'copy', position: command.position + done, length });
          collected += length;
          if (collected < readBytes * parallelReads) continue;
          yield* assemble(basis, parts, options);
          parts = [];
          collected = 0;
        }
      }
      // Parts count as well as bytes: a delta may be made of nothing but commands for one byte.
      if (collected < readBytes * parallelReads && parts.length < MOST_PARTS) continue;
      yield* assemble(basis, parts, options);
      parts = [];
      collected = 0;
    }
  }
  yield* assemble(basis, parts, options);
  parser.finish();
}

/** Also bounds the bytes read in vain, at `gapBytes` a part. */
const MOST_PARTS = 1024;

/** Reads what the parts need and hands them out in order. */
async function* assemble(basis: RangedBasis, parts: Part[], options: RangedPatchOptions): AsyncGenerator<Uint8Array> {
  const { readBytes = 1 << 20, gapBytes = 16384, parallelReads = 4, signal } = options;
  const reads = mergeReads(parts, gapBytes, readBytes);
  const results = await fetchAll(basis, reads, parallelReads, signal);
  for (const part of parts) {
    if (part.kind === 'literal') {
      yield part.bytes;
      continue;
    }
    const index = readFor(reads, part.position);
    const from = part.position - (reads[index]?.position ?? 0);
    const bytes = results[index]?.subarray(from, from + part.length);
    if (bytes) yield bytes;
  }
}

/** The reads, by position, that together cover all copies: near ones merged, none longer than `most`. */
function mergeReads(parts: readonly Part[], gap: number, most: number): Read[] {
  const copies = parts
    .filter((part): part is Copy => part.kind === 'copy')
    .sort((a, b) => a.position - b.position || b.length - a.length);
  const reads: Read[] = [];
  let last: Read | undefined;
  for (const { position, length } of copies) {
    const end = position + length;
    if (last && end <= last.end) continue;
    if (last && position <= last.end + gap && end - last.position <= most) {
      last.end = end;
    } else {
      last = { position, end };
      reads.push(last);
    }
  }
  return reads;
}

/** The last read that begins at or before `position`. */
function readFor(reads: readonly Read[], position: number): number {
  let low = 0;
  let high = reads.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((reads[middle]?.position ?? 0) <= position) low = middle;
    else high = middle;
  }
  return low;
}

async function fetchAll(
  basis: RangedBasis,
  reads: readonly Read[],
  parallel: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array[]> {
  const results: Uint8Array[] = [];
  let next = 0;
  const worker = async () => {
    while (next < reads.length) {
      signal?.throwIfAborted();
      const index = next++;
      const read = reads[index];
      if (!read) return;
      const length = read.end - read.position;
      const bytes = await basis.read(read.position, length, signal);
      if (bytes.length !== length) throw basisShort(read.position + bytes.length, basis.size);
      results[index] = bytes;
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallel, reads.length) }, worker));
  return results;
}

/** A basis in memory, for both kinds of patch. */
export function bytesBasis(bytes: Uint8Array): Basis & { readonly size: number } {
  return {
    size: bytes.length,
    read(position, target) {
      const part = bytes.subarray(position, position + target.length);
      target.set(part);
      return part.length;
    },
  };
}

/** A basis that is a `Blob`, for instance a `File` chosen in a browser. */
export function blobBasis(blob: Blob): RangedBasis {
  return {
    size: blob.size,
    read: async (position, length) => new Uint8Array(await blob.slice(position, position + length).arrayBuffer()),
  };
}

/** What is used of a Node `FileHandle`, so that this package needs no Node types. */
interface ReadableHandle {
  read(target: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>;
}

/** A basis that is a Node `FileHandle` of a file of `size` bytes. */
export function fileHandleBasis(handle: ReadableHandle, size: number): RangedBasis {
  return {
    size,
    async read(position, length) {
      const target = new Uint8Array(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await handle.read(target, filled, length - filled, position + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return target.subarray(0, filled);
    },
  };
}
