import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deflateChunk, deflateChunkBound } from './deflate-chunk.js';
import { WASM_BASE64 } from './wasm.generated.js';

/** Bytes with runs, repeats at all distances, and few or many symbols: what a compressor meets and what it does not expect. */
const structured = fc
  .array(
    fc.oneof(
      fc.record({ kind: fc.constant('random' as const), bytes: fc.uint8Array({ maxLength: 600, size: 'max' }) }),
      fc.record({ kind: fc.constant('run' as const), byte: fc.nat(255), length: fc.nat(2000) }),
      fc.record({
        kind: fc.constant('repeat' as const),
        distance: fc.integer({ min: 1, max: 70_000 }),
        length: fc.nat(900),
      }),
      fc.record({ kind: fc.constant('few' as const), symbols: fc.integer({ min: 1, max: 40 }), length: fc.nat(3000) }),
    ),
    { maxLength: 40, size: 'max' },
  )
  .map((parts) => {
    const bytes: number[] = [];
    for (const part of parts) {
      if (part.kind === 'random') bytes.push(...part.bytes);
      else if (part.kind === 'run') for (let i = 0; i < part.length; i++) bytes.push(part.byte);
      else if (part.kind === 'few')
        for (let i = 0; i < part.length; i++) bytes.push((Math.imul(i, i + 7) >>> 3) % part.symbols);
      else
        for (let i = 0; i < part.length && bytes.length > 0; i++)
          bytes.push(bytes[Math.max(0, bytes.length - part.distance)] as number);
    }
    return Buffer.from(bytes);
  });

function deflated(input: Uint8Array, level: number, isLast: boolean): Buffer {
  const output = new Uint8Array(deflateChunkBound(input.length));
  return Buffer.from(output.subarray(0, deflateChunk(input, output, level, isLast)));
}

describe.each([1, 3])('deflate at level %i', (level) => {
  it('gives what zlib inflates to the input, alone and in the middle of a stream', () => {
    fc.assert(
      fc.property(structured, structured, (a, b) => {
        expect(inflateRawSync(deflated(a, level, true)).equals(a)).toBe(true);
        const both = Buffer.concat([deflated(a, level, false), deflated(b, level, false), deflated(a, level, true)]);
        expect(inflateRawSync(both).equals(Buffer.concat([a, b, a]))).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it('copes with every small length and with the extremes of codes', () => {
    for (let length = 0; length < 300; length++) {
      const input = Buffer.from(Array.from({ length }, (_, i) => (i * i) & 0x1f));
      expect(inflateRawSync(deflated(input, level, true)).equals(input)).toBe(true);
    }
    // Fibonacci counts make the longest codes there are, beyond the limit of 15 bits.
    const skewed: number[] = [];
    for (let symbol = 0, a = 1, b = 1; skewed.length < 250_000; symbol++, [a, b] = [b, a + b]) {
      for (let i = 0; i < a; i++) skewed.push((symbol * 37) & 0xff);
    }
    let state = 1;
    const shuffled = skewed
      .map((byte) => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return { byte, at: state };
      })
      .sort((x, y) => x.at - y.at);
    const input = Buffer.from(shuffled.map(({ byte }) => byte)).subarray(0, 262_144);
    expect(inflateRawSync(deflated(input, level, true)).equals(input)).toBe(true);
    const every = Buffer.from(Array.from({ length: 262_144 }, (_, i) => (i * 7 + (i >> 8)) & 0xff));
    expect(inflateRawSync(deflated(every, level, true)).equals(every)).toBe(true);
    const farRepeats = Buffer.concat([every.subarray(0, 32_768), every.subarray(0, 32_768), every.subarray(1, 40_000)]);
    expect(
      inflateRawSync(deflated(farRepeats, level, false).subarray(0, -5), { finishFlush: 2 }).length,
    ).toBeGreaterThan(0);
    expect(inflateRawSync(deflated(farRepeats, level, true)).equals(farRepeats)).toBe(true);
  });

  it('leaves nothing of one chunk in the next', () => {
    const a = Buffer.from('some text that occurs again and again. '.repeat(3000));
    const alone = deflated(a, level, true);
    deflated(Buffer.from('again and again. '.repeat(9000)), level, false);
    expect(deflated(a, level, true).equals(alone)).toBe(true);
  });
});

describe('the compiled module', () => {
  it('is the one whose bytes archives depend on: change wasm.sha256 knowingly, with `npm run accept-wasm`', () => {
    const committed = readFileSync(new URL('../wasm.sha256', import.meta.url), 'utf8').trim();
    expect(createHash('sha256').update(Buffer.from(WASM_BASE64, 'base64')).digest('hex')).toBe(committed);
  });
});
