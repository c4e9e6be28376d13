import { describe, expect, it } from 'vitest';
import { FORMATS, Random, through } from '../test/rdiff.js';
import { loadRsync, RsyncError, type RsyncErrorCode, type SignatureOptions } from './index.js';

const rsync = loadRsync();

function refusal(work: () => unknown): RsyncError {
  try {
    work();
  } catch (error) {
    if (error instanceof RsyncError) return error;
    throw error;
  }
  throw new Error('It was accepted');
}

const header = (magic: number, blockLength: number, strongLength: number, records = 0) => {
  const bytes = Buffer.alloc(12 + records * (4 + strongLength), 0x5a);
  bytes.writeUInt32BE(magic, 0);
  bytes.writeUInt32BE(blockLength, 4);
  bytes.writeUInt32BE(strongLength, 8);
  return bytes;
};

describe('a signature builder', () => {
  it('signs one file after the other as if each had a builder of its own', () => {
    const random = new Random(11);
    using reused = rsync.createSignature({ format: 'rollsum-md4', blockLength: 512, strongLength: 8 });
    for (let i = 0; i < 200; i++) {
      const options: SignatureOptions = {
        format: FORMATS[random.next(4)],
        blockLength: [512, 2048, 100][random.next(3)],
        strongLength: 8,
      };
      const file = random.bytes(random.next(5000));
      using fresh = rsync.createSignature(options);
      reused.reset(options);
      expect(through(reused, [file]).equals(through(fresh, [file]))).toBe(true);
    }
  });

  it('drops what was not finished when it is reset', () => {
    using builder = rsync.createSignature({ format: 'rollsum-md4', blockLength: 512 });
    const expected = through(builder, [Buffer.from('abc')]);
    builder.reset({ format: 'rollsum-md4', blockLength: 512 });
    builder.update(Buffer.alloc(1700, 1));
    builder.reset({ format: 'rollsum-md4', blockLength: 512 });
    expect(through(builder, [Buffer.from('abc')]).equals(expected)).toBe(true);
  });

  it('hands out the header first, also of an empty file', () => {
    using builder = rsync.createSignature({ format: 'rollsum-md4', blockLength: 2048, strongLength: 8 });
    expect(Buffer.from(builder.finish()).toString('hex')).toBe('727301360000080000000008');
  });

  it('takes input of any length at once', () => {
    const file = new Random(5).bytes(3_000_000);
    for (const blockLength of [1, 3, 200_000]) {
      using builder = rsync.createSignature({ format: 'rabinkarp-md4', blockLength, strongLength: 16 });
      const whole = through(builder, [file]);
      builder.reset({ format: 'rabinkarp-md4', blockLength, strongLength: 16 });
      const cut = through(builder, [file.subarray(0, 1_000_001), file.subarray(1_000_001)]);
      expect(whole.equals(cut)).toBe(true);
      expect(whole).toHaveLength(12 + Math.ceil(file.length / blockLength) * 20);
    }
  });

  it('refuses to go on when it is finished, until it is reset', () => {
    using builder = rsync.createSignature();
    builder.finish();
    expect(refusal(() => builder.update(Buffer.from('x')))).toMatchObject({ code: 'INVALID_STATE' });
    expect(refusal(() => builder.finish())).toMatchObject({ code: 'INVALID_STATE' });
    builder.reset({});
    expect(builder.finish()).toHaveLength(12);
  });

  const invalid: SignatureOptions[] = [
    { blockLength: 0 },
    { blockLength: 2 ** 32 },
    { blockLength: 1.5 },
    { blockLength: Number.NaN },
    { strongLength: 0 },
    { strongLength: 33 },
    { strongLength: 17, format: 'rollsum-md4' },
    { basisLength: -1 },
    { format: 'sha' as 'rollsum-md4' },
  ];
  for (const options of invalid) {
    it(`refuses ${JSON.stringify(options)}`, () => {
      expect(refusal(() => rsync.createSignature(options))).toMatchObject({ code: 'INVALID_OPTION' });
    });
  }
});

