import { describe, expect, it } from 'vitest';
import { Random } from '../test/rdiff.js';
import { type Basis, bytesBasis, loadRsync, RsyncError, type RsyncErrorCode } from './index.js';

const rsync = loadRsync();
const BASIS = Buffer.from('0123456789'.repeat(100));

function patched(delta: Uint8Array, basis: Basis = bytesBasis(BASIS), maxOutputBytes?: number): Buffer {
  const patch = rsync.createPatch(basis, maxOutputBytes === undefined ? {} : { maxOutputBytes });
  const out = [...patch.update(delta)].map((bytes) => Buffer.from(bytes));
  patch.finish();
  return Buffer.concat(out);
}

const delta = (hex: string) => Buffer.from(`72730236${hex.replaceAll(' ', '')}`, 'hex');

function refusal(work: () => unknown): RsyncError {
  try {
    work();
  } catch (error) {
    if (error instanceof RsyncError) return error;
    throw error;
  }
  throw new Error('It was accepted');
}

describe('patch', () => {
  it('understands every width of literal and copy, also where a narrower one would do', () => {
    expect(patched(delta('01 61  41 01 62  42 0001 63  43 00000001 64  44 0000000000000001 65  00')).toString()).toBe(
      'abcde',
    );
    const widths = [2, 4, 8, 16];
    for (const p of widths) {
      for (const l of widths) {
        const opcode = 0x45 + 4 * widths.indexOf(p) + widths.indexOf(l);
        const copy = opcode.toString(16) + '5'.padStart(p, '0') + '3'.padStart(l, '0');
        expect(patched(delta(`${copy}00`)).toString(), copy).toBe('567');
      }
    }
  });

  it('ignores what comes after the end command', () => {
    expect(patched(delta('0161 00 ffffffff')).toString()).toBe('a');
  });

  it('makes an empty file of the shortest delta', () => {
    expect(patched(delta('00'))).toHaveLength(0);
  });

  const refused: [what: string, hex: string, code: RsyncErrorCode, offset: number][] = [
    ['another magic number', '00', 'DELTA_MAGIC', 0],
    ['a reserved command', '0161 55', 'DELTA_INVALID', 6],
    ['the last reserved command', 'ff', 'DELTA_INVALID', 4],
    ['a literal of length 0', '41 00', 'DELTA_INVALID', 4],
    ['a literal of 2^63 bytes', '44 8000000000000000', 'DELTA_INVALID', 4],
    ['a copy of length 0', '45 00 00', 'DELTA_INVALID', 4],
    ['a copy of 2^63 bytes', '48 00 8000000000000000', 'DELTA_INVALID', 4],
    ['a copy from 2^64 - 1', '51 ffffffffffffffff 01', 'DELTA_INVALID', 4],
    ['a copy just beyond the basis', '0161 4a 03e7 0002 00', 'DELTA_OUT_OF_BASIS', 6],
    ['a copy from behind the basis', '49 03e8 01 00', 'DELTA_OUT_OF_BASIS', 4],
    ['a copy whose end wraps around 2^63', '54 7fffffffffffffff 7fffffffffffffff', 'DELTA_OUT_OF_BASIS', 4],
    ['an end within the magic number', '', 'DELTA_TRUNCATED', 3],
    ['an end within a command', '4a 00', 'DELTA_TRUNCATED', 6],
    ['an end within a literal', '05 6161', 'DELTA_TRUNCATED', 7],
    ['an end without end command', '01 61', 'DELTA_TRUNCATED', 6],
    ['a literal of 2^40 bytes that are not there', '44 0000010000000000 61', 'DELTA_TRUNCATED', 14],
    ['a literal of 2^63 - 1 bytes', '44 7fffffffffffffff 61', 'OUTPUT_TOO_LARGE', 4],
  ];
  for (const [what, hex, code, offset] of refused) {
    it(`refuses ${what} and says where`, () => {
      const bytes = delta(hex);
      if (code === 'DELTA_MAGIC') bytes[3] = 0x37;
      const error = refusal(() => patched(offset === 3 ? bytes.subarray(0, 3) : bytes));
      expect([error.code, error.offset]).toEqual([code, offset]);
      expect(error.hint).not.toBe('');
    });
  }

  it('says so when it is given a signature', () => {
    expect(refusal(() => patched(Buffer.from('7273013600000800', 'hex'))).hint).toBe('This is a signature.');
  });

  it('refuses to make more output than allowed before it makes any of it', () => {
    const bomb = delta(`${'4a000003e8'.repeat(1000)}00`);
    expect(refusal(() => patched(bomb, bytesBasis(BASIS), 100_000))).toMatchObject({ code: 'OUTPUT_TOO_LARGE' });
    expect(patched(bomb, bytesBasis(BASIS), 1_000_000)).toHaveLength(1_000_000);
  });

  it('reports a basis that is shorter than its size', () => {
    const short: Basis = {
      size: 1000,
      read: (position, target) => (position < 500 ? Math.min(target.length, 100) : 0),
    };
    expect(refusal(() => patched(delta('4a 0000 0258 00'), short))).toMatchObject({ code: 'BASIS_SHORT' });
  });

  it('reads adjacent copies at once, and hands out pieces of bounded size', () => {
    const size = 3_000_000;
    const reads: [number, number][] = [];
    const basis: Basis = {
      size,
      read(position, target) {
        reads.push([position, target.length]);
        return target.length;
      },
    };
    const commands: string[] = [];
    for (let at = 0; at < size; at += 1000) commands.push(`4e${at.toString(16).padStart(8, '0')}03e8`);
    const patch = rsync.createPatch(basis);
    let length = 0;
    for (const piece of patch.update(delta(`${commands.join('')}00`))) {
      expect(piece.length).toBeLessThanOrEqual(256 << 10);
      length += piece.length;
    }
    patch.finish();
    expect(length).toBe(size);
    expect(reads).toHaveLength(Math.ceil(size / (256 << 10)));
  });

  it('is done with one delta and takes the next when it is reset', () => {
    const patch = rsync.createPatch(bytesBasis(Buffer.from('first')));
    expect(() => [...patch.update(delta('45 00 09'))]).toThrow(RsyncError);
    for (const word of ['second', 'third']) {
      patch.reset(bytesBasis(Buffer.from(word)));
      const out = [...patch.update(delta(`45 00 0${word.length} 00`))].map((bytes) => Buffer.from(bytes).toString());
      patch.finish();
      expect(out).toEqual([word]);
    }
  });

  it('hands out long literals as they came, without collecting them', () => {
    const literal = new Random(3).bytes(100_000);
    const bytes = Buffer.concat([delta('43 000186a0'), literal, Buffer.from([0])]);
    const patch = rsync.createPatch(bytesBasis(BASIS));
    const [piece] = patch.update(bytes);
    expect(piece?.buffer).toBe(bytes.buffer);
    expect(patched(bytes).equals(literal)).toBe(true);
  });
});
