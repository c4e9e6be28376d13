import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { combineKeySources, type KeySource, openBytes, openGnupg, openKeyFiles, Secret, sealBytes } from './index.js';
import { KEY_KINDS, TestHome, type TestKey } from './testing/gnupg.js';

const home = new TestHome();
const folder = mkdtempSync(join(tmpdir(), 'pgp-files-'));
const keys: Record<string, TestKey> = {};
const data = Buffer.concat([Buffer.alloc(150_000, 'backup data '), randomBytes(60_000)]);
const PASS = 'pä ss%word';
const passphrase = Secret.fromText(PASS);

function key(kind: string): TestKey {
  const found = keys[kind];
  if (found === undefined) throw new Error(`No key of kind ${kind}`);
  return found;
}

function keyFile(kind: string, args: readonly string[]): string {
  const path = join(folder, `${kind}-${args.join('')}`);
  writeFileSync(path, home.gpg([...args, key(kind).fingerprint], '', PASS), { mode: 0o600 });
  return path;
}

beforeAll(() => {
  for (const [kind, lines] of Object.entries(KEY_KINDS)) keys[kind] = home.generate(`${kind}@example.org`, lines, PASS);
}, 120_000);

afterAll(() => {
  home.remove();
  rmSync(folder, { recursive: true, force: true });
});

describe.each(Object.keys(KEY_KINDS))('a key of kind %s', (kind) => {
  it('from gpg: encrypts and signs what gpg opens and calls good', async () => {
    const source = openGnupg({ home: home.path, signPassphrase: passphrase });
    const id = key(kind).fingerprint;
    const message = await sealBytes(data, {
      recipients: [await source.recipient(id)],
      signer: await source.signer(id),
      compression: 'zip',
    });
    const result = home.tryGpg(['--status-fd', '2', '--decrypt'], message, PASS);
    expect(result.stderr).toMatch(new RegExp(`GOODSIG ${id.slice(-16)}`));
    expect(result.stderr).toMatch(/DECRYPTION_OKAY[\s\S]*GOODMDC|GOODMDC[\s\S]*DECRYPTION_OKAY/);
    expect(result.stdout.equals(data)).toBe(true);
  });

  it('from gpg: opens and verifies what gpg encrypted and signed', async () => {
    const id = key(kind).fingerprint;
    const message = home.gpg(['--sign', '--encrypt', '-u', id, '-r', id], data, PASS);
    const source = openGnupg({ home: home.path, passphrase });
    const opened = await openBytes(message, { keys: source, requireSigner: await source.trustedSigner(id) });
    expect(data.equals(opened)).toBe(true);
  });

  it('from a file: encrypts, signs, verifies and decrypts without gpg, and gpg agrees', async () => {
    const secretFile = keyFile(kind, ['--export-secret-keys', '--armor']);
    const publicFile = keyFile(kind, ['--export']);
    const open = await openKeyFiles({ files: [publicFile] });
    const secret = await openKeyFiles({ files: [secretFile], passphrase });
    const message = await sealBytes(data, {
      hiddenRecipients: [await open.recipient(publicFile)],
      signer: await secret.signer(secretFile),
      compression: 'zlib',
    });
    const opened = await openBytes(message, { keys: secret, requireSigner: await open.trustedSigner(publicFile) });
    expect(data.equals(opened)).toBe(true);
    const result = home.tryGpg(['--status-fd', '2', '--decrypt'], message, PASS);
    expect(result.stderr).toMatch(/GOODSIG/);
    expect(result.stderr).toMatch(/ENC_TO 0000000000000000/);
    expect(result.stdout.equals(data)).toBe(true);
    const theirs = home.gpg(['--encrypt', '--hidden-recipient', key(kind).email], data);
    expect(data.equals(await openBytes(theirs, { keys: secret }))).toBe(true);
  });
});

