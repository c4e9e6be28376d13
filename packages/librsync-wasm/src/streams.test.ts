import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { edited, pieces, Random, through } from '../test/rdiff.js';
import {
  blobBasis,
  bytesBasis,
  fileHandleBasis,
  loadRsync,
  loadRsyncAsync,
  type RangedBasis,
  RsyncError,
} from './index.js';

const rsync = loadRsync();
const random = new Random(77);
const OLD = random.bytes(2_000_000);
const CHANGED = edited(OLD, 12, random);
const OPTIONS = { blockLength: 1024, basisLength: OLD.length } as const;

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}

function webStream(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new Blob([new Uint8Array(bytes)]).stream();
}

async function* slowly(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (const piece of pieces(bytes, new Random(5), 90_000)) {
    await null;
    yield piece;
  }
}

function signatureBytes(): Buffer {
  using builder = rsync.createSignature(OPTIONS);
  return through(builder, [OLD]);
}

function deltaBytes(): Buffer {
  using signature = rsync.loadSignature(signatureBytes());
  return through(rsync.createDelta(signature), [CHANGED]);
}

const inMemory = (bytes: Uint8Array): RangedBasis => ({
  size: bytes.length,
  read: (position, length) => bytes.subarray(position, position + length),
});

describe('over async iterables and Web streams', () => {
  for (const [what, source] of [
    ['an array', (bytes: Uint8Array) => [bytes]],
    ['an async generator', slowly],
    ['a ReadableStream', webStream],
  ] as const) {
    it(`signs, compares and patches ${what}`, async () => {
      const signed = await collect(rsync.signature(source(OLD), OPTIONS));
      expect(signed.equals(signatureBytes())).toBe(true);
      using signature = await rsync.loadSignatureFrom(source(signed));
      const delta = await collect(rsync.delta(signature, source(CHANGED)));
      expect(delta.equals(deltaBytes())).toBe(true);
      expect((await collect(rsync.patch(inMemory(OLD), source(delta)))).equals(CHANGED)).toBe(true);
    });
  }

  it('works as TransformStreams', async () => {
    const signed = await collect(webStream(OLD).pipeThrough(rsync.signatureStream(OPTIONS)));
    using signature = rsync.loadSignature(signed);
    const delta = await collect(webStream(CHANGED).pipeThrough(rsync.deltaStream(signature)));
    expect(delta.equals(deltaBytes())).toBe(true);
  });

  it('patches over a Blob and over a file handle', async () => {
    expect(
      (await collect(rsync.patch(blobBasis(new Blob([new Uint8Array(OLD)])), [deltaBytes()]))).equals(CHANGED),
    ).toBe(true);
    const folder = mkdtempSync(join(tmpdir(), 'librsync-wasm-'));
    writeFileSync(join(folder, 'old'), OLD);
    const handle = await open(join(folder, 'old'));
    const patched = await collect(rsync.patch(fileHandleBasis(handle, OLD.length), [deltaBytes()]));
    await handle.close();
    rmSync(folder, { recursive: true });
    expect(patched.equals(CHANGED)).toBe(true);
  });

  it('lets go of a source that it stops reading', async () => {
    let cancelled = false;
    const source = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(100_000)),
      cancel: () => {
        cancelled = true;
      },
    });
    for await (const part of rsync.signature(source, { blockLength: 512 })) if (part.length > 100) break;
    expect(cancelled).toBe(true);
  });
});

describe('patch over a basis read by ranges', () => {
  const recorded = (reads: [number, number][]): RangedBasis => ({
    size: OLD.length,
    async read(position, length) {
      reads.push([position, length]);
      await null;
      return OLD.subarray(position, position + length);
    },
  });

  it('merges near copies, also out of order, into long reads', async () => {
    const commands = Array.from(
      { length: 500 },
      (_, i) => `4e${(((i * 7) % 500) * 1000).toString(16).padStart(8, '0')}0100`,
    );
    const delta = Buffer.from(`72730236${commands.join('')}00`, 'hex');
    const reads: [number, number][] = [];
    const patched = await collect(rsync.patch(recorded(reads), [delta]));
    const expected = Array.from({ length: 500 }, (_, i) =>
      OLD.subarray(((i * 7) % 500) * 1000, ((i * 7) % 500) * 1000 + 256),
    );
    expect(patched.equals(Buffer.concat(expected))).toBe(true);
    expect(reads).toEqual([[0, 499_256]]);
  });

  it('keeps several reads under way, each of bounded length', async () => {
    let now = 0;
    let most = 0;
    const basis: RangedBasis = {
      size: 2 ** 32,
      async read(_, length) {
        most = Math.max(most, ++now);
        await new Promise((resolve) => setTimeout(resolve, 1));
        now--;
        expect(length).toBeLessThanOrEqual(1 << 20);
        return new Uint8Array(length);
      },
    };
    const delta = Buffer.from(`72730236${'470001000000'}00`, 'hex');
    let length = 0;
    for await (const part of rsync.patch(basis, [delta], { parallelReads: 3 })) length += part.length;
    expect(length).toBe(0x1000000);
    expect(most).toBe(3);
  });

  it('passes on what the basis throws, and reports one that is too short', async () => {
    const failing: RangedBasis = { size: 100, read: () => Promise.reject(new Error('gone')) };
    const delta = Buffer.from('7273023645006400', 'hex');
    await expect(collect(rsync.patch(failing, [delta]))).rejects.toThrow('gone');
    const short: RangedBasis = { size: 100, read: () => new Uint8Array(40) };
    await expect(collect(rsync.patch(short, [delta]))).rejects.toMatchObject({ code: 'BASIS_SHORT' });
    await expect(collect(rsync.patch(inMemory(OLD), [delta.subarray(0, 6)]))).rejects.toBeInstanceOf(RsyncError);
  });

  it('stops when it is aborted', async () => {
    const signal = AbortSignal.abort();
    await expect(collect(rsync.patch(inMemory(OLD), [deltaBytes()], { signal }))).rejects.toMatchObject({
      name: 'AbortError',
    });
  });
});

describe('loading', () => {
  it('gives the same Rsync asynchronously', async () => {
    expect(await loadRsyncAsync()).toBe(loadRsync());
  });

  it('takes a module that was compiled in another thread', async () => {
    // Plain JavaScript and the built package: what a user's worker would have.
    const code = `
      const { parentPort, workerData } = require('node:worker_threads');
      import('librsync-wasm').then(({ loadRsync }) => {
        const rsync = loadRsync(workerData.module);
        const builder = rsync.createSignature({ blockLength: 1024 });
        const parts = [builder.update(new Uint8Array(workerData.shared)).slice(), builder.finish().slice()];
        parentPort.postMessage(Buffer.concat(parts));
      });`;
    const shared = new SharedArrayBuffer(OLD.length);
    new Uint8Array(shared).set(OLD);
    const worker = new Worker(code, { eval: true, workerData: { module: rsync.module, shared } });
    const bytes = await new Promise<Uint8Array>((resolve, reject) =>
      worker.once('message', resolve).once('error', reject),
    );
    await worker.terminate();
    expect(Buffer.from(bytes).equals(signatureBytes())).toBe(true);
  });

  it('reads a basis in memory for the synchronous patch as well', () => {
    const patch = rsync.createPatch(bytesBasis(OLD));
    const out = [...pieces(deltaBytes(), new Random(2), 5000)].flatMap((piece) =>
      Array.from(patch.update(piece), (bytes) => Buffer.from(bytes)),
    );
    patch.finish();
    expect(Buffer.concat(out).equals(CHANGED)).toBe(true);
  });
});