describe('a signature from anywhere', () => {
  const refused: [what: string, bytes: Buffer, code: RsyncErrorCode, offset: number][] = [
    ['nothing', Buffer.alloc(0), 'SIGNATURE_TRUNCATED', 0],
    ['half a header', header(0x72730136, 512, 8).subarray(0, 7), 'SIGNATURE_TRUNCATED', 7],
    ['a delta', Buffer.from('7273023600', 'hex'), 'SIGNATURE_MAGIC', 0],
    ['an unknown kind', header(0x72730138, 512, 8), 'SIGNATURE_MAGIC', 0],
    ['blocks of 0 bytes', header(0x72730136, 0, 8), 'SIGNATURE_INVALID', 4],
    ['strong sums of 0 bytes', header(0x72730136, 512, 0), 'SIGNATURE_INVALID', 8],
    ['strong sums longer than MD4', header(0x72730146, 512, 17), 'SIGNATURE_INVALID', 8],
    ['strong sums longer than BLAKE2b', header(0x72730137, 512, 33), 'SIGNATURE_INVALID', 8],
    ['strong sums of 4 GiB', header(0x72730137, 512, 8).fill(0xff, 8, 12), 'SIGNATURE_INVALID', 8],
    ['half a record', header(0x72730136, 512, 8, 3).subarray(0, 40), 'SIGNATURE_TRUNCATED', 40],
  ];
  for (const [what, bytes, code, offset] of refused) {
    it(`is refused when it is ${what}, and says where`, () => {
      const error = refusal(() => rsync.loadSignature(bytes));
      expect([error.code, error.offset]).toEqual([code, offset]);
      const cut = refusal(() => rsync.loadSignature(Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))));
      expect([cut.code, cut.offset]).toEqual([code, offset]);
    });
  }

  it('fails clearly with 2^31 blocks, before it takes the memory for them', () => {
    const loader = rsync.createSignatureLoader();
    loader.update(header(0x72730136, 512, 8));
    // No such array can be had; its length alone must be refused.
    const huge = Object.defineProperty(new Uint8Array(0), 'length', { value: 2 ** 31 * 12 });
    expect(refusal(() => loader.update(huge))).toMatchObject({ code: 'SIGNATURE_TOO_LARGE' });
    loader.dispose();
  });

  it('fails clearly when it does not fit 4 GiB of WebAssembly memory', () => {
    const loader = rsync.createSignatureLoader();
    loader.update(header(0x72730137, 512, 32));
    const huge = Object.defineProperty(new Uint8Array(0), 'length', { value: 5 * 2 ** 30 });
    expect(refusal(() => loader.update(huge))).toMatchObject({ code: 'OUT_OF_MEMORY' });
    loader.dispose();
  });

  it('of blocks longer than 1 GiB is loaded, but not searched', () => {
    using signature = rsync.loadSignature(header(0x72730136, 2 ** 31, 8, 2));
    expect(signature.blocks).toBe(2);
    expect(refusal(() => rsync.createDelta(signature))).toMatchObject({ code: 'SIGNATURE_TOO_LARGE' });
  });

  it('takes no memory for long blocks before the data is that long', () => {
    using signature = rsync.loadSignature(header(0x72730136, 2 ** 30, 8, 2));
    const delta = through(rsync.createDelta(signature), [Buffer.alloc(1_000_000)]);
    expect(delta.length).toBeGreaterThan(1_000_000);
    expect(signature.memoryBytes).toBeLessThan(8 << 20);
  });

  it('tells what it is, and can be disposed of twice', () => {
    const signature = rsync.loadSignature(header(0x72730146, 700, 5, 4));
    expect({ ...signature }).toMatchObject({ format: 'rabinkarp-md4', blockLength: 700, strongLength: 5, blocks: 4 });
    signature.dispose();
    signature.dispose();
    expect(refusal(() => rsync.createDelta(signature))).toMatchObject({ code: 'INVALID_STATE' });
  });
});
