/** Memory depends on options, not on data: the largest process of a backup stays below 250 MB whatever is backed up. */

import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { contentBytes, peakRss, requirePeer, seeded, withTempDir } from '@redup/testkit';
import { describe, expect, test } from 'vitest';

const REDUP = fileURLToPath(new URL('../bin/redup.js', import.meta.url));
const LIMIT_BYTES = 250 * 2 ** 20;
const GIB = 2 ** 30;

async function peakOfBackup(folder: string): Promise<number> {
  const target = `file://${join(folder, 'target')}`;
  const args = [REDUP, 'backup', '--archive-dir', join(folder, 'archive'), join(folder, 'source'), target];
  const measured = await peakRss(process.execPath, args, {
    env: { ...process.env, PASSPHRASE: 'x' },
    timeoutMs: 300_000,
  });
  expect(measured.code, measured.stderr).toBe(0);
  return measured.peakBytes;
}

describe('the largest process of an encrypted backup takes less than 250 MB', { timeout: 400_000 }, () => {
  test('for a file of 5 GB', async (context) => {
    requirePeer(context, 'time');
    await withTempDir('memory', async (folder) => {
      mkdirSync(join(folder, 'source'));
      // Mostly a hole, so that the test takes no 5 GB of disk; what is read and stored is 5 GB all the same.
      const fd = openSync(join(folder, 'source', 'large'), 'w');
      const noise = contentBytes(seeded(1, 8 << 20));
      for (let at = 0; at < 5 * GIB; at += GIB / 2) writeSync(fd, noise, 0, noise.length, at);
      ftruncateSync(fd, 5 * GIB);
      closeSync(fd);
      expect(await peakOfBackup(folder)).toBeLessThan(LIMIT_BYTES);
    });
  });

  test('for 200,000 small files', async (context) => {
    requirePeer(context, 'time');
    await withTempDir('memory', async (folder) => {
      for (let directory = 0; directory < 500; directory++) {
        const path = join(folder, 'source', `${directory}`);
        mkdirSync(path, { recursive: true });
        for (let file = 0; file < 400; file++)
          writeFileSync(join(path, `${file}`), `${'text '.repeat(20)}${directory} ${file}`);
      }
      expect(await peakOfBackup(folder)).toBeLessThan(LIMIT_BYTES);
    });
  });
});
