/**
 * `--sign-key` when reading: a volume, a signature file or a manifest that is not signed, signed by somebody else, or
 * altered is refused before it is used. The attacker here may write to the target and knows the public keys.
 */

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { duplicityOk, type GpgHome, gpgHome, requirePeer, runOk } from '@redup/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Machine } from './encryption-support.js';

/** gpg makes no signature without saying so; SIGNER in the table of exit codes. */
const SIGNER = 22;
const VOLUME_HASH = 21;

let gpg: GpgHome;
let key: string;
let signing: string;
let attacker: string;
/** A target with one full set, signed; every test takes a copy. */
let original: Machine;

beforeAll(async () => {
  gpg = gpgHome();
  key = await gpg.generateKey('key <key@example.org>');
  signing = await gpg.generateKey('signing <signing@example.org>');
  attacker = await gpg.generateKey('attacker <attacker@example.org>');
  original = new Machine(gpg.path);
  await original.redupOk(['full', '--encrypt-key', key, '--sign-key', signing, 'src', original.url]);
});

afterAll(() => gpg.dispose());

let machine: Machine;

beforeEach(async () => {
  machine = new Machine(gpg.path);
  await runOk('cp', ['-r', original.target, machine.target]);
});

type Kind = 'volume' | 'manifest' | 'signatures';
const PATTERNS: Readonly<Record<Kind, RegExp>> = {
  volume: /\.vol1\.difftar\.gpg$/,
  manifest: /\.manifest\.gpg$/,
  signatures: /\.sigtar\.gpg$/,
};

function pathOf(kind: Kind): string {
  return `${machine.target}/${readdirSync(machine.target).find((name) => PATTERNS[kind].test(name))}`;
}

async function decrypted(kind: Kind): Promise<Buffer> {
  return (await runOk('gpg', ['--batch', '--decrypt', pathOf(kind)], { env: gpg.env })).stdoutBytes;
}

/** Stores other bytes as gpg encrypts them, signed by somebody or nobody. */
async function replace(kind: Kind, content: Uint8Array, signer: string | undefined): Promise<void> {
  const path = pathOf(kind);
  const sign = signer === undefined ? [] : ['--sign', '--local-user', signer];
  rmSync(path);
  await runOk(
    'gpg',
    ['--batch', '--trust-model', 'always', '--recipient', key, ...sign, '--output', path, '--encrypt'],
    { env: gpg.env, input: content },
  );
}

/** The manifest, signed by whom it should be, that fits the volume that is stored now. */
async function manifestForVolume(): Promise<void> {
  const volume = readFileSync(pathOf('volume'));
  const digest = (name: string) => createHash(name).update(volume).digest('hex');
  const text = (await decrypted('manifest'))
    .toString('latin1')
    .replace(/SHA1 [0-9a-f]{40}/, `SHA1 ${digest('sha1')}`)
    .replace(/SHA256 [0-9a-f]{64}/, `SHA256 ${digest('sha256')}`)
    .replace(/^(\s*Size) \d+$/m, `$1 ${volume.length}`);
  await replace('manifest', Buffer.from(text, 'latin1'), signing);
}

const ATTACKS = [
  { what: 'not signed', says: 'is not signed', signer: () => undefined },
  { what: 'signed by another key', says: 'another key', signer: () => attacker },
] as const;

