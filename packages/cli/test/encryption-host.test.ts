/** Where keys are: a host that has public keys alone, key files, agents, and the options that say which GnuPG to use. */

import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import {
  duplicityOk,
  endAgent,
  type GpgHome,
  gpgHome,
  requirePeer,
  run,
  runOk,
  withDuplicityHome,
} from '@redup/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { copyKey, type Environment, Machine } from './encryption-support.js';

const LOCKED = 'unlocks the keys';

/** Where the secret keys are. */
let desk: GpgHome;
/** `open` has no passphrase, `locked` has one. */
let open: string;
let locked: string;
let machines: Machine[] = [];

beforeAll(async () => {
  desk = gpgHome();
  open = await desk.generateKey('open <open@example.org>');
  locked = await desk.generateKey('locked <locked@example.org>', { passphrase: LOCKED });
});

afterAll(() => desk.dispose());

afterEach(() => {
  for (const machine of machines) endAgent(machine.gnupgHome);
  machines = [];
});

function machine(gnupgHome?: string): Machine {
  const made = new Machine(gnupgHome);
  if (gnupgHome === undefined) machines.push(made);
  return made;
}

/** A machine with the public parts of both keys. */
async function publicOnly(): Promise<Machine> {
  const made = machine();
  for (const key of [open, locked]) await copyKey(desk, { path: made.gnupgHome }, key, 'public');
  return made;
}

/** What the desk restores of it; `locked` without the passphrase in the agent. */
async function expectRestoredAtDesk({ target }: Machine, options: readonly string[] = []): Promise<void> {
  const there = machine(desk.path);
  await runOk('cp', ['-r', target, there.target]);
  await there.expectRestored(options, { PASSPHRASE: LOCKED });
}

describe('a host with public keys alone', () => {
  it('makes full and incremental backups, without a terminal and without asking, and the desk restores them', async (context) => {
    requirePeer(context, 'gpg');
    const host = await publicOnly();
    // As cron starts it: no terminal to open, no input.
    const cron = (args: readonly string[]) =>
      run('setsid', ['--wait', process.execPath, ...args], { env: host.env(), cwd: host.folder, timeoutMs: 30_000 });
    const bin = new URL('../bin/redup.js', import.meta.url).pathname;
    for (const command of ['backup', 'backup', 'incremental']) {
      const result = await cron([bin, command, '--encrypt-key', locked, '--encrypt-key', open, 'src', host.url]);
      expect([result.code, result.stderr]).toEqual([0, '']);
    }
    await host.redupOk(['list-current-files', host.url]);
    await host.redupOk(['collection-status', host.url]);
    expect(readdirSync(host.target)).toHaveLength(3 * 3);
    await expectRestoredAtDesk(host);
  });

  it('goes on with an agent, as duplicity does, and with a passphrase that opens nothing, where it fails', async () => {
    const host = await publicOnly();
    const peer = requirePeer({ skip: (note) => expect.unreachable(note) }, 'duplicity-current');
    const options = ['--encrypt-key', open, '--gpg-options=--trust-model=always'];
    const agent = [...options, '--use-agent'];
    await withDuplicityHome(async (home) => {
      const there = { home, gnupgHome: host.gnupgHome };
      for (const command of ['full', 'incremental'])
        await duplicityOk(peer, [command, ...agent, `${host.folder}/src`, `${host.url}-theirs`], there);
    });
    for (const command of ['full', 'incremental']) {
      await host.redupOk([command, ...agent, 'src', host.url]);
      await host.redupOk([command, ...options, 'src', `${host.url}2`], { PASSPHRASE: 'of something else' });
    }
  });

  it('signs with a key of its own, where duplicity wants to decrypt the last manifest', async () => {
    const host = await publicOnly();
    await copyKey(desk, { path: host.gnupgHome }, locked, 'secret', LOCKED);
    const env = { PASSPHRASE: LOCKED, SIGN_PASSPHRASE: LOCKED };
    for (const command of ['full', 'incremental'])
      await host.redupOk([command, '--encrypt-key', open, '--sign-key', locked, 'src', host.url], env);
    await expectRestoredAtDesk(host, ['--sign-key', locked]);
  });

  it('says what to do when its local copies are lost, and begins a new chain when told to', async () => {
    const host = await publicOnly();
    await host.redupOk(['full', '--encrypt-key', locked, 'src', host.url]);
    rmSync(`${host.folder}/cache`, { recursive: true });
    const lost = await host.redup(['backup', '--encrypt-key', locked, 'src', host.url]);
    expect([lost.code, lost.stderr]).toEqual([31, expect.stringContaining('The local copy of duplicity-full')]);
    expect(lost.stderr).toContain('No secret key at hand for ');
    expect(lost.stderr).toContain('begin a new chain with `full`');
    expect(readdirSync(host.target)).toHaveLength(3);
    await host.redupOk(['full', '--encrypt-key', locked, 'src', host.url]);
    await host.redupOk(['incremental', '--encrypt-key', locked, 'src', host.url]);
    await expectRestoredAtDesk(host);
  });

  it('fetches lost copies again where the secret key is at hand after all', async () => {
    const host = machine();
    await copyKey(desk, { path: host.gnupgHome }, open, 'secret');
    await host.redupOk(['full', '--encrypt-key', open, 'src', host.url]);
    rmSync(`${host.folder}/cache`, { recursive: true });
    await host.redupOk(['incremental', '--encrypt-key', open, 'src', host.url]);
    await expectRestoredAtDesk(host);
  });

  it('needs any one of several keys to restore', async () => {
    const host = await publicOnly();
    await host.redupOk(['full', '--encrypt-key', open, '--hidden-encrypt-key', locked, 'src', host.url]);
    for (const [key, passphrase] of [
      [open, ''],
      [locked, LOCKED],
    ] as const) {
      const there = machine();
      await copyKey(desk, { path: there.gnupgHome }, key, 'secret', passphrase);
      await runOk('cp', ['-r', host.target, there.target]);
      await there.expectRestored([], passphrase === '' ? {} : { PASSPHRASE: passphrase });
    }
  });
});

