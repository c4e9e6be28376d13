/** Encryption to keys and signatures through the command's options, with a real GnuPG and beside real duplicity. */

import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  cleanEnv,
  diffTrees,
  duplicityOk,
  file,
  type GpgHome,
  type RunResult,
  readTree,
  requirePeer,
  run,
  runOk,
  seeded,
  snapshotOf,
  tempDir,
  tree,
  withDuplicityHome,
  withGpgHome,
  writeTree,
} from '@redup/testkit';
import { beforeEach, describe, expect, it } from 'vitest';

const BIN = fileURLToPath(new URL('../bin/redup.js', import.meta.url));
const MODEL = tree({ a: file('hello\n'), 'd/b': file(seeded(3, 100_000)) });

let folder: string;
let url: string;

beforeEach(() => {
  folder = tempDir('keys');
  url = `file://${folder}/target`;
  writeTree(`${folder}/src`, MODEL);
});

function redup(gpg: GpgHome, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<RunResult> {
  const all = { HOME: folder, XDG_CACHE_HOME: `${folder}/cache`, TMPDIR: folder, GNUPGHOME: gpg.path, ...env };
  return run(process.execPath, [BIN, ...args], { env: cleanEnv(all), cwd: folder });
}

describe('keys', () => {
  it('encrypt for duplicity and are opened from it, signed by one and checked by the other', async (context) => {
    requirePeer(context, 'gpg');
    const peer = requirePeer(context, 'duplicity-current');
    await withGpgHome(async (gpg) => {
      const key = await gpg.generateKey('me@example.org', { passphrase: 'locked' });
      const env = { PASSPHRASE: 'locked', SIGN_PASSPHRASE: 'locked' };
      const made = await redup(gpg, ['full', '--encrypt-key', key, '--sign-key', key, 'src', url], env);
      expect([made.code, made.stderr]).toEqual([0, '']);
      await withDuplicityHome(async (home) => {
        const options = { home, gnupgHome: gpg.path, passphrase: 'locked', signPassphrase: 'locked' };
        // Without --sign-key: duplicity compares it with the id of the subkey that signed.
        await duplicityOk(peer, ['restore', '--encrypt-key', key, url, `${folder}/theirs`], options);
        expect(diffTrees(snapshotOf(MODEL), readTree(`${folder}/theirs`))).toEqual([]);
        for (const name of readdirSync(`${folder}/target`)) {
          const decrypt = [
            '--passphrase',
            'locked',
            '--status-fd',
            '1',
            '--output',
            '/dev/null',
            '--decrypt',
            `${folder}/target/${name}`,
          ];
          expect((await gpg.run(decrypt)).stdout).toContain('[GNUPG:] GOODSIG');
        }
        await duplicityOk(peer, ['full', '--encrypt-key', key, '--sign-key', key, `${folder}/src`, `${url}2`], options);
      });
      const back = await redup(gpg, ['restore', '--sign-key', key.slice(-16), `${url}2`, 'ours'], env);
      expect([back.code, back.stderr]).toEqual([0, '']);
      expect(diffTrees(snapshotOf(MODEL), readTree(`${folder}/ours`))).toEqual([]);
    });
  });

  it('that are hidden, public only, or in a file work; archives of another signer are refused', async (context) => {
    requirePeer(context, 'gpg');
    await withGpgHome(async (gpg) => {
      const key = await gpg.generateKey('you@example.org');
      const other = await gpg.generateKey('other@example.org');
      await runOk('gpg', ['--batch', '--armor', '--output', `${folder}/public.asc`, '--export', key], { env: gpg.env });
      await withGpgHome(async (empty) => {
        const made = await redup(empty, ['full', '--encrypt-key', `${folder}/public.asc`, 'src', url]);
        expect([made.code, made.stderr]).toEqual([0, '']);
        const blind = await redup(empty, ['restore', '--archive-dir', 'none', url, 'out']);
        expect(blind.code).toBe(31);
        expect(blind.stderr).toContain('secret key');
      });
      expect((await redup(gpg, ['restore', url, 'out'])).code).toBe(0);
      expect((await redup(gpg, ['full', '--hidden-encrypt-key', key, '--sign-key', key, 'src', `${url}2`])).code).toBe(
        0,
      );
      const refused = await redup(gpg, ['restore', '--archive-dir', 'none', '--sign-key', other, `${url}2`, 'out2']);
      expect(refused.code).toBe(22);
      const unknown = await redup(gpg, ['full', '--encrypt-key', '0123456789ABCDEF', 'src', `${url}3`]);
      expect([unknown.code, unknown.stderr]).toEqual([31, expect.stringContaining('0123456789ABCDEF')]);
    });
  });
});