describe.each(ATTACKS)('what is $what', ({ says, signer }) => {
  it('is no manifest to restore, verify or continue', async () => {
    await replace('manifest', await decrypted('manifest'), signer());
    const demand = ['--sign-key', signing];
    await machine.expectRefused(SIGNER, ['.manifest.gpg', says], ['restore', ...demand, machine.url, 'out']);
    expect(machine.hasWritten('out')).toBe(false);
    await machine.expectRefused(SIGNER, ['.manifest.gpg', says], ['verify', ...demand, machine.url, 'src']);
    const backup = ['incremental', '--encrypt-key', key, ...demand, 'src', machine.url];
    await machine.expectRefused(SIGNER, ['.manifest.gpg', says], backup);
    // Whoever demands no signature has none checked.
    await machine.expectRestored([]);
  });

  it('is no volume to restore or verify, though its hash is right', async () => {
    await replace('volume', await decrypted('volume'), signer());
    await manifestForVolume();
    const demand = ['--sign-key', signing];
    await machine.expectRefused(SIGNER, ['.vol1.difftar.gpg', says], ['restore', ...demand, machine.url, 'out']);
    await machine.expectRefused(SIGNER, ['.vol1.difftar.gpg', says], ['verify', ...demand, machine.url, 'src']);
    await machine.expectRestored([]);
  });

  it('is no signature file to list or to continue', async () => {
    await replace('signatures', await decrypted('signatures'), signer());
    const demand = ['--sign-key', signing];
    await machine.expectRefused(SIGNER, ['.sigtar.gpg', says], ['list-current-files', ...demand, machine.url]);
    const backup = ['incremental', '--encrypt-key', key, ...demand, 'src', machine.url];
    await machine.expectRefused(SIGNER, ['.sigtar.gpg', says], backup);
    expect(readdirSync(machine.target)).toHaveLength(3);
    // A restore needs no signature file, and a damaged one must not keep anybody from it.
    await machine.expectRestored(demand);
  });
});

describe('what was altered', () => {
  it.each(['manifest', 'volume', 'signatures'] as const)('is refused: a bit of the %s', async (kind) => {
    const path = pathOf(kind);
    const bytes = readFileSync(path);
    const at = bytes.length - 100;
    bytes[at] = (bytes[at] as number) ^ 4;
    writeFileSync(path, bytes);
    const demand = ['--sign-key', signing];
    const args =
      kind === 'signatures'
        ? ['list-current-files', ...demand, machine.url]
        : ['restore', ...demand, machine.url, 'out'];
    const result = await machine.redup(args.concat('--archive-dir', `${machine.folder}/empty`));
    expect([result.code, result.stderr]).toEqual([
      expect.any(Number),
      expect.stringContaining(path.slice(machine.target.length + 1)),
    ]);
    expect([VOLUME_HASH, 6, 30]).toContain(result.code);
    expect(machine.hasWritten('out')).toBe(false);
  });

  it('has other contents under the same signature: the signature of one part does not hold for another', async () => {
    const older = new Machine(gpg.path);
    await older.redupOk(['full', '--encrypt-key', key, '--sign-key', signing, 'src', older.url]);
    const name = readdirSync(older.target).find((each) => PATTERNS.signatures.test(each)) ?? '';
    // A signed file in the place of another: its signature holds, its contents do not fit.
    rmSync(pathOf('manifest'));
    const manifest = readdirSync(original.target).find((each) => PATTERNS.manifest.test(each)) ?? '';
    await runOk('cp', [`${older.target}/${name}`, `${machine.target}/${manifest}`]);
    const result = await machine.redup([
      'restore',
      '--sign-key',
      signing,
      '--archive-dir',
      'empty',
      machine.url,
      'out',
    ]);
    expect(result.code).not.toBe(0);
    expect(machine.hasWritten('out')).toBe(false);
  });
});

describe('a signer', () => {
  it('may be named by any of its ids, and by nothing else', async () => {
    for (const id of [signing, signing.slice(-16), signing.slice(-8), `0x${signing}`, 'signing@example.org'])
      await machine.expectRestored(['--sign-key', id]);
    await machine.expectRefused(SIGNER, ['another key'], ['restore', '--sign-key', key, machine.url, 'out']);
  });

  it('is demanded of what duplicity made as well', async (context) => {
    const peer = requirePeer(context, 'duplicity-debian');
    await duplicityOk(
      peer,
      ['full', '--encrypt-key', key, '--sign-key', signing, `${machine.folder}/src`, `${machine.url}2`],
      {
        gnupgHome: gpg.path,
        passphrase: '',
        signPassphrase: '',
      },
    );
    const theirs = Object.assign(new Machine(gpg.path), { url: `${machine.url}2` });
    await theirs.expectRestored(['--sign-key', signing]);
    await theirs.expectRefused(SIGNER, ['another key'], ['restore', '--sign-key', attacker, theirs.url, 'out']);
  });
});
