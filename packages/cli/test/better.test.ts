/**
 * Where redup does better than duplicity, as users see it: what no other test holds. Each line of the table in docs/compatibility.md
 * names its test; those that need duplicity beside it show what duplicity does. Needs the build.
 */

import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  cleanEnv,
  duplicity,
  duplicityOk,
  type RunResult,
  requirePeer,
  run,
  runOk,
  tempDir,
  withDuplicityHome,
} from '@redup/testkit';
import { beforeEach, describe, expect, it } from 'vitest';

const BIN = fileURLToPath(new URL('../bin/redup.js', import.meta.url));
const PASSPHRASE = 'open sesame';

let folder: string;
let url: string;

function redup(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<RunResult> {
  const full = { HOME: folder, XDG_CACHE_HOME: `${folder}/cache`, TMPDIR: folder, ...env };
  return run(process.execPath, [BIN, ...args], { env: cleanEnv(full), cwd: folder });
}

const stored = (pattern: RegExp) =>
  readdirSync(`${folder}/target`)
    .filter((name) => pattern.test(name))
    .sort();

/** Bytes that don't compress, always the same. */
function noise(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let i = 0, x = 1; i < size; i++) {
    x = (Math.imul(x, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = x >>> 23;
  }
  return bytes;
}

beforeEach(() => {
  folder = tempDir('better');
  url = `file://${folder}/target`;
});

async function openWithGpg(name: string): Promise<Buffer> {
  const out = `${folder}/opened`;
  rmSync(out, { force: true });
  const env = cleanEnv({ HOME: folder, GNUPGHOME: tempDir('gnupg') });
  const args = ['--batch', '--quiet', '--pinentry-mode', 'loopback', '--passphrase', PASSPHRASE, '--output', out];
  await runOk('gpg', [...args, '--decrypt', `${folder}/target/${name}`], { env });
  return readFileSync(out);
}

describe('a restore', () => {
  it('that could not apply a change ends with 1 and names the file, where duplicity says nothing by its code', async (context) => {
    const peer = requirePeer(context, 'duplicity-debian');
    writeFileSync(`${folder}/file`, noise(100_000));
    const plain = ['--no-encryption', '--no-compression'];
    expect(await redup(['full', ...plain, '--current-time', '1700000000', 'file', url])).toMatchObject({ code: 0 });
    writeFileSync(`${folder}/file`, Buffer.concat([noise(100_000), Buffer.from('more')]));
    expect(await redup(['inc', ...plain, '--current-time', '1700001000', 'file', url])).toMatchObject({ code: 0 });
    // A delta of another magic, in a volume whose hash is right.
    const [volume = ''] = stored(/inc.*vol/);
    const bytes = readFileSync(`${folder}/target/${volume}`);
    bytes[bytes.indexOf('rs\x026', 0, 'latin1') + 3] = 0x37;
    writeFileSync(`${folder}/target/${volume}`, bytes);
    const [manifest = ''] = stored(/inc.*manifest/);
    const { stdout } = await runOk('sha1sum', [`${folder}/target/${volume}`]);
    const text = readFileSync(`${folder}/target/${manifest}`, 'latin1')
      .replace(/Hash SHA1 \w+/, `Hash SHA1 ${stdout.slice(0, 40)}`)
      .replace(/ {4}(Hash SHA256|Size).*\n/g, '');
    writeFileSync(`${folder}/target/${manifest}`, text, 'latin1');
    rmSync(`${folder}/cache`, { recursive: true });
    const mine = await redup(['restore', url, 'mine']);
    expect(mine.code).toBe(1);
    expect(mine.stderr + mine.stdout).toMatch(/Not restored: \.: .*do not fit its last version/);
    const theirs = await duplicity(peer, ['restore', url, `${folder}/theirs`]);
    expect(theirs.code).toBe(0);
  });
});

describe('verify', () => {
  it('without --compare-data says what was proven, and that nothing was compared', async (context) => {
    const peer = requirePeer(context, 'duplicity-debian');
    writeFileSync(`${folder}/file`, 'as it was');
    expect(await redup(['full', '--no-encryption', 'file', url])).toMatchObject({ code: 0 });
    writeFileSync(`${folder}/file`, 'something else');
    chmodSync(`${folder}/file`, 0o600);
    const mine = await redup(['verify', url, 'file']);
    expect(mine).toMatchObject({ code: 0 });
    expect(mine.stdout).toContain('1 volume was read back');
    expect(mine.stdout).toContain('hashes, encryption and structure are right; nothing was compared with file');
    expect(mine.stdout).toContain('--compare-data');
    expect(await redup(['verify', '--compare-metadata', url, 'file'])).toMatchObject({ code: 1 });
    const theirs = await duplicity(peer, ['verify', url, `${folder}/file`]);
    expect(theirs.code).toBe(0);
    expect(theirs.stdout).toContain('0 differences found');
  });
});

describe('encrypted volumes', () => {
  it('padded with a copy of their own ciphertext are read, and never written: they end as tars do', async (context) => {
    const peer = requirePeer(context, 'duplicity-debian');
    writeFileSync(`${folder}/source`, noise(3_000_000));
    // How much of a volume gpg has written when duplicity pads it is a matter of time: sometimes none has begun.
    let isPadded = false;
    for (let attempt = 0; attempt < 10 && !isPadded; attempt++) {
      rmSync(`${folder}/target`, { recursive: true, force: true });
      await withDuplicityHome((home) =>
        duplicityOk(peer, ['full', '--volsize', '1', `${folder}/source`, url], { home, passphrase: PASSPHRASE }),
      );
      const [first = ''] = stored(/vol1\./);
      const start = readFileSync(`${folder}/target/${first}`).subarray(0, 64);
      isPadded = (await openWithGpg(first)).includes(start);
    }
    expect(isPadded).toBe(true);
    expect(await redup(['restore', url, 'back'], { PASSPHRASE })).toMatchObject({ code: 0 });
    expect(readFileSync(`${folder}/back`).equals(noise(3_000_000))).toBe(true);
    rmSync(`${folder}/target`, { recursive: true });
    rmSync(`${folder}/cache`, { recursive: true });
    const env = { PASSPHRASE };
    expect(await redup(['full', '--volsize', '1', 'source', url], env)).toMatchObject({ code: 0 });
    const volumes = stored(/vol/);
    expect(volumes.length).toBeGreaterThan(2);
    for (const name of volumes) {
      const mine = await openWithGpg(name);
      expect(mine.length % 10_240).toBe(0);
      expect(mine.subarray(-1024).every((byte) => byte === 0)).toBe(true);
    }
  });
});

describe('what is told of a backup', () => {
  it('the file list of a set and the number of errors are right', async () => {
    writeFileSync(`${folder}/source`, 'one');
    const plain = ['--no-encryption', '--no-compression'];
    await redup(['full', ...plain, '--current-time', '1700000000', 'source', url]);
    writeFileSync(`${folder}/source`, 'two');
    const { stdout } = await redup(['inc', ...plain, '--current-time', '1700001000', 'source', url]);
    expect(stdout).toMatch(/^ChangedFiles 1$/m);
    expect(stdout).toMatch(/^Errors 0$/m);
    const lists = stored(/manifest/).map((name) =>
      readFileSync(`${folder}/target/${name}`, 'utf8').replace(/^[\s\S]*Filelist/, ''),
    );
    expect(lists).toEqual([' 1\n    new      .\n', ' 1\n    changed  .\n']);
  });
});
