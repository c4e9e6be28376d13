/**
 * What goes wrong with keys and passphrases, through the command: each with an exit code of its own kind, the keys concerned
 * by name, and a hint. Before a backup stores anything, and before a restore writes anything.
 */

import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { endAgent, type GpgHome, gpgHome, requirePeer, runOk } from '@redup/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { copyKey, type Environment, Machine } from './encryption-support.js';

const LOCKED = 'unlocks the key';

let gpg: GpgHome;
let key: string;
let locked: string;
let machine: Machine;

beforeAll(async () => {
  gpg = gpgHome();
  key = await gpg.generateKey('key <key@example.org>');
  locked = await gpg.generateKey('locked <locked@example.org>', { passphrase: LOCKED });
});

afterAll(() => gpg.dispose());

beforeEach(() => {
  machine = new Machine(gpg.path);
});

/** The error as `--json` has it, for programs. */
async function problemOf(args: readonly string[], env: Environment = {}): Promise<Record<string, unknown>> {
  const cache = `${machine.folder}/json-cache`;
  const { code, stdout } = await machine.redup(['--json', '--archive-dir', cache, ...args], env);
  rmSync(cache, { recursive: true, force: true });
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const error = lines.findLast(({ type }) => type === 'error');
  expect(error?.['exitCode']).toBe(code);
  expect(error?.['hint']).toEqual(expect.stringMatching(/\w+ .*\.$/));
  return error ?? {};
}

/** A key with one part: what it may do, and until when. */
async function quickKey(
  name: string,
  algorithm: string,
  use: string,
  expires = 'never',
  extra: readonly string[] = [],
): Promise<string> {
  await gpg.run(['--passphrase', '', ...extra, '--quick-generate-key', name, algorithm, use, expires]);
  const listed = await gpg.run(['--with-colons', '--list-keys', `=${name}`]);
  return /^fpr:{9}([0-9A-F]{40}):/m.exec(listed.stdout)?.[1] ?? '';
}

describe('a backup', () => {
  async function expectNoBackup(
    code: string,
    words: readonly string[],
    args: readonly string[],
    env: Environment = {},
  ): Promise<void> {
    await machine.expectRefused(31, words, ['full', ...args, 'src', machine.url], env);
    expect(existsSync(machine.target) ? readdirSync(machine.target) : []).toEqual([]);
    expect((await problemOf(['full', ...args, 'src', machine.url], env))['code']).toBe(code);
  }

  it('with an unknown key names it', async () => {
    await expectNoBackup('KEY_UNKNOWN', ['0123456789ABCDEF', 'gpg --list-keys'], ['--encrypt-key', '0123456789ABCDEF']);
    await expectNoBackup('KEY_UNKNOWN', ['/nowhere/key.asc', 'Check the path'], ['--encrypt-key', '/nowhere/key.asc']);
  });

  it('with a key that several have in common asks for the fingerprint', async () => {
    await gpg.generateKey('twin <twin@example.org>');
    await gpg.run([
      '--passphrase',
      '',
      '--quick-generate-key',
      'other twin <twin@example.org>',
      'rsa2048',
      'encr',
      'never',
    ]);
    await gpg.run([
      '--passphrase',
      '',
      '--quick-generate-key',
      'third twin <twin@example.org>',
      'default',
      'default',
      'never',
    ]);
    await expectNoBackup(
      'KEY_AMBIGUOUS',
      ['twin@example.org names several keys', 'fingerprint'],
      ['--encrypt-key', 'twin@example.org'],
    );
  });

  it('with an expired key tells since when', async () => {
    const old = ['--faked-system-time', '20200101T000000'];
    const expired = await quickKey('expired', 'rsa2048', 'sign,encrypt', '1y', old);
    await expectNoBackup(
      'KEY_EXPIRED',
      [expired.slice(-16), 'expired on 2020-12-31', '--quick-set-expire'],
      ['--encrypt-key', expired],
    );
    await expectNoBackup('KEY_EXPIRED', ['expired on'], ['--encrypt-key', key, '--sign-key', expired]);
  });

  it('with a revoked key says so', async () => {
    const revoked = await quickKey('revoked', 'rsa2048', 'sign,encrypt');
    const certificate = readFileSync(`${gpg.path}/openpgp-revocs.d/${revoked}.rev`, 'utf8').replace(/^:-/m, '-');
    expect((await gpg.run(['--import'], { input: certificate })).code).toBe(0);
    await expectNoBackup('KEY_REVOKED', [revoked.slice(-16), 'was revoked', 'another key'], ['--encrypt-key', revoked]);
  });

  it('with a key that only signs, or only encrypts, says what it lacks', async () => {
    const signing = await quickKey('signing', 'ed25519', 'sign');
    await expectNoBackup(
      'KEY_UNUSABLE',
      [signing.slice(-16), "can't encrypt", '[E] and [S]'],
      ['--encrypt-key', signing],
    );
  });

  it('without the secret part of the signing key, or its passphrase, stores nothing', async () => {
    const elsewhere = new Machine();
    await copyKey(gpg, { path: elsewhere.gnupgHome }, key, 'public');
    const args = ['full', '--encrypt-key', key, '--sign-key', key, 'src', elsewhere.url];
    await elsewhere.expectRefused(31, [key.slice(-16), 'secret key'], args);
    endAgent(elsewhere.gnupgHome);
    const wrong = { SIGN_PASSPHRASE: 'wrong' };
    await expectNoBackup(
      'KEY_LOCKED',
      [locked.slice(-16), "can't be unlocked", 'passphrase of the secret key'],
      ['--encrypt-key', key, '--sign-key', locked],
      wrong,
    );
  });

  it('without gpg says how to do without it', async () => {
    await expectNoBackup(
      'GPG_MISSING',
      ['/nowhere/gpg', 'key files, which need no GnuPG'],
      ['--encrypt-key', key, '--gpg-binary', '/nowhere/gpg'],
    );
  });

  it('with an agent that can not be reached says how to start it', async () => {
    const args = ['--encrypt-key', key, '--sign-key', key, '--use-agent', '--gpg-options=--no-autostart'];
    endAgent(gpg.path);
    await expectNoBackup('AGENT_UNREACHABLE', ['agent', 'gpgconf --launch gpg-agent'], args);
  });

  it('without any passphrase, key or terminal says what there is to choose from', async () => {
    await expectNoBackup('PASSPHRASE_MISSING', ['PASSPHRASE', '--passphrase-file', '--no-encryption'], []);
    await expectNoBackup('PASSPHRASE_MISSING', ['is empty'], [], { PASSPHRASE: '' });
    await expectNoBackup('PASSPHRASE_MISSING', ['--use-agent', '--encrypt-key'], ['--use-agent']);
  });

  it('with another passphrase than the chain has is refused, with and without local copies', async () => {
    await machine.redupOk(['full', 'src', machine.url], { PASSPHRASE: 'right' });
    for (const cache of ['cache/duplicity', 'other-cache']) {
      const args = ['incremental', '--archive-dir', cache, 'src', machine.url];
      const wrong = await machine.redup(args, { PASSPHRASE: 'wrong' });
      expect([wrong.code, wrong.stderr]).toEqual([31, expect.stringContaining('does not open the message')]);
    }
    expect(readdirSync(machine.target)).toHaveLength(3);
  });
});

