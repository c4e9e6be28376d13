import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { deflateRawSync, deflateSync, gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CompressError, gunzip, gzip, type InflateOptions, inflate, inflateRaw } from './index.js';

async function* cut(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return Buffer.concat(parts);
}

async function codeOf(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  try {
    await collect(pieces);
    return 'good';
  } catch (error) {
    return (error as CompressError).code;
  }
}

const text = Buffer.from('a line of text, and another one\n'.repeat(40_000));
const forms: [
  string,
  (b: Uint8Array) => Buffer,
  (s: AsyncIterable<Uint8Array>, o?: InflateOptions) => AsyncIterable<Uint8Array>,
][] = [
  ['inflateRaw', deflateRawSync, inflateRaw],
  ['inflate', deflateSync, inflate],
  ['gunzip', gzipSync, gunzip],
];

describe.each(forms)('%s', (_name, pack, unpack) => {
  it('gives back what was compressed, however it arrives', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), fc.integer({ min: 1, max: 500 }), async (bytes, size) => {
        expect((await collect(unpack(cut(pack(bytes), size)))).equals(bytes)).toBe(true);
      }),
      { numRuns: 60 },
    );
    const mixed = Buffer.concat([text, randomBytes(500_000), text]);
    for (const size of [1000, 65_536, 1 << 22]) {
      expect((await collect(unpack(cut(pack(mixed), size)))).equals(mixed)).toBe(true);
    }
  });

  it('gives large pieces', async () => {
    const sizes: number[] = [];
    for await (const piece of unpack(cut(pack(text), 700))) sizes.push(piece.length);
    expect(Math.max(...sizes)).toBeGreaterThanOrEqual(262_144);
    expect(sizes.length).toBeLessThan(10);
  });

  it('refuses every truncation', async () => {
    const packed = pack(Buffer.concat([Buffer.from('some text some text some text'), randomBytes(40)]));
    for (let length = 0; length < packed.length; length++) {
      expect(await codeOf(unpack(cut(packed.subarray(0, length), 16)))).toBe('truncated');
    }
  });

  it('refuses anything behind the end, at any distance of pieces', async () => {
    const packed = pack(text);
    for (const size of [1, packed.length, packed.length + 1]) {
      if (size === 1 && packed.length > 20_000) continue;
      expect(await codeOf(unpack(cut(Buffer.concat([packed, Buffer.from([7])]), size)))).toBe('trailing-garbage');
    }
  });

  it('ignores what follows the end when told to, and reads it all the same', async () => {
    if (unpack === gunzip) return;
    const padded = Buffer.concat([pack(text), randomBytes(200_000)]);
    let read = 0;
    async function* counted(): AsyncGenerator<Uint8Array> {
      for await (const piece of cut(padded, 65_536)) {
        read += piece.length;
        yield piece;
      }
    }
    expect((await collect(unpack(counted(), { trailingData: 'ignore' }))).equals(text)).toBe(true);
    expect(read).toBe(padded.length);
  });

  it('stops at maxBytes in a bomb, having made little more', async () => {
    const bomb = pack(Buffer.alloc(100_000_000));
    let total = 0;
    let code = '';
    try {
      for await (const piece of unpack(cut(bomb, 65_536), { maxBytes: 1_000_000 })) total += piece.length;
    } catch (error) {
      code = (error as CompressError).code;
    }
    expect(code).toBe('too-large');
    expect(total).toBeLessThanOrEqual(1_000_000);
  });

  it('passes on what the source throws, and closes it when the reader stops', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield pack(text).subarray(0, 100);
      throw new Error('the disk is gone');
    }
    await expect(collect(unpack(broken()))).rejects.toThrow('the disk is gone');
    let closed = false;
    async function* watched(): AsyncGenerator<Uint8Array> {
      try {
        yield* cut(pack(randomBytes(4_000_000)), 65_536);
      } finally {
        closed = true;
      }
    }
    for await (const piece of unpack(watched())) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    expect(closed).toBe(true);
  });
});

describe('gzip files', () => {
  it('made here are read by gzip, and gzip reads and writes ours: empty, small, several chunks', async () => {
    for (const bytes of [Buffer.alloc(0), Buffer.from('x'), Buffer.concat([text, randomBytes(300_000)])]) {
      const packed = await collect(gzip(cut(bytes, 10_000), { mtime: 1_700_000_000 }));
      expect(packed.subarray(0, 10).toString('hex')).toBe('1f8b080000f1536500ff');
      expect(gunzipSync(packed).equals(bytes)).toBe(true);
      const real = spawnSync('gzip', ['-dc'], { input: packed, maxBuffer: 1 << 28 });
      expect(real.status).toBe(0);
      expect(real.stdout.equals(bytes)).toBe(true);
      const theirs = spawnSync('gzip', ['-c', '-N'], { input: bytes, maxBuffer: 1 << 28 }).stdout;
      expect((await collect(gunzip(cut(theirs, 4096)))).equals(bytes)).toBe(true);
    }
    expect((await collect(gzip([]))).length).toBe(23);
  });

  it('with several members, names, comments and extra fields are read', async () => {
    const header = Buffer.from([0x1f, 0x8b, 8, 2 + 4 + 8 + 16, 0, 0, 0, 0, 0, 3, 2, 0, 9, 9, 110, 0, 99, 0, 1, 1]);
    const rich = Buffer.concat([header, gzipSync('one').subarray(10)]);
    expect((await collect(gunzip(cut(Buffer.concat([rich, gzipSync(''), gzipSync('two')]), 5)))).toString()).toBe(
      'onetwo',
    );
  });

  it('with a wrong checksum, size, method or magic are refused', async () => {
    const good = gzipSync('some content');
    for (const [at, bit] of [
      [good.length - 1, 1],
      [good.length - 5, 128],
      [0, 1],
      [1, 1],
      [2, 1],
      [3, 0x80],
    ] as const) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] as number) ^ bit;
      expect(await codeOf(gunzip(cut(bad, 100)))).toBe('corrupt');
    }
  });

  it('never give other content as good with a flipped bit in their data', async () => {
    const content = randomBytes(300).toString('base64');
    const good = gzipSync(content);
    let refused = 0;
    for (let at = 10; at < good.length; at++) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] as number) ^ (1 << (at % 8));
      const code = await codeOf(gunzip(cut(bad, 100)));
      // The last block may leave bits of its last byte unused; they mean nothing.
      if (code === 'good') expect((await collect(gunzip(cut(bad, 100)))).toString()).toBe(content);
      else refused += 1;
    }
    expect(refused).toBeGreaterThanOrEqual(good.length - 11);
  });
});
