import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { gunzipSync, inflateRawSync, inflateSync, crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { adler32, adler32Combine, crc32, crc32Combine, DeflateRing, type DeflateRingOptions } from './index.js';

const rings: DeflateRing[] = [];
afterEach(async () => {
  await Promise.all(rings.splice(0).map((ring) => ring.close()));
});

function makeRing(options: DeflateRingOptions): DeflateRing {
  const ring = DeflateRing.create(options);
  rings.push(ring);
  return ring;
}

interface Stream {
  readonly output: Buffer;
  readonly inputBytes: number;
  readonly indices: number[];
  readonly crc: number;
  readonly adler: number;
}

/** Writes each input as a stream of its own, as an engine does: take what is there, wait only when full. */
async function deflateAll(ring: DeflateRing, inputs: readonly Uint8Array[]): Promise<Stream[]> {
  const streams: Stream[] = [];
  let parts: Uint8Array[] = [];
  let inputBytes = 0;
  let indices: number[] = [];
  let crc = 0;
  let adler = 1;
  const drain = (): void => {
    for (let chunk = ring.take(); chunk !== undefined; chunk = ring.take()) {
      parts.push(chunk.output.slice());
      inputBytes += chunk.inputBytes;
      indices.push(chunk.index);
      crc = crc32Combine(crc, chunk.crc32 ?? 0, chunk.inputBytes);
      adler = adler32Combine(adler, chunk.adler32 ?? 1, chunk.inputBytes);
      if (!chunk.final) continue;
      streams.push({ output: Buffer.concat(parts), inputBytes, indices, crc, adler });
      [parts, inputBytes, indices, crc, adler] = [[], 0, [], 0, 1];
    }
  };
  for (const input of inputs) {
    let position = 0;
    while (position < input.length) {
      position += ring.write(input.subarray(position));
      if (position < input.length) await ring.ready();
      drain();
    }
    while (!ring.flush(true)) {
      await ring.ready();
      drain();
    }
  }
  while (ring.pending > 0) {
    await ring.ready();
    drain();
  }
  return streams;
}

function textLike(length: number, seed: number): Buffer {
  const words = Array.from({ length: 300 }, (_, i) =>
    createHash('md5')
      .update(`${seed}:${i}`)
      .digest('hex')
      .slice(0, 3 + (i % 7)),
  );
  let state = seed >>> 0;
  let text = '';
  while (text.length < length) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    text += `${words[(state >>> 8) % words.length]} `;
  }
  return Buffer.from(text.slice(0, length), 'latin1');
}