describe('a restore', () => {
  async function expectNoRestore(
    code: string,
    words: readonly string[],
    args: readonly string[] = [],
    env: Environment = {},
  ): Promise<void> {
    await machine.expectRefused(31, words, ['restore', ...args, machine.url, 'out'], env);
    expect(machine.hasWritten('out')).toBe(false);
    expect((await problemOf(['restore', ...args, machine.url, 'out'], env))['code']).toBe(code);
  }

  it('with a wrong passphrase, an empty one, or none says so', async () => {
    await machine.redupOk(['full', 'src', machine.url], { PASSPHRASE: 'right' });
    await expectNoRestore('PASSPHRASE_WRONG', ['does not open the message', 'PASSPHRASE', '--passphrase-file'], [], {
      PASSPHRASE: 'wrong',
    });
    await expectNoRestore('PASSPHRASE_WRONG', ['does not open the message'], [], { PASSPHRASE: '' });
    await expectNoRestore('PASSPHRASE_MISSING', ['encrypted with a passphrase, and none was given', 'PASSPHRASE']);
  });

  it('without the secret key names every key that would do', async () => {
    await machine.redupOk(['full', '--encrypt-key', key, '--encrypt-key', locked, 'src', machine.url]);
    machine = Object.assign(new Machine(), { target: machine.target, url: machine.url });
    const listed = (await gpg.run(['--with-colons', '--list-keys', key, locked])).stdout;
    const subkeys = [...listed.matchAll(/^sub:[^:]*:[^:]*:[^:]*:([0-9A-F]{16}):/gm)].map(([, id]) => id ?? '');
    expect(subkeys).toHaveLength(2);
    await expectNoRestore('SECRET_KEY_MISSING', ['No secret key at hand', ...subkeys, 'import it into GnuPG']);
    const hidden = `${machine.url}-hidden`;
    await runOk('cp', [`${gpg.path}/pubring.kbx`, machine.gnupgHome]);
    await machine.redupOk(['full', '--hidden-encrypt-key', key, 'src', hidden]);
    await machine.expectRefused(31, ['a hidden recipient'], ['restore', hidden, 'out']);
  });

  it('with a locked key and a wrong passphrase says which key', async () => {
    await machine.redupOk(['full', '--encrypt-key', locked, 'src', machine.url]);
    endAgent(gpg.path);
    await expectNoRestore('KEY_LOCKED', ["can't be unlocked", 'passphrase of the secret key'], [], {
      PASSPHRASE: 'wrong',
    });
    await expectNoRestore('KEY_LOCKED', ["can't be unlocked"], ['--use-agent']);
  });

  it('without gpg, or without its agent, says how to get on', async () => {
    await machine.redupOk(['full', '--encrypt-key', key, 'src', machine.url]);
    await expectNoRestore('GPG_MISSING', ['/nowhere/gpg', 'Install GnuPG'], ['--gpg-binary', '/nowhere/gpg']);
    endAgent(gpg.path);
    await expectNoRestore(
      'AGENT_UNREACHABLE',
      ['agent', 'gpgconf --launch gpg-agent'],
      ['--gpg-options=--no-autostart'],
    );
  });

  it('with a signer that nobody knows names it', async () => {
    await machine.redupOk(['full', '--encrypt-key', key, '--sign-key', key, 'src', machine.url]);
    await expectNoRestore('KEY_UNKNOWN', ['FEDCBA9876543210'], ['--sign-key', 'FEDCBA9876543210']);
  });

  it('of what needs gpg1 without its agent is possible', async (context) => {
    requirePeer(context, 'gpg1');
    writeFileSync(`${machine.folder}/key.asc`, (await gpg.run(['--armor', '--export-secret-keys', key])).stdout, {
      mode: 0o600,
    });
    await machine.redupOk(['full', '--encrypt-key', key, 'src', machine.url]);
    await machine.expectRestored(['--gpg-binary', '/nowhere/gpg', '--encrypt-key', `${machine.folder}/key.asc`]);
  });
});