describe('key files', () => {
  it('need no GnuPG, to encrypt, to sign, to verify and to restore', async () => {
    const host = machine();
    const [publicKey, secretKey, signKey] = ['public.asc', 'secret.asc', 'sign.pgp'].map(
      (name) => `${host.folder}/${name}`,
    ) as [string, string, string];
    writeFileSync(publicKey, (await desk.run(['--armor', '--export', open])).stdout);
    writeFileSync(
      secretKey,
      (await desk.run(['--armor', '--passphrase', LOCKED, '--export-secret-keys', locked])).stdout,
      { mode: 0o600 },
    );
    writeFileSync(signKey, (await desk.run(['--export-secret-keys', open])).stdoutBytes, { mode: 0o600 });
    // Nothing on the PATH: whoever asks for gpg fails.
    const bare: Environment = { PATH: host.folder, GNUPGHOME: '/nonexistent' };
    const keys = ['--encrypt-key', publicKey, '--encrypt-key', secretKey, '--sign-key', signKey];
    const env = { ...bare, PASSPHRASE: LOCKED };
    await host.redupOk(['full', ...keys, 'src', host.url], env);
    await host.redupOk(['incremental', ...keys, 'src', host.url], env);
    await host.expectRestored(['--encrypt-key', secretKey, '--sign-key', publicKey], env);
    chmodSync(secretKey, 0o644);
    await host.expectRefused(
      31,
      [secretKey, 'chmod 600'],
      ['restore', '--encrypt-key', secretKey, host.url, 'out'],
      env,
    );
    // gpg knows what was made without it.
    await expectRestoredAtDesk(host);
  });
});

describe('--use-agent', () => {
  it('signs and decrypts with what the agent knows, and no passphrase is given', async (context) => {
    requirePeer(context, 'gpg');
    const host = machine();
    await copyKey(desk, { path: host.gnupgHome }, locked, 'secret', LOCKED);
    const keys = ['--use-agent', '--encrypt-key', locked, '--sign-key', locked];
    // Nobody can be asked: the agent does not know the passphrase.
    await host.expectRefused(31, ["can't be unlocked"], ['full', ...keys, 'src', host.url]);
    await tellAgent(host.gnupgHome, locked, LOCKED);
    await host.redupOk(['full', ...keys, 'src', host.url]);
    await host.redupOk(['incremental', ...keys, 'src', host.url]);
    await host.expectRestored(['--use-agent', '--sign-key', locked]);
    // What is in the environment is not used.
    endAgent(host.gnupgHome);
    await host.expectRefused(31, ["can't be unlocked"], ['restore', '--use-agent', host.url, 'out'], {
      PASSPHRASE: LOCKED,
    });
  });
});

