import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { createSeal, openBytes, Secret } from '@redup/openpgp';
import { withTempDir } from '@redup/testkit';
import { describe, expect, it } from 'vitest';
import { DEFLATE_CHUNK_BYTES, Sealer } from './sealer.js';

const passphrase = Secret.fromText('x');

describe('an object sealed with a gzip copy', () => {
  const sizes = [0, 1, 100_000, DEFLATE_CHUNK_BYTES, DEFLATE_CHUNK_BYTES + 1, 9 * DEFLATE_CHUNK_BYTES + 77];
  it.each(sizes)('has the same content as its copy, which was not compressed again (%i bytes)', async (size) => {
    await withTempDir('sealer', async (folder) => {
      const data = Buffer.concat([Buffer.alloc(size >> 1, 'text, '), randomBytes(size - (size >> 1))]);
      const sealer = new Sealer({
        encoding: 'openpgp',
        createSeal: (options) => createSeal({ passphrase, compression: 'zip', s2kCountOctet: 0x60, ...options }),
        compressionLevel: 3,
        time: 0,
      });
      try {
        expect(sealer.canCopy(size)).toBe(true);
        const copy = { path: join(folder, 'copy'), dataBytes: size };
        const object = await sealer.begin(join(folder, 'sealed'), { copy });
        for (let at = 0; at < size; at += 10_000) {
          sealer.write(data.subarray(at, at + 10_000));
          while (!sealer.hasRoom) await sealer.drain();
        }
        await sealer.end();
        // The next object must not disturb the one that is still in the ring.
        const next = await sealer.begin(join(folder, 'next'));
        sealer.write(data);
        await sealer.end();
        await sealer.settle();
        const sealed = await object.finished;
        const opened = await openBytes(readFileSync(sealed.path), { passphrase });
        expect(data.equals(opened)).toBe(true);
        expect(gunzipSync(readFileSync(copy.path)).equals(data)).toBe(true);
        expect(data.equals(await openBytes(readFileSync((await next.finished).path), { passphrase }))).toBe(true);
      } finally {
        await sealer.close();
      }
    });
  });
});
