import { describe, expect, it } from 'vitest';
import { edited, FORMATS, pieces, Random, through } from '../test/rdiff.js';
import { bytesBasis, loadRsync, type SignatureFormat } from './index.js';

const rsync = loadRsync();

function signed(file: Uint8Array, format: SignatureFormat, blockLength: number): Buffer {
  using builder = rsync.createSignature({ format, blockLength, strongLength: 16 });
  return through(builder, [file]);
}

describe('a delta builder', () => {
  it('shares a signature with others at work at the same time', () => {
    const random = new Random(21);
    const old = random.bytes(500_000);
    using signature = rsync.loadSignature(signed(old, 'rabinkarp-blake2', 1000));
    const files = Array.from({ length: 5 }, () => edited(old, 6, random));
    const alone = files.map((file) => through(rsync.createDelta(signature), [file]));
    const builders = files.map(() => rsync.createDelta(signature));
    const together = files.map((): Buffer[] => []);
    for (let at = 0; files.some((file) => at < file.length); at += 50_000) {
      for (const [i, file] of files.entries()) {
        together[i]?.push(Buffer.from(builders[i]?.update(file.subarray(at, at + 50_000)) ?? []));
      }
    }
    for (const [i, builder] of builders.entries()) together[i]?.push(Buffer.from(builder.finish()));
    expect(together.map((parts, i) => Buffer.concat(parts).equals(alone[i] ?? Buffer.alloc(0)))).not.toContain(false);
  });

  it('uses the memory of finished deltas again', () => {
    using signature = rsync.loadSignature(signed(Buffer.alloc(10_000, 1), 'rollsum-md4', 512));
    through(rsync.createDelta(signature), [Buffer.alloc(10)]);
    const { memoryBytes } = signature;
    for (let i = 0; i < 1000; i++) through(rsync.createDelta(signature), [Buffer.alloc(10)]);
    expect(signature.memoryBytes).toBe(memoryBytes);
  });

  it('needs no more memory for a long file than for a short one', () => {
    using signature = rsync.loadSignature(signed(Buffer.alloc(10_000, 1), 'rollsum-md4', 2048));
    const random = new Random(4).bytes(300_000);
    const builder = rsync.createDelta(signature);
    builder.update(random);
    const { memoryBytes } = signature;
    for (let i = 0; i < 200; i++) builder.update(random);
    expect(builder.finish().length).toBeGreaterThan(0);
    expect(signature.memoryBytes).toBe(memoryBytes);
  });

  it('finds the blocks that stayed in place, whatever the rest of the file does to its patience', () => {
    // Every position of the new part agrees with a block's weak sum and with none of the strong ones; then the old part goes on.
    const random = new Random(31);
    const tail = random.bytes(2_000_000);
    const constant = Buffer.alloc(8_192_000, 100);
    const old = Buffer.concat([colliding(constant, 'rollsum-md4', 2048, random), tail]);
    using signature = rsync.loadSignature(signed(old, 'rollsum-md4', 2048));
    const delta = through(rsync.createDelta(signature), pieces(Buffer.concat([constant, tail]), random, 300_000));
    expect(delta.length).toBeLessThan(constant.length + 2000);
  });
});

describe('blocks that share a weak sum', () => {
  for (const format of FORMATS) {
    it(`are told apart by their strong sums, and the lowest of equal ones is taken, whatever the tables' multiplier: ${format}`, () => {
      const random = new Random(51);
      const blockLength = 1024;
      const blocks = 700;
      const old = colliding(Buffer.alloc(blocks * blockLength, 100), format, blockLength, random);
      const order = Array.from({ length: 400 }, () => random.next(blocks));
      const changed = Buffer.concat([
        Buffer.from('new'),
        ...order.map((block) => old.subarray(block * blockLength, (block + 1) * blockLength)),
      ]);
      const bytes = signed(old, format, blockLength);
      const weakSums = new Set(Array.from({ length: blocks }, (_, i) => bytes.readUInt32BE(12 + i * 20)));
      expect(weakSums.size).toBe(1);
      const deltas = Array.from({ length: 10 }, () => {
        using signature = rsync.loadSignature(bytes);
        return through(rsync.createDelta(signature), [changed]);
      });
      expect(deltas.filter((delta) => !delta.equals(deltas[0] ?? Buffer.alloc(0)))).toHaveLength(0);
      // A literal of three bytes, and a copy of at most eight for each block.
      expect(deltas[0]?.length).toBeLessThan(10 + 8 * order.length);
      const patch = rsync.createPatch(bytesBasis(old));
      const out: Buffer[] = [];
      for (const piece of patch.update(deltas[0] ?? Buffer.alloc(0))) out.push(Buffer.from(piece));
      patch.finish();
      expect(Buffer.concat(out).equals(changed)).toBe(true);
    });
  }
});

