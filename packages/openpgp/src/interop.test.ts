import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type KeySource, openBytes, openGnupg, openKeyFiles, openKeys, Secret, sealBytes } from './index.js';
import { KEY_KINDS, TestHome, type TestKey } from './testing/gnupg.js';
import { hasProgram, outcomeOf } from './testing/messages.js';

const data = Buffer.concat([Buffer.alloc(300_000, 'some data that compresses '), randomBytes(100_000)]);
const folder = mkdtempSync(join(tmpdir(), 'pgp-interop-'));
const passphrase = Secret.fromText('pass');
const quick = { compression: 'zip', s2kCountOctet: 0x60 } as const;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const CIPHERS = [
  '3DES',
  'CAST5',
  'BLOWFISH',
  'AES',
  'AES192',
  'AES256',
  'TWOFISH',
  'CAMELLIA128',
  'CAMELLIA192',
  'CAMELLIA256',
];
const COMPRESSIONS = ['none', 'zip', 'zlib', 'bzip2'];

describe('what gpg 2.2 writes', () => {
  const home = new TestHome();
  afterAll(() => home.remove());

  it.each(CIPHERS)('with %s is opened, and a wrong passphrase noticed', async (cipher) => {
    const message = home.gpg(['--symmetric', '--cipher-algo', cipher], data, 'pass');
    expect(data.equals(await openBytes(message, { passphrase }))).toBe(true);
    await expect(openBytes(message, { passphrase: Secret.fromText('no') })).rejects.toMatchObject({
      code: 'wrong-passphrase',
    });
  });

  it.each(COMPRESSIONS)('compressed with %s is opened, with and without partial lengths', async (algorithm) => {
    const path = join(folder, 'data');
    for (const content of [data, Buffer.alloc(0), Buffer.from('x')]) {
      writeFileSync(path, content);
      const streamed = home.gpg(['--symmetric', '--compress-algo', algorithm], content, 'pass');
      const fromFile = home.gpg(['--symmetric', '--compress-algo', algorithm, '-o', '-', path], '', 'pass');
      for (const message of [streamed, fromFile]) {
        expect(content.equals(await openBytes(message, { passphrase }))).toBe(true);
      }
    }
  });

  it.each(['SHA1', 'SHA256', 'SHA384', 'SHA512', 'SHA224', 'RIPEMD160'])(
    'with a passphrase derived by %s, salted or simple',
    async (digest) => {
      for (const mode of ['0', '1', '3']) {
        const message = home.gpg(['--symmetric', '--s2k-digest-algo', digest, '--s2k-mode', mode], data, 'pass');
        expect(data.equals(await openBytes(message, { passphrase }))).toBe(true);
      }
    },
  );

  it('with a plaintext that ends in garbage, as duplicity pads its volumes, is given out as it is', async () => {
    const padded = Buffer.concat([data, randomBytes(70_000)]);
    expect(padded.equals(await openBytes(home.gpg(['--symmetric'], padded, 'pass'), { passphrase }))).toBe(true);
  });

  it('compressed with BZip2 inside a bomb stops at the limit', async () => {
    const bomb = home.gpg(['--symmetric', '--compress-algo', 'bzip2'], Buffer.alloc(30_000_000), 'pass');
    const { code, plain } = await outcomeOf(bomb, { passphrase, maxBytes: 1_000_000 });
    expect(code).toBe('too-large');
    expect(plain.length).toBeLessThanOrEqual(1_000_000);
  });
});