describe('keys', () => {
  it('are found by short id, long id, fingerprint of the key or a subkey, with 0x and blanks, and e-mail', async () => {
    const [primary = '', subkey = ''] = home.fingerprints(key('curve25519').email);
    const forms = [
      primary,
      `0x${primary.toLowerCase()}`,
      primary.slice(-16),
      primary.slice(-8),
      subkey.slice(-16),
      subkey,
    ];
    const file = await openKeyFiles({ files: [keyFile('curve25519', ['--export']), keyFile('p256', ['--export'])] });
    const gnupg = openGnupg({ home: home.path, passphrase });
    for (const source of [file, gnupg]) {
      for (const form of [...forms, 'curve25519@example.org', '<curve25519@example.org>']) {
        const message = await sealBytes(Buffer.from('x'), {
          recipients: [await source.recipient(form)],
          compression: 'zip',
        });
        expect(home.tryGpg(['--status-fd', '2', '--decrypt'], message, PASS).stderr).toMatch(
          `ENC_TO ${subkey.slice(-16)}`,
        );
      }
    }
    await expect(file.recipient(primary.replace(/(.{4})/g, '$1 ').trim())).resolves.toBeDefined();
    await expect(file.recipient('0123456789ABCDEF')).rejects.toMatchObject({
      code: 'unknown-key',
      keyIds: ['0123456789ABCDEF'],
    });
    await expect(gnupg.recipient('nobody@example.org')).rejects.toMatchObject({ code: 'unknown-key' });
    await expect(file.recipient('Test')).rejects.toMatchObject({ code: 'ambiguous-key' });
  });

  it('mix: several recipients, hidden ones and a passphrase, each of which opens the message', async () => {
    const source = openGnupg({ home: home.path, passphrase });
    const message = await sealBytes(data, {
      recipients: [await source.recipient(key('rsa2048').email)],
      hiddenRecipients: [await source.recipient(key('p384').email), await source.recipient(key('curve25519').email)],
      passphrase: Secret.fromText('shared'),
      compression: 'zip',
    });
    for (const kind of ['rsa2048', 'p384', 'curve25519']) {
      const secret = await openKeyFiles({ files: [keyFile(kind, ['--export-secret-keys'])], passphrase });
      expect(data.equals(await openBytes(message, { keys: secret }))).toBe(true);
    }
    expect(
      data.equals(await openBytes(message, { passphrase: [Secret.fromText('a'), Secret.fromText('shared')] })),
    ).toBe(true);
    const alone = new TestHome();
    try {
      expect(alone.gpg(['--decrypt'], message, 'shared').equals(data)).toBe(true);
    } finally {
      alone.remove();
    }
    const theirs = home.gpg(['--symmetric', '--encrypt', '-r', key('rsa2048').email], data, 'shared too');
    expect(data.equals(await openBytes(theirs, { passphrase: Secret.fromText('shared too') }))).toBe(true);
    expect(data.equals(await openBytes(theirs, { keys: source }))).toBe(true);
  });

  it('that are missing are named', async () => {
    const message = home.gpg(['--encrypt', '-r', key('rsa2048').email, '-R', key('p256').email], data);
    const subkey = home.fingerprints(key('rsa2048').email)[1]?.slice(-16);
    const empty = new TestHome();
    try {
      const gnupg = openGnupg({ home: empty.path });
      const file = await openKeyFiles({ files: [keyFile('p384', ['--export-secret-keys'])], passphrase });
      for (const source of [gnupg, file, combineKeySources(gnupg, file)]) {
        await expect(openBytes(message, { keys: source, subject: 'volume 3' })).rejects.toMatchObject({
          code: 'no-secret-key',
          keyIds: [subkey, '0000000000000000'],
          subject: 'volume 3',
        });
      }
      await expect(openBytes(message, {})).rejects.toMatchObject({ code: 'no-secret-key' });
      await expect(openBytes(message, { passphrase })).rejects.toMatchObject({ code: 'no-secret-key' });
    } finally {
      empty.remove();
    }
  });

  it('that stay locked say so: wrong passphrase for decryption and for signing, from gpg and from a file', async () => {
    const wrong = Secret.fromText('wrong');
    const id = key('p256').fingerprint;
    const path = keyFile('p256', ['--export-secret-keys']);
    home.gpg(['--version']);
    const message = home.gpg(['--encrypt', '-r', id], data);
    const locked: KeySource[] = [
      await openKeyFiles({ files: [path], passphrase: wrong }),
      await openKeyFiles({ files: [path] }),
    ];
    const fresh = new TestHome();
    try {
      fresh.gpg(['--import'], home.gpg(['--export-secret-keys', id], '', PASS), PASS);
      locked.push(openGnupg({ home: fresh.path, passphrase: wrong }));
      for (const source of locked) {
        await expect(openBytes(message, { keys: source })).rejects.toMatchObject({ code: 'key-passphrase' });
        await expect(source.signer(id)).rejects.toMatchObject({ code: 'key-passphrase' });
      }
      const right = openGnupg({ home: fresh.path, passphrase: wrong, signPassphrase: passphrase });
      await expect(right.signer(id)).resolves.toBeDefined();
      const both = combineKeySources(locked[0] as KeySource, openGnupg({ home: fresh.path, passphrase }));
      expect(data.equals(await openBytes(message, { keys: both }))).toBe(true);
    } finally {
      fresh.remove();
    }
  });

  it('through the agent alone need no passphrase here, once the agent knows it', async () => {
    const agent = new TestHome();
    try {
      const { fingerprint } = agent.generate('open@example.org', KEY_KINDS['curve25519'] ?? []);
      const source = openGnupg({ home: agent.path, useAgent: true, passphrase: Secret.fromText('is not used') });
      const message = await sealBytes(data, {
        recipients: [await source.recipient(fingerprint)],
        signer: await source.signer(fingerprint),
        compression: 'zip',
      });
      const requireSigner = await source.trustedSigner(fingerprint);
      expect(data.equals(await openBytes(message, { keys: source, requireSigner }))).toBe(true);
    } finally {
      agent.remove();
    }
  });

  it('that only encrypt make backups: no secret part is asked for', async () => {
    const publicOnly = new TestHome();
    try {
      publicOnly.gpg(['--import'], home.gpg(['--export', key('curve25519').fingerprint]));
      const source = openGnupg({ home: publicOnly.path });
      const message = await sealBytes(data, {
        recipients: [await source.recipient('curve25519@example.org')],
        compression: 'zip',
      });
      expect(home.gpg(['--decrypt'], message, PASS).equals(data)).toBe(true);
      await expect(source.signer('curve25519@example.org')).rejects.toMatchObject({ code: 'no-secret-key' });
    } finally {
      publicOnly.remove();
    }
  });

  it('that are expired, revoked or unable are refused by name of the problem', async () => {
    const bad = new TestHome();
    try {
      const sign = bad.generate('sign@example.org', ['Key-Type: EDDSA', 'Key-Curve: ed25519', 'Key-Usage: sign']);
      const past = ['--faked-system-time', '20200101T000000!'];
      bad.gpg([...past, '--quick-generate-key', 'old@example.org', 'ed25519', 'sign', '1d'], '', '');
      const revoked = bad.generate('revoked@example.org', KEY_KINDS['curve25519'] ?? []);
      const certificate = bad.gpg(
        ['--no-batch', '--command-fd', '0', '--gen-revoke', revoked.fingerprint],
        'y\n0\n\ny\n',
      );
      bad.gpg(['--import'], certificate);
      const subExpired = bad.generate('sub@example.org', ['Key-Type: EDDSA', 'Key-Curve: ed25519', 'Key-Usage: sign']);
      bad.gpg(['--quick-add-key', subExpired.fingerprint, 'cv25519', 'encr', 'seconds=1'], '', '');
      const path = join(folder, 'bad.asc');
      writeFileSync(path, bad.gpg(['--export', '--armor']));
      await new Promise((resolve) => setTimeout(resolve, 1500));
      for (const source of [openGnupg({ home: bad.path }), await openKeyFiles({ files: [path] })]) {
        await expect(source.recipient(sign.fingerprint)).rejects.toMatchObject({
          code: 'unusable-key',
          keyIds: [sign.fingerprint.slice(-16)],
        });
        await expect(source.recipient(revoked.email)).rejects.toMatchObject({ code: 'revoked-key' });
        await expect(source.recipient(subExpired.fingerprint)).rejects.toMatchObject({ code: 'expired-key' });
        await expect(source.recipient('old@example.org')).rejects.toMatchObject({ code: 'expired-key' });
      }
    } finally {
      bad.remove();
    }
  });

  it('in a secret key file that others can read are refused', async () => {
    const path = keyFile('p256', ['--export-secret-keys']);
    chmodSync(path, 0o644);
    await expect(openKeyFiles({ files: [path] })).rejects.toMatchObject({ code: 'secret-file', subject: path });
    chmodSync(path, 0o600);
  });

  it('say when gpg is missing or the agent can not be reached', async () => {
    const none = openGnupg({ binary: '/nowhere/gpg' });
    await expect(none.recipient('x@example.org')).rejects.toMatchObject({
      code: 'gpg-missing',
      subject: '/nowhere/gpg',
    });
  });
});

