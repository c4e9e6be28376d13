import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { DeflateRing } from '@redup/compress';
import { describe, expect, it } from 'vitest';
import { createSeal, open, openBytes, type SealOptions, Secret, seal, sealBytes } from './index.js';

/** A low count keeps these tests quick; the default count has a test of its own. */
const QUICK = { s2kCountOctet: 0x60 } as const;
const passphrase = Secret.fromText('hühnerstall 7');

function gpg(args: readonly string[], input: Uint8Array): Buffer {
  const result = spawnSync(
    'gpg',
    ['--batch', '--no-tty', '--pinentry-mode', 'loopback', '--passphrase', 'hühnerstall 7', ...args],
    { input, maxBuffer: 1 << 30 },
  );
  expect(`${result.stderr}`).not.toMatch(/warning|WARNING|error|failed/);
  expect(result.status).toBe(0);
  return result.stdout;
}

function sample(size: number): Buffer {
  return Buffer.concat([Buffer.alloc(size >> 1, 'some text, '), randomBytes(size - (size >> 1))]);
}

describe('a message sealed with a passphrase', () => {
  const compressions: SealOptions['compression'][] = ['zip', 'zlib', 'none'];
  it.each(compressions)(
    'is opened by gpg without a warning, and by this package, at every size (%s)',
    async (compression) => {
      for (const size of [0, 1, 191, 500, 8185, 8186, 8192, 65_536, 131_000, 2_500_000]) {
        const data = sample(size);
        const message = await sealBytes(data, { passphrase, compression, ...QUICK });
        expect(gpg(['--decrypt'], message).equals(data)).toBe(true);
        expect(data.equals(await openBytes(message, { passphrase }))).toBe(true);
      }
    },
  );

  it('has the packets that gpg writes, with the usual derivation count', async () => {
    const message = await sealBytes(Buffer.from('content'), { passphrase, compression: 'zip' });
    const listing = gpg(['--list-packets', '--verbose'], message).toString();
    expect(listing).toMatch(/symkey enc packet: version 4, cipher 9.*s2k 3, hash 8/);
    expect(listing).toMatch(/count 65011712 \(255\)/);
    expect(listing).toMatch(/mdc_method: 2/);
    expect(listing).toMatch(/compressed packet: algo=1/);
    expect(listing).toMatch(/mode b \(62\), created 0, name=""/);
  });

  it('frames data of known length in one piece, and refuses more or less than was announced', async () => {
    for (const size of [0, 1, 185, 186, 70_000]) {
      const data = sample(size);
      const options = { passphrase, compression: 'none', dataBytes: size, ...QUICK } as const;
      const message = await sealBytes(data, options);
      expect(gpg(['--decrypt'], message).equals(data)).toBe(true);
      const inHand = await createSeal(options);
      inHand.frame(new Uint8Array(0));
      expect(inHand.frame(data).at(-1)).toBe(data);
      await expect(sealBytes(sample(size + 1), options)).rejects.toThrow('announced');
      if (size > 0) await expect(sealBytes(sample(size - 1), options)).rejects.toThrow('announced');
    }
  });

  it('never has the same bytes twice', async () => {
    const [a, b] = await Promise.all(
      [1, 2].map(() => sealBytes(Buffer.from('x'), { passphrase, compression: 'zip', ...QUICK })),
    );
    expect(Buffer.from(a as Uint8Array).equals(b as Uint8Array)).toBe(false);
  });

  it('can be made by hand over a shared ring, several in a row', async () => {
    const ring = DeflateRing.create({ workers: 2, slots: 4, chunkBytes: 65_536 });
    const contents = [sample(1_000_000), sample(0), sample(300_000)];
    const messages: Buffer[] = [];
    let seals = await Promise.all(contents.map(() => createSeal({ passphrase, compression: 'zip', ...QUICK })));
    let stored: Uint8Array[] = [];
    const drain = (): void => {
      for (let chunk = ring.take(); chunk !== undefined; chunk = ring.take()) {
        const current = seals[0];
        if (current === undefined) throw new Error('More streams than messages');
        stored.push(current.encrypt(chunk.output).slice());
        if (!chunk.final) continue;
        stored.push(current.finish().slice());
        messages.push(Buffer.concat(stored));
        stored = [];
        seals = seals.slice(1);
      }
    };
    const write = async (pieces: readonly Uint8Array[]): Promise<void> => {
      for (const piece of pieces) {
        for (let at = 0; at < piece.length; ) {
          at += ring.write(piece.subarray(at));
          if (at < piece.length) await ring.ready();
          drain();
        }
      }
    };
    for (const [i, content] of contents.entries()) {
      const writing = seals[i - messages.length];
      if (writing === undefined) throw new Error('No message to write');
      for (let at = 0; at < content.length; at += 10_000) await write(writing.frame(content.subarray(at, at + 10_000)));
      await write(await writing.finishFrame());
      while (!ring.flush(true)) {
        await ring.ready();
        drain();
      }
    }
    while (ring.pending > 0) {
      await ring.ready();
      drain();
    }
    await ring.close();
    expect(messages).toHaveLength(3);
    for (const [i, message] of messages.entries()) {
      expect(gpg(['--decrypt'], message).equals(contents[i] as Buffer)).toBe(true);
      expect(Buffer.from(await openBytes(message, { passphrase })).equals(contents[i] as Buffer)).toBe(true);
    }
  });

  it('streams in both directions in bounded pieces', async () => {
    const piece = sample(1_000_000);
    async function* source(): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 20; i++) yield piece;
    }
    let total = 0;
    let largest = 0;
    for await (const part of open(seal(source(), { passphrase, compression: 'zip', ...QUICK }), { passphrase })) {
      expect(
        Buffer.from(part).equals(piece.subarray(total % piece.length, (total % piece.length) + part.length)) ||
          total % piece.length > piece.length - part.length,
      ).toBe(true);
      total += part.length;
      largest = Math.max(largest, part.length);
    }
    expect(total).toBe(20_000_000);
    expect(largest).toBeLessThanOrEqual(1 << 20);
  });
});