describe.runIf(hasProgram('gpg1'))('GnuPG 1.4', () => {
  const home = new TestHome('gpg1');
  const keys: Record<string, TestKey> = {};
  beforeAll(() => {
    keys['rsa'] = home.generate(
      'rsa@example.org',
      ['Key-Type: RSA', 'Key-Length: 2048', 'Subkey-Type: RSA', 'Subkey-Length: 2048'],
      'pass',
    );
    keys['dsa'] = home.generate(
      'dsa@example.org',
      ['Key-Type: DSA', 'Key-Length: 1024', 'Subkey-Type: ELG-E', 'Subkey-Length: 1024'],
      'pass',
    );
    keys['dsa2'] = home.generate(
      'dsa2@example.org',
      ['Key-Type: DSA', 'Key-Length: 2048', 'Subkey-Type: ELG-E', 'Subkey-Length: 2048'],
      'pass',
    );
  }, 120_000);
  afterAll(() => home.remove());

  it.each(['default', ...CIPHERS])('symmetric messages with %s are opened', async (cipher) => {
    const chosen = cipher === 'default' ? [] : ['--cipher-algo', cipher];
    const message = home.gpg(['--symmetric', '--force-mdc', ...chosen], data, 'pass');
    expect(data.equals(await openBytes(message, { passphrase }))).toBe(true);
  });

  it('opens what is sealed here with a passphrase', async () => {
    for (const compression of ['zip', 'zlib', 'none'] as const) {
      const result = home.tryGpg(['--decrypt'], await sealBytes(data, { ...quick, passphrase, compression }), 'pass');
      expect(result.stderr).not.toMatch(/warning/i);
      expect(result.stdout.equals(data)).toBe(true);
    }
  });

  it('opens and verifies what is sealed and signed here with an RSA key', async () => {
    const source = openGnupg({ binary: 'gpg1', home: home.path, passphrase });
    const message = await sealBytes(data, {
      ...quick,
      recipients: [await source.recipient('rsa@example.org')],
      signer: await source.signer('rsa@example.org'),
    });
    const result = home.tryGpg(['--status-fd', '2', '--decrypt'], message, 'pass');
    expect(result.stderr).toMatch(/GOODSIG/);
    expect(result.stdout.equals(data)).toBe(true);
  });

  it.each(['rsa', 'dsa', 'dsa2'])(
    'messages to and signed by a %s key are opened and verified, by gpg1 and by key file',
    async (kind) => {
      const { fingerprint } = keys[kind] as TestKey;
      const message = home.gpg(
        ['--force-mdc', '--sign', '--encrypt', '-u', fingerprint, '-r', fingerprint],
        data,
        'pass',
      );
      const gnupg = openGnupg({ binary: 'gpg1', home: home.path, passphrase });
      const file = await openKeys(home.gpg(['--export-secret-keys', fingerprint]), { passphrase });
      for (const source of [gnupg, file]) {
        const requireSigner = await source.trustedSigner(fingerprint);
        expect(data.equals(await openBytes(message, { keys: source, requireSigner }))).toBe(true);
      }
      const secring = join(home.path, 'secring.gpg');
      const elsewhere = openGnupg({ home: folder, secretKeyring: secring, passphrase });
      expect(data.equals(await openBytes(message, { keys: elsewhere }))).toBe(true);
    },
  );

  it('with old ciphers, compression by BZip2 and a signature: the signature is verified there too', async () => {
    const id = (keys['rsa'] as TestKey).fingerprint;
    for (const extra of [
      ['--cipher-algo', 'CAST5'],
      ['--compress-algo', 'bzip2'],
      ['--cipher-algo', 'TWOFISH', '--compress-algo', 'zlib'],
    ]) {
      const message = home.gpg(['--force-mdc', '--sign', '-u', id, '--symmetric', ...extra], data, 'pass');
      const source = openGnupg({ binary: 'gpg1', home: home.path, passphrase });
      const requireSigner = await source.trustedSigner(id);
      expect(data.equals(await openBytes(message, { passphrase, requireSigner }))).toBe(true);
      const stranger = await source.trustedSigner('dsa@example.org');
      await expect(openBytes(message, { passphrase, requireSigner: stranger })).rejects.toMatchObject({
        code: 'wrong-signer',
      });
    }
  });

  it('without MDC is refused', async () => {
    const message = home.gpg(['--disable-mdc', '--symmetric', '--cipher-algo', 'CAST5'], data, 'pass');
    await expect(openBytes(message, { passphrase })).rejects.toMatchObject({ code: 'no-integrity' });
  });

  it('says a wrong passphrase is one', async () => {
    const { fingerprint } = keys['rsa'] as TestKey;
    const message = home.gpg(['--force-mdc', '--encrypt', '-r', fingerprint], data);
    const source = openGnupg({ binary: 'gpg1', home: home.path, passphrase: Secret.fromText('wrong') });
    await expect(openBytes(message, { keys: source })).rejects.toMatchObject({ code: 'key-passphrase' });
    await expect(source.signer(fingerprint)).rejects.toMatchObject({ code: 'key-passphrase' });
  });
});