describe('the GnuPG to use', () => {
  it('is found by --gpg-binary, --gpg-options and GNUPGHOME', async () => {
    const host = machine();
    const wrapper = `${host.folder}/my-gpg`;
    writeFileSync(wrapper, `#!/bin/sh\necho "$@" >> ${host.folder}/calls\nexec gpg "$@"\n`, { mode: 0o755 });
    const keys = ['--encrypt-key', open, '--sign-key', open];
    await host.redupOk(['full', '--gpg-binary', wrapper, ...keys, 'src', host.url], { GNUPGHOME: desk.path });
    expect(readFileSync(`${host.folder}/calls`, 'utf8')).toContain(`--export -- ${open}`);
    await host.redupOk(['incremental', `--gpg-options=--homedir ${desk.path}`, ...keys, 'src', host.url]);
    await host.expectRestored([`--gpg-options=--homedir=${desk.path}`, '--sign-key', open], {
      GNUPGHOME: '/nonexistent',
    });
    await host.expectRefused(31, ['No key is known as'], ['full', ...keys, 'src', `${host.url}2`]);
  });

  it('may be 1.4, which has no agent', async (context) => {
    requirePeer(context, 'gpg1');
    const host = machine();
    const old = (args: readonly string[], input?: Uint8Array) =>
      run('gpg1', ['--homedir', host.gnupgHome, '--batch', '--no-tty', ...args], input === undefined ? {} : { input });
    await old(['--check-trustdb']);
    const exported = await desk.run(['--passphrase', LOCKED, '--export-secret-keys', locked]);
    expect((await old(['--allow-secret-key-import', '--import'], exported.stdoutBytes)).code).toBe(0);
    const keys = ['--gpg-binary', 'gpg1', '--encrypt-key', locked, '--sign-key', locked];
    const env = { PASSPHRASE: LOCKED };
    await host.redupOk(['full', ...keys, 'src', host.url], env);
    await host.redupOk(['incremental', ...keys, 'src', host.url], env);
    await host.expectRestored(['--gpg-binary', 'gpg1', '--sign-key', locked], env);
    await host.expectRefused(31, ["can't be unlocked"], ['restore', '--gpg-binary', 'gpg1', host.url, 'out'], {
      PASSPHRASE: 'wrong',
    });
  });

  it('takes secret keys from --encrypt-secret-keyring', async () => {
    const host = await publicOnly();
    const ring = `${host.folder}/secret-ring.gpg`;
    writeFileSync(ring, (await desk.run(['--passphrase', LOCKED, '--export-secret-keys', locked])).stdoutBytes, {
      mode: 0o600,
    });
    const env = { PASSPHRASE: LOCKED };
    const keys = ['--encrypt-key', locked, '--sign-key', locked, '--encrypt-secret-keyring', ring];
    await host.redupOk(['full', ...keys, 'src', host.url], env);
    await host.redupOk(['incremental', ...keys, 'src', host.url], env);
    await host.expectRefused(31, ['No secret key at hand'], ['restore', host.url, 'out'], env);
    await host.expectRestored(['--encrypt-secret-keyring', ring, '--sign-key', locked], env);
  });
});

/** Gives the agent a passphrase as gpg-preset-passphrase does. */
async function tellAgent(home: string, key: string, passphrase: string): Promise<void> {
  const listed = await run('gpg', ['--homedir', home, '--with-colons', '--with-keygrip', '--list-secret-keys', key]);
  const hex = Buffer.from(passphrase).toString('hex').toUpperCase();
  for (const [, grip] of listed.stdout.matchAll(/^grp:{9}([0-9A-F]{40}):/gm)) {
    const said = await runOk('gpg-connect-agent', ['--homedir', home, `PRESET_PASSPHRASE ${grip} -1 ${hex}`, '/bye']);
    expect(said.stdout).toContain('OK');
  }
}