describe('far from the last match, where candidates are decided four at once', () => {
  for (const format of FORMATS) {
    it(`the same blocks are found as if each was decided at once, however the input is cut: ${format}`, () => {
      const random = new Random(61);
      const blockLength = 512;
      const constant = Buffer.alloc(500 * blockLength, 100);
      const tail = random.bytes(100 * blockLength);
      const old = Buffer.concat([colliding(constant, format, blockLength, random), tail]);
      const parts: Buffer[] = [];
      for (let i = 0; i < 60; i++) {
        const from = random.next(tail.length - 3000);
        // New data with a few candidates in vain here and there, then true blocks, alone or in a row.
        for (let j = 0; j < 12; j++)
          parts.push(random.bytes(1000 + random.next(900)), constant.subarray(0, blockLength + random.next(3)));
        parts.push(tail.subarray(from, from + random.next(3000)));
        if (i % 3 === 0)
          parts.push(
            old.subarray(i * blockLength, (i + 1 + random.next(4)) * blockLength),
            random.bytes(random.next(9)),
          );
      }
      const changed = Buffer.concat(parts);
      using signature = rsync.loadSignature(signed(old, format, blockLength));
      const whole = through(rsync.createDelta(signature), [changed]);
      for (const longest of [300, 5000, 100_000]) {
        const cut = through(rsync.createDelta(signature), pieces(changed, random, longest));
        expect(cut.equals(whole), `pieces of up to ${longest} bytes`).toBe(true);
      }
      const patch = rsync.createPatch(bytesBasis(old));
      const out: Buffer[] = [];
      for (const piece of patch.update(whole)) out.push(Buffer.from(piece));
      patch.finish();
      expect(Buffer.concat(out).equals(changed)).toBe(true);
      // A good part of the tails' blocks was found, though not aligned with anything.
      expect(whole.length).toBeLessThan(changed.length - 60 * blockLength);
    });
  }
});

describe('inputs made to collide in the weak sum', () => {
  const length = 8 << 20;
  const blockLength = 2048;
  for (const format of FORMATS) {
    it(`take at most four times as long as random data: ${format}`, () => {
      const random = new Random(41);
      const constant = Buffer.alloc(length, 100);
      const period = Buffer.alloc(length, random.bytes(64).fill(100, 0, 40));
      const noise = Buffer.concat(Array.from({ length: 8 }, () => random.bytes(1 << 20)));
      const cases: [what: string, old: Buffer, changed: Buffer][] = [
        ['constant bytes', colliding(constant, format, blockLength, random), constant],
        ['periodic data', colliding(period, format, blockLength, random), period],
        ['constant bytes against themselves', constant, constant],
        ['period of two', Buffer.alloc(length, 'ab'), Buffer.alloc(length, 'ba')],
      ];
      const unrelated = timed(signed(noise, format, blockLength), Buffer.from(noise).reverse());
      for (const [what, old, changed] of cases) {
        expect(timed(signed(old, format, blockLength), changed) / unrelated, what).toBeLessThan(4);
      }
      const crowded = signed(constant, format, blockLength);
      const record = 4 + 16;
      for (let at = 16; at < crowded.length; at += record) random.bytes(16).copy(crowded, at);
      expect(timed(crowded, constant) / unrelated, 'one weak sum, all strong sums different').toBeLessThan(4);
    });
  }
});

/** The same weak sum in each block, other bytes: what the sums weigh is moved within a few bytes. */
function colliding(file: Buffer, format: SignatureFormat, blockLength: number, random: Random): Buffer {
  const out = Buffer.from(file);
  const twin = rabinKarpTwin(random);
  for (let at = 0; at + blockLength <= out.length; at += blockLength) {
    const place = at + random.next(30);
    if (format.startsWith('rollsum')) {
      const step = 1 + random.next(3);
      for (const [i, change] of [1, -2, 1].entries()) out[place + i * step] = (out[place + i * step] ?? 0) + change;
    } else {
      twin.copy(out, place);
    }
  }
  return out;
}

/** Eight bytes with the Rabin-Karp sum of eight times 100: found by meeting in the middle. */
function rabinKarpTwin(random: Random): Buffer {
  const m = 0x08104225;
  const sum = (bytes: Uint8Array) => bytes.reduce((h, byte) => (Math.imul(h, m) + byte) | 0, 0);
  const target = sum(Buffer.alloc(8, 100));
  const shift = Math.imul(Math.imul(m, m), Math.imul(m, m));
  const heads = new Map<number, Buffer>();
  for (let i = 0; i < 200_000; i++) {
    const head = random.bytes(4);
    heads.set((target - Math.imul(sum(head), shift)) | 0, head);
  }
  while (true) {
    const tail = random.bytes(4);
    const head = heads.get(sum(tail));
    if (head) return Buffer.concat([head, tail]);
  }
}

/** Processor milliseconds of a delta, the least of a few tries: other work on the machine must not decide. */
function timed(signatureBytes: Uint8Array, changed: Buffer): number {
  using signature = rsync.loadSignature(signatureBytes);
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    const start = process.cpuUsage();
    const builder = rsync.createDelta(signature);
    for (let at = 0; at < changed.length; at += 1 << 18) builder.update(changed.subarray(at, at + (1 << 18)));
    builder.finish();
    const { user, system } = process.cpuUsage(start);
    best = Math.min(best, (user + system) / 1000);
  }
  return best;
}