describe('what gpg 2.4 writes', () => {
  const fixture = (name: string): Buffer =>
    readFileSync(fileURLToPath(new URL(`../fixtures/gpg-2.4/${name}`, import.meta.url)));
  const plain = Buffer.from(Array.from({ length: 4000 }, (_, i) => `${i + 1}\n`).join(''));

  it.each(['symmetric', 'symmetric-ocb', 'symmetric-ocb-small-chunks'])('is opened: %s', async (name) => {
    const message = fixture(`${name}.gpg`);
    for (const pieceBytes of [1, 100, 1 << 20]) {
      expect(await outcomeOf(message, { passphrase }, pieceBytes)).toMatchObject({ code: 'good', plain });
    }
    expect((await outcomeOf(message, { passphrase: Secret.fromText('no') })).code).toBe('wrong-passphrase');
  });

  it.each(['signed-key', 'signed-key-ocb'])('is opened and verified: %s', async (name) => {
    const keys = await openKeys(fixture('secret-key.asc'), { passphrase });
    const requireSigner = await keys.trustedSigner('ocb@example.org');
    expect(plain.equals(await openBytes(fixture(`${name}.gpg`), { keys, requireSigner }))).toBe(true);
  });

  it('the example of the specification (draft-koch-librepgp, A.6) is opened', async () => {
    const message = Buffer.from(
      'c33d05070203089f0b7da3e5ea64779099e326e5400a90936cefb4e8eba08c6773716d1f2714540a38fcac529949dac529d3de31e15b4aeb729e330033dbed' +
        'd4490107020e5ed2bc1e470abe8f1d644c7a6c8a567b0f7701196611a154ba9c2574cd056284a8ef68035c623d93cc708a43211bb6eaf2b27f7c18d571bcd83b20add3a08b73af15b9a098',
      'hex',
    );
    expect(Buffer.from(await openBytes(message, { passphrase: Secret.fromText('password') })).toString()).toBe(
      'Hello, world!\n',
    );
  });
});

describe.runIf(hasProgram('sq'))('Sequoia', () => {
  const path = (name: string): string => join(folder, name);
  const sq = (args: readonly string[], input: Uint8Array = Buffer.alloc(0)): Buffer =>
    execFileSync('sq', ['--force', ...args], { input, maxBuffer: 1 << 28, stdio: ['pipe', 'pipe', 'pipe'] });

  const home = new TestHome();
  afterAll(() => home.remove());

  /** Keys that sq makes, and of kinds that only gpg makes here. */
  function makeKey(suite: string): string {
    const secret = path(`${suite}.key`);
    const kind = KEY_KINDS[suite];
    if (kind === undefined) {
      sq(['key', 'generate', '--cipher-suite', suite, '--userid', `<${suite}@example.org>`, '--export', secret]);
    } else {
      const { fingerprint } = home.generate(`${suite}@example.org`, kind);
      writeFileSync(secret, home.gpg(['--export-secret-keys', '--armor', fingerprint]));
    }
    chmodSync(secret, 0o600);
    return secret;
  }

  it.each(['cv25519', 'rsa3k', 'p256', 'p384'])(
    'opens and verifies what is sealed and signed here, and the other way round, with %s',
    async (suite) => {
      const secret = makeKey(suite);
      const certificate = path(`${suite}.cert`);
      writeFileSync(certificate, sq(['key', 'extract-cert', secret]));
      const source: KeySource = await openKeyFiles({ files: [secret] });
      const requireSigner = await source.trustedSigner(secret);
      for (const compression of ['zip', 'zlib', 'none'] as const) {
        const message = await sealBytes(data, {
          compression,
          recipients: [await source.recipient(secret)],
          signer: await source.signer(secret),
        });
        const opened = sq(
          ['decrypt', '--recipient-key', secret, '--signer-cert', certificate, '--signatures', '1'],
          message,
        );
        expect(opened.equals(data)).toBe(true);
      }
      for (const compression of ['none', 'pad', 'zip', 'zlib', 'bzip2']) {
        const message = sq(
          [
            'encrypt',
            '--binary',
            '--compression',
            compression,
            '--recipient-cert',
            certificate,
            '--signer-key',
            secret,
          ],
          data,
        );
        expect(data.equals(await openBytes(message, { keys: source, requireSigner }))).toBe(true);
      }
    },
  );

  it('encrypts to a key of gpg what this package opens', async () => {
    const { fingerprint } = home.generate('gpg@example.org', KEY_KINDS['curve25519'] ?? []);
    writeFileSync(path('gpg.cert'), home.gpg(['--export', fingerprint]));
    const message = sq(['encrypt', '--binary', '--recipient-cert', path('gpg.cert')], data);
    expect(data.equals(await openBytes(message, { keys: openGnupg({ home: home.path }) }))).toBe(true);
  });
});