describe('a demanded signature', () => {
  it('that is missing, another key’s, or does not match is refused', async () => {
    const source = openGnupg({ home: home.path, passphrase });
    const requireSigner = await source.trustedSigner(key('p256').fingerprint.slice(-16));
    const shared = Secret.fromText('shared');
    const quick = { compression: 'zip', passphrase: shared, s2kCountOctet: 0x60 } as const;
    const unsigned = await sealBytes(data, quick);
    await expect(openBytes(unsigned, { passphrase: shared, requireSigner })).rejects.toMatchObject({
      code: 'unsigned',
    });
    const other = await sealBytes(data, { ...quick, signer: await source.signer(key('p384').fingerprint) });
    await expect(openBytes(other, { passphrase: shared, requireSigner })).rejects.toMatchObject({
      code: 'wrong-signer',
      keyIds: [key('p384').fingerprint.slice(-16)],
    });
    const signer = await source.signer(key('p256').fingerprint);
    const good = await sealBytes(data, { ...quick, signer });
    expect(data.equals(await openBytes(good, { passphrase: shared, requireSigner }))).toBe(true);
    // Whoever knows the passphrase can wrap other data around a true signature.
    const forged = await sealBytes(data, {
      ...quick,
      signer: {
        begin() {
          const progress = signer.begin();
          return { ...progress, update: () => progress.update(Buffer.from('what was really signed')) };
        },
      },
    });
    await expect(openBytes(forged, { passphrase: shared, requireSigner })).rejects.toMatchObject({
      code: 'bad-signature',
    });
    // And nobody demanded it: it is no more than what duplicity does.
    expect(data.equals(await openBytes(forged, { passphrase: shared }))).toBe(true);
  });

  it('may be made by a subkey, whichever id of the key is demanded', async () => {
    const { fingerprint } = key('rsa2048');
    home.gpg(['--quick-add-key', fingerprint, 'ed25519', 'sign'], '', PASS);
    const subkey = home.fingerprints(key('rsa2048').email)[2] ?? '';
    const source = openGnupg({ home: home.path, passphrase });
    const signer = await source.signer(fingerprint);
    const message = await sealBytes(data, {
      recipients: [await source.recipient(fingerprint)],
      signer,
      compression: 'zip',
    });
    expect(home.tryGpg(['--status-fd', '2', '--decrypt'], message, PASS).stderr).toMatch(
      `GOODSIG ${subkey.slice(-16)}`,
    );
    for (const id of [fingerprint, subkey, subkey.slice(-8), key('rsa2048').email]) {
      await openBytes(message, { keys: source, requireSigner: await source.trustedSigner(id) });
    }
  });
});