describe('DeflateRing', () => {
  it('gives streams that inflate to what was written, whatever the number of workers, with the same bytes', async () => {
    const inputs = [
      textLike(3_000_000, 1),
      Buffer.alloc(0),
      randomBytes(600_000),
      textLike(100, 2),
      Buffer.alloc(1_000_000),
    ];
    const results: string[] = [];
    for (const workers of [0, 1, 2, 3]) {
      const streams = await deflateAll(makeRing({ workers, slots: 4, crc32: true, adler32: true }), inputs);
      expect(streams).toHaveLength(inputs.length);
      streams.forEach((stream, i) => {
        const input = inputs[i] as Buffer;
        expect(inflateRawSync(stream.output).equals(input)).toBe(true);
        expect(stream.inputBytes).toBe(input.length);
        expect(stream.crc).toBe(crc32(input));
        expect(stream.adler).toBe(adler32(input));
      });
      expect(streams.flatMap((stream) => stream.indices)).toEqual([...streams.flatMap((s) => s.indices).keys()]);
      results.push(
        createHash('sha256')
          .update(Buffer.concat(streams.map((s) => s.output)))
          .digest('hex'),
      );
    }
    expect(new Set(results).size).toBe(1);
  });

  it('does not care how the input was cut', async () => {
    const ring = makeRing({ workers: 1, chunkBytes: 1000, slots: 3 });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 4000 }), { maxLength: 12 }), async (cuts) => {
        const input = textLike(
          cuts.reduce((a, b) => a + b, 0),
          cuts.length,
        );
        const [whole] = await deflateAll(ring, [input]);
        const parts: Uint8Array[] = [];
        const takeAll = async (): Promise<void> => {
          await ring.ready();
          for (let c = ring.take(); c !== undefined; c = ring.take()) parts.push(c.output.slice());
        };
        let at = 0;
        for (const cut of cuts) {
          const end = at + cut;
          while (at < end) {
            at += ring.write(input.subarray(at, end));
            if (at < end) await takeAll();
          }
        }
        while (!ring.flush(true)) await takeAll();
        while (ring.pending > 0) await takeAll();
        expect(Buffer.concat(parts).equals(whole?.output as Buffer)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it('takes only what fits, and goes on after take', async () => {
    const ring = makeRing({ workers: 1, chunkBytes: 100, slots: 2 });
    expect(ring.write(new Uint8Array(1000))).toBe(200);
    expect(ring.write(new Uint8Array(1))).toBe(0);
    expect(ring.flush(true)).toBe(false);
    expect(ring.pending).toBe(2);
    await ring.ready();
    const first = ring.take();
    expect(first?.inputBytes).toBe(100);
    const held = Buffer.from(first?.output as Uint8Array);
    expect(ring.write(new Uint8Array(500).fill(7))).toBe(100);
    // The view outlives later writes: the slot is lent until the next take.
    expect(held.equals(first?.output as Uint8Array)).toBe(true);
  });

  it('ends a stream with flush(true) and cuts one without ending it with flush(false)', async () => {
    const ring = makeRing({ workers: 0, chunkBytes: 1000 });
    ring.write(Buffer.from('abc'));
    expect(ring.flush(false)).toBe(true);
    expect(ring.flush(false)).toBe(true);
    ring.write(Buffer.from('def'));
    ring.flush(true);
    const a = ring.take();
    const first = Buffer.from(a?.output as Uint8Array);
    const b = ring.take();
    expect([a?.final, b?.final, a?.index, b?.index]).toEqual([false, true, 0, 1]);
    expect(inflateRawSync(Buffer.concat([first, b?.output as Uint8Array])).toString()).toBe('abcdef');
    expect(ring.take()).toBeUndefined();
    await ring.ready();
  });

  it('stores random data at no more than 5 bytes per 64 KiB', async () => {
    const input = randomBytes(1 << 20);
    const [stream] = await deflateAll(makeRing({ workers: 0 }), [input]);
    expect(stream?.output.length).toBeLessThanOrEqual(input.length + 5 * 20 + 5);
  });

  it.each([0, 1, 3, 6, 9])('makes valid streams at level %i from data of every kind', async (level) => {
    const ring = makeRing({ workers: 0, level, chunkBytes: 70_000 });
    const inputs = [
      Buffer.concat([textLike(50_000, 5), randomBytes(80_000), Buffer.alloc(200_000, 1)]),
      randomBytes(1),
      randomBytes(70_000),
    ];
    const streams = await deflateAll(ring, inputs);
    for (const [i, s] of streams.entries()) expect(inflateRawSync(s.output).equals(inputs[i] as Buffer)).toBe(true);
  });

  it('lets a program end while it is idle, and keeps it alive while something is awaited', () => {
    const index = fileURLToPath(new URL('../dist/index.js', import.meta.url));
    const program = `
      import { DeflateRing } from ${JSON.stringify(index)};
      const ring = DeflateRing.create({ workers: 2 });
      ring.write(new Uint8Array(3e6).map((_, i) => i * i >> 7));
      ring.flush(true);
      let n = 0;
      while (ring.pending) { await ring.ready(); while (ring.take()) n++; }
      console.log('chunks', n);`;
    const result = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect(result.stdout).toBe('chunks 12\n');
    expect(result.status).toBe(0);
  });

  it('reports a dead worker instead of waiting for ever', () => {
    const index = fileURLToPath(new URL('../dist/index.js', import.meta.url));
    // The worker inherits no hook from here, so it is made to fail by the memory it may use.
    const program = `
      import workers from 'node:worker_threads';
      import { syncBuiltinESMExports } from 'node:module';
      const Real = workers.Worker;
      workers.Worker = class extends Real { constructor(f, o) { super(f, o); setTimeout(() => this.terminate(), 50); } };
      syncBuiltinESMExports();
      const { DeflateRing } = await import(${JSON.stringify(index)});
      const ring = DeflateRing.create({ workers: 1, slots: 200, level: 9 });
      const bytes = new Uint8Array(4e7).map((_, i) => Math.imul(i, i) >> 9);
      ring.write(bytes);
      try { for (;;) { await ring.ready(); if (!ring.take()) break; } console.log('all', ring.pending); }
      catch (error) { console.log(error.code); }
      await ring.close();
      try { ring.take(); } catch (error) { console.log(error.code); }`;
    const result = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect(result.stderr).toBe('');
    expect(result.stdout).toBe('worker-failed\nworker-failed\n');
  });

  it('refuses use after close, and closes twice', async () => {
    const ring = makeRing({ workers: 1 });
    ring.write(textLike(600_000, 3));
    const waiting = ring.ready();
    await Promise.all([ring.close(), ring.close(), waiting.catch(() => undefined)]);
    expect(() => ring.write(new Uint8Array(1))).toThrow(expect.objectContaining({ code: 'closed' }));
    await expect(ring.ready()).rejects.toMatchObject({ code: 'closed' });
  });
});

describe('checksums', () => {
  it('combine to the sum of the whole', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 9000, size: 'max' }),
        fc.uint8Array({ maxLength: 9000, size: 'max' }),
        (a, b) => {
          const whole = Buffer.concat([a, b]);
          expect(crc32Combine(crc32(a), crc32(b), b.length)).toBe(zlibCrc32(whole));
          expect(adler32Combine(adler32(a), adler32(b), b.length)).toBe(adler32(whole));
          expect(adler32(b, adler32(a))).toBe(adler32(whole));
        },
      ),
    );
    expect(adler32(Buffer.from('Wikipedia'))).toBe(0x11e60398);
    const frame = Buffer.concat([Buffer.from([0x78, 0x01, 1, 3, 0, 0xfc, 0xff, 1, 2, 3]), Buffer.alloc(4)]);
    frame.writeUInt32BE(adler32(Uint8Array.of(1, 2, 3)), 10);
    expect(inflateSync(frame)).toEqual(Buffer.from([1, 2, 3]));
    expect(gunzipSync(Buffer.from('1f8b080000000000000003000000000000000000', 'hex')).length).toBe(0);
  });
});
