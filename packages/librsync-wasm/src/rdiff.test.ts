import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { edited, FORMATS, pieces, Random, Rdiff, through } from '../test/rdiff.js';
import { bytesBasis, loadRsync, recommendedLengths } from './index.js';

const rsync = loadRsync();
const rdiff = new Rdiff();
afterAll(() => rdiff[Symbol.dispose]());

const SEED = 20240805;

/** Old and new file, and how to cut them. */
const scenario = fc.record({
  seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  format: fc.constantFrom(...FORMATS),
  blockLength: fc.oneof(
    fc.constantFrom(1, 7, 64, 256, 512, 700, 1000, 2048, 4096, 30000),
    fc.integer({ min: 1, max: 3000 }),
  ),
  strongLength: fc.integer({ min: 4, max: 16 }),
  length: fc.oneof(fc.integer({ min: 0, max: 600 }), fc.integer({ min: 0, max: 200_000 })),
  kind: fc.constantFrom('random', 'constant', 'periodic'),
  edits: fc.integer({ min: 0, max: 8 }),
  piece: fc.constantFrom(1, 17, 3000, 100_000, 500_000),
});

function oldFile(kind: string, length: number, random: Random): Buffer {
  if (kind === 'random') return random.bytes(length);
  const period = random.bytes(kind === 'constant' ? 1 : 1 + random.next(60));
  return Buffer.alloc(length, period);
}

describe('beside rdiff', () => {
  it('writes the same signatures, byte for byte, however the input was cut', () => {
    fc.assert(
      fc.property(scenario, ({ seed, format, blockLength, strongLength, length, kind, piece }) => {
        const random = new Random(seed);
        const old = oldFile(kind, blockLength < 64 ? length % 5000 : length, random);
        using builder = rsync.createSignature({ format, blockLength, strongLength });
        const ours = through(builder, pieces(old, random, piece === 1 ? 100 : piece));
        expect(ours.equals(rdiff.signature(old, format, blockLength, strongLength))).toBe(true);
      }),
      { numRuns: 120, seed: SEED },
    );
  });

  it('makes deltas that rdiff applies, that are no longer than rdiff’s by more than a hundredth, and that do not depend on how the input was cut', () => {
    fc.assert(
      fc.property(scenario, ({ seed, format, blockLength, strongLength, length, kind, edits, piece }) => {
        const random = new Random(seed);
        const old = oldFile(kind, blockLength < 64 ? length % 5000 : length, random);
        const changed = edited(old, edits, random);
        const bytes = rdiff.signature(old, format, blockLength, strongLength);
        using signature = rsync.loadSignature(pieces(bytes, random, piece));
        const ours = through(rsync.createDelta(signature), pieces(changed, random, piece === 1 ? 100 : piece));
        expect(through(rsync.createDelta(signature), [changed]).equals(ours)).toBe(true);
        expect(rdiff.patch(old, ours).equals(changed)).toBe(true);
        // The order of equal blocks may cost a byte of offset here and there.
        expect(ours.length).toBeLessThanOrEqual(rdiff.delta(bytes, changed).length * 1.01 + 2);
      }),
      { numRuns: 150, seed: SEED },
    );
  });

  it('makes the same delta, byte for byte, where no block occurs twice and rdiff’s buffers don’t cut its literals', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 30 }), fc.constantFrom(...FORMATS), (seed, format) => {
        const random = new Random(seed);
        const old = random.bytes(300_000);
        const parts = [old.subarray(0, 70_001), random.bytes(20_000), old.subarray(70_001, 200_000), random.bytes(3)];
        const changed = Buffer.concat([...parts, old.subarray(200_000)]);
        const bytes = rdiff.signature(old, format, 1024, 16);
        using signature = rsync.loadSignature(bytes);
        expect(through(rsync.createDelta(signature), [changed]).equals(rdiff.delta(bytes, changed))).toBe(true);
      }),
      { numRuns: 12, seed: SEED },
    );
  });

  it('applies rdiff’s deltas, however they are cut', () => {
    fc.assert(
      fc.property(scenario, ({ seed, format, blockLength, strongLength, length, kind, edits, piece }) => {
        const random = new Random(seed);
        const old = oldFile(kind, blockLength < 64 ? length % 5000 : length, random);
        const changed = edited(old, edits, random);
        const delta = rdiff.delta(rdiff.signature(old, format, blockLength, strongLength), changed);
        const patch = rsync.createPatch(bytesBasis(old));
        const out: Buffer[] = [];
        for (const bytes of pieces(delta, random, piece))
          for (const part of patch.update(bytes)) out.push(Buffer.from(part));
        patch.finish();
        expect(Buffer.concat(out).equals(changed)).toBe(true);
      }),
      { numRuns: 80, seed: SEED },
    );
  });

  it('signs blocks too long to be collected piece by piece, alike', () => {
    const old = new Random(7).bytes(13_000_001);
    for (const format of FORMATS) {
      for (const blockLength of [2_097_153, 3_000_000, 4_194_304, 13_000_001, 20_000_000]) {
        using builder = rsync.createSignature({ format, blockLength, strongLength: 16 });
        const ours = through(builder, pieces(old, new Random(8), 700_000));
        expect(ours.equals(rdiff.signature(old, format, blockLength, 16)), `${format} ${blockLength}`).toBe(true);
      }
    }
  });

  it('searches for long blocks', () => {
    const random = new Random(9);
    const old = random.bytes(9_000_000);
    const changed = Buffer.concat([random.bytes(1000), old.subarray(1_000_000), old.subarray(0, 3_000_000)]);
    const bytes = rdiff.signature(old, 'rollsum-md4', 1_500_000, 8);
    using signature = rsync.loadSignature(bytes);
    const ours = through(rsync.createDelta(signature), pieces(changed, random, 300_000));
    expect(rdiff.patch(old, ours).equals(changed)).toBe(true);
    expect(ours.length).toBeLessThanOrEqual(rdiff.delta(bytes, changed).length);
  });

  it('recommends the same block and strong lengths', () => {
    for (const length of [0, 1, 255, 256, 65535, 65536, 65537, 99_999, 1_000_000, 16_777_216, 20_000_000]) {
      const zeros = Buffer.alloc(length);
      for (const [sum, strongLength] of [
        [0, undefined],
        [-1, 'shortest'],
      ] as const) {
        using builder = rsync.createSignature({ basisLength: length, strongLength });
        const ours = through(builder, [zeros]);
        const theirs = rdiff.signature(zeros, 'rabinkarp-blake2', 0, sum);
        expect(ours.subarray(0, 12).toString('hex'), `${length} bytes, -S ${sum}`).toBe(
          theirs.subarray(0, 12).toString('hex'),
        );
      }
    }
    expect(recommendedLengths(1e12)).toEqual({ blockLength: 999_936, shortestStrongLength: 10 });
    expect(recommendedLengths()).toEqual({ blockLength: 2048, shortestStrongLength: 12 });
  });

  it('prefers the block that follows in the basis, so that a copy of repeating data is one command', () => {
    const zeros = Buffer.alloc(1_000_000);
    using signature = rsync.loadSignature(rdiff.signature(zeros, 'rollsum-md4', 2048, 8));
    const delta = through(rsync.createDelta(signature), [zeros]);
    expect(delta.toString('hex')).toBe('72730236' + '4700000f4240' + '00');
  });
});
