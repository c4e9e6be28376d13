/** gpg with a home directory of its own, so that no test sees another one's keys or the user's. */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { cleanEnv, type RunOptions, type RunResult, run, runOk } from './process.js';
import { removeTempDir, tempDir } from './temp.js';

export interface GpgHome {
  /** GNUPGHOME. */
  readonly path: string;
  /** An environment with this GNUPGHOME. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs `gpg --batch --no-tty --pinentry-mode loopback …`. */
  run(args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Makes a key without expiry; gives back its fingerprint, 40 upper-case hex digits. */
  generateKey(userId: string, options?: KeyOptions): Promise<string>;
  /** Ends the agent and removes the home. */
  dispose(): void;
}

export interface KeyOptions {
  /** Default: none. */
  readonly passphrase?: string;
  /** As gpg names it: `rsa2048`, `ed25519` … Default: rsa2048, which has an encryption subkey. */
  readonly algorithm?: string;
}

export function gpgHome(): GpgHome {
  const home = tempDir('gpg');
  prepareGpgHome(home);
  const env = cleanEnv({ GNUPGHOME: home, HOME: home });
  const runGpg = (args: readonly string[], options: RunOptions = {}): Promise<RunResult> =>
    run('gpg', [...BATCH, ...args], { env, ...options });
  return {
    path: home,
    env,
    run: runGpg,
    generateKey: async (userId, { passphrase = '', algorithm = 'rsa2048' } = {}) => {
      const parameters = keyParameters(userId, algorithm, passphrase);
      await runOk('gpg', [...BATCH, '--generate-key'], { env, input: parameters });
      const listed = await runOk('gpg', [...BATCH, '--with-colons', '--list-keys', `=${userId}`], { env });
      const fingerprint = /^fpr:{9}([0-9A-F]{40}):/m.exec(listed.stdout)?.[1];
      if (fingerprint === undefined) throw new Error(`gpg made no key for ${userId}\n${listed.stdout}`);
      return fingerprint;
    },
    dispose: () => {
      endAgent(home);
      removeTempDir(home);
    },
  };
}

/** A gpg home for the time that `use` runs. */
export async function withGpgHome<T>(use: (home: GpgHome) => Promise<T> | T): Promise<T> {
  const home = gpgHome();
  try {
    return await use(home);
  } finally {
    home.dispose();
  }
}

/**
 * Writes what gpg needs to ask nobody anything. The agent of a fresh home would spend seconds on finding out how
 * much hashing of a passphrase takes 0.1 s here, and then take that for every file.
 */
export function prepareGpgHome(home: string): void {
  fs.mkdirSync(home, { recursive: true, mode: 0o700 });
  fs.chmodSync(home, 0o700);
  const settings = ['allow-loopback-pinentry', 'allow-preset-passphrase', 's2k-count 1048576'];
  fs.writeFileSync(path.join(home, 'gpg-agent.conf'), `${settings.join('\n')}\n`);
}

/** Ends the agent (and the others) that gpg left running for this home. */
export function endAgent(home: string): void {
  spawnSync('gpgconf', ['--homedir', home, '--kill', 'all'], { stdio: 'ignore', env: cleanEnv({ GNUPGHOME: home }) });
}

const BATCH = ['--batch', '--no-tty', '--yes', '--pinentry-mode', 'loopback'] as const;

function keyParameters(userId: string, algorithm: string, passphrase: string): string {
  const { name, email } = /^(?<name>.*?)\s*<(?<email>.*)>$/.exec(userId)?.groups ?? { name: userId, email: undefined };
  const lines = [
    ...algorithmLines(algorithm),
    `Name-Real: ${name}`,
    ...(email === undefined ? [] : [`Name-Email: ${email}`]),
    'Expire-Date: 0',
    passphrase === '' ? '%no-protection' : `Passphrase: ${passphrase}`,
    '%commit',
  ];
  return `${lines.join('\n')}\n`;
}

function algorithmLines(algorithm: string): string[] {
  const rsaBits = /^rsa(\d+)$/.exec(algorithm)?.[1];
  if (rsaBits !== undefined) {
    // As `gpg --quick-generate-key` makes them; without usages the subkey would sign as well.
    const signing = ['Key-Type: RSA', `Key-Length: ${rsaBits}`, 'Key-Usage: sign'];
    return [...signing, 'Subkey-Type: RSA', `Subkey-Length: ${rsaBits}`, 'Subkey-Usage: encrypt'];
  }
  if (algorithm === 'ed25519') {
    return ['Key-Type: EDDSA', 'Key-Curve: ed25519', 'Subkey-Type: ECDH', 'Subkey-Curve: cv25519'];
  }
  throw new RangeError(`no recipe for a key of algorithm ${algorithm}`);
}
