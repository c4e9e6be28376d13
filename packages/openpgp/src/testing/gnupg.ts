/** Real GnuPG homes for tests: made in a temporary folder, with an agent of their own that is ended afterwards. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TestKey {
  readonly fingerprint: string;
  readonly email: string;
}

export class TestHome {
  readonly path: string;
  readonly binary: string;

  constructor(binary = 'gpg') {
    this.binary = binary;
    // Short, because a socket's path may have 108 bytes at most.
    this.path = mkdtempSync(join(tmpdir(), 'pgp-'));
    chmodSync(this.path, 0o700);
    // Low derivation counts: these tests are about formats, not about guessing passphrases.
    writeFileSync(join(this.path, 'gpg-agent.conf'), 's2k-count 65536\n');
    // With a fixed trust model it never makes the database, without which it makes no keys.
    if (binary === 'gpg1') spawnSync(binary, ['--homedir', this.path, '--batch', '--check-trustdb']);
  }

  /** Runs gpg; throws with its messages when it fails. */
  gpg(args: readonly string[], input: Uint8Array | string = '', passphrase?: string): Buffer {
    const result = this.tryGpg(args, input, passphrase);
    if (result.status !== 0) throw new Error(`${this.binary} ${args.join(' ')}: ${result.stderr}`);
    return result.stdout;
  }

  tryGpg(
    args: readonly string[],
    input: Uint8Array | string = '',
    passphrase?: string,
  ): { status: number | null; stdout: Buffer; stderr: string } {
    const loopback = this.binary === 'gpg' ? ['--pinentry-mode', 'loopback'] : [];
    const unlock = passphrase === undefined ? [] : [...loopback, '--passphrase', passphrase];
    const result = spawnSync(
      this.binary,
      [
        '--homedir',
        this.path,
        '--batch',
        '--yes',
        '--no-tty',
        '--trust-model',
        'always',
        '--s2k-count',
        '65536',
        ...unlock,
        ...args,
      ],
      { input, maxBuffer: 1 << 30 },
    );
    return { status: result.status, stdout: result.stdout, stderr: String(result.stderr) };
  }

  /** Makes a key with the given `--generate-key --batch` lines. */
  generate(email: string, lines: readonly string[], passphrase = ''): TestKey {
    const isFree = passphrase === '' && this.binary !== 'gpg1';
    const protection = passphrase === '' ? [] : [`Passphrase: ${passphrase}`];
    const parameters = [
      ...(isFree ? ['%no-protection'] : []),
      ...lines,
      'Name-Real: Test',
      `Name-Email: ${email}`,
      'Expire-Date: 0',
      ...protection,
      '%commit',
      '',
    ];
    const quick = this.binary === 'gpg1' ? ['--quick-random'] : [];
    for (let attempt = 1; ; attempt++) {
      this.gpg(
        [...quick, this.binary === 'gpg1' ? '--gen-key' : '--full-generate-key'],
        parameters.join('\n'),
        passphrase,
      );
      const fingerprint = this.fingerprints(email)[0] ?? '';
      // gpg 2.2 now and then stores an ECC key that it can't read again ("Corrupted protection").
      const { status } = this.tryGpg(['--export-secret-keys', fingerprint], '', passphrase);
      if (status === 0 || attempt === 5) return { email, fingerprint };
      this.gpg(['--delete-secret-and-public-key', fingerprint]);
    }
  }

  /** Fingerprints of a key and its subkeys. */
  fingerprints(email: string): string[] {
    return this.gpg(['--with-colons', '--fingerprint', '--fingerprint', '--list-keys', email])
      .toString()
      .split('\n')
      .filter((line) => line.startsWith('fpr:'))
      .map((line) => line.split(':')[9] ?? '');
  }

  /** Ends the agent and removes the folder. */
  remove(): void {
    try {
      execFileSync('gpgconf', ['--homedir', this.path, '--kill', 'all'], { stdio: 'ignore' });
    } catch {
      // There was none.
    }
    rmSync(this.path, { recursive: true, force: true });
  }
}

function rsa(bits: number): string[] {
  const both = [`Key-Type: RSA`, `Key-Length: ${bits}`, 'Key-Usage: sign'];
  return [...both, 'Subkey-Type: RSA', `Subkey-Length: ${bits}`, 'Subkey-Usage: encrypt'];
}

/** Parameters of the kinds of keys that current programs make. */
export const KEY_KINDS: Readonly<Record<string, readonly string[]>> = {
  rsa2048: [...rsa(2048)],
  rsa3072: [...rsa(3072)],
  rsa4096: [...rsa(4096)],
  curve25519: [
    'Key-Type: EDDSA',
    'Key-Curve: ed25519',
    'Subkey-Type: ECDH',
    'Subkey-Curve: cv25519',
    'Subkey-Usage: encrypt',
  ],
  p256: ['Key-Type: ECDSA', 'Key-Curve: nistp256', 'Subkey-Type: ECDH', 'Subkey-Curve: nistp256'],
  p384: ['Key-Type: ECDSA', 'Key-Curve: nistp384', 'Subkey-Type: ECDH', 'Subkey-Curve: nistp384'],
};
