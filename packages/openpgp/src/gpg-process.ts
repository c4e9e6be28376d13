/**
 * Running gpg for small things: exporting public keys, the session key of a message. Passphrases go
 * through a pipe of their own, never into arguments or the environment; what gpg prints is kept out
 * of errors except its own one-line reasons.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Writable } from 'node:stream';
import { OpenPgpError } from './errors.js';
import type { Secret } from './secret.js';

export interface GpgOptions {
  /** Default: `gpg`. */
  readonly binary?: string;
  /** Arguments for every call, as `--gpg-options` gives them. */
  readonly options?: readonly string[];
  /** Default: `GNUPGHOME`, else gpg's own. */
  readonly home?: string;
  /** Replaces the secret keyring: for GnuPG 1.4 and 2.0 a file, for later versions imported into nothing and ignored. */
  readonly secretKeyring?: string;
}

export interface GpgResult {
  readonly exitCode: number;
  readonly stdout: Buffer;
  /** The lines behind `[GNUPG:] `. */
  readonly status: readonly string[];
  readonly stderr: string;
}

export interface GpgVersion {
  readonly major: number;
  readonly minor: number;
}

/** More than any key or status report needs; a process that prints more is stopped. */
const MOST_OUTPUT_BYTES = 64 << 20;

export class GpgProcess {
  readonly #options: GpgOptions;
  #version: Promise<GpgVersion> | undefined;

  constructor(options: GpgOptions) {
    this.#options = options;
  }

  /** The binary's version, asked once. Throws `gpg-missing`. */
  version(): Promise<GpgVersion> {
    this.#version ??= this.#run(['--version'], new Uint8Array(0), undefined).then(({ stdout }) => {
      const [, major = '0', minor = '0'] = /\(GnuPG[^)]*\) (\d+)\.(\d+)/.exec(stdout.toString('latin1')) ?? [];
      return { major: Number(major), minor: Number(minor) };
    });
    return this.#version;
  }

  /** Whether secret keys are kept by gpg-agent alone (2.1 and later). */
  async hasAgent(): Promise<boolean> {
    const { major, minor } = await this.version();
    return major > 2 || (major === 2 && minor >= 1);
  }

  /** Runs gpg with the user's options. `passphrase` unlocks keys without a pinentry. */
  async run(args: readonly string[], input: Uint8Array, passphrase?: Secret): Promise<GpgResult> {
    const loopback = passphrase !== undefined && (await this.hasAgent()) ? ['--pinentry-mode', 'loopback'] : [];
    const { home, options = [], secretKeyring } = this.#options;
    const fixed = ['--batch', '--no-tty', '--no-secmem-warning', '--status-fd', '3'];
    const all = [
      ...fixed,
      ...(home === undefined ? [] : ['--homedir', home]),
      ...(secretKeyring === undefined || (await this.hasAgent()) ? [] : ['--secret-keyring', secretKeyring]),
      ...loopback,
      ...(passphrase === undefined ? [] : ['--passphrase-fd', '4']),
      ...options,
      ...args,
    ];
    return this.#run(all, input, passphrase);
  }

  /** The agent's socket. */
  async agentSocket(): Promise<string> {
    const { binary = 'gpg', home, options = [] } = this.#options;
    const gpgconf = gpgconfFor(binary);
    // gpg takes the last one it is given, and the user's options come last.
    const homedir = homeOf(options) ?? home;
    const args = [...(homedir === undefined ? [] : ['--homedir', homedir]), '--list-dirs', 'agent-socket'];
    const result = await runProcess(gpgconf, args, new Uint8Array(0), undefined).catch((cause) => {
      throw new OpenPgpError('agent-unreachable', `${gpgconf} can't tell where gpg-agent listens`, { cause });
    });
    return decodeURIComponent(result.stdout.toString('utf8').trim());
  }

  #run(args: readonly string[], input: Uint8Array, passphrase: Secret | undefined): Promise<GpgResult> {
    return runProcess(this.#options.binary ?? 'gpg', args, input, passphrase);
  }
}

/** Whether gpg says that its agent does not run and can't be started. */
export function reachesNoAgent({ stderr }: GpgResult): boolean {
  return /No agent running|can't connect to the (gpg-)?agent|no gpg-agent|failed to start (the )?agent/i.test(stderr);
}

/** The one that was installed with this gpg; a wrapper script somewhere else has none beside it. */
function gpgconfFor(binary: string): string {
  const beside = join(dirname(binary), 'gpgconf');
  return binary.includes('/') && existsSync(beside) ? beside : 'gpgconf';
}

/** A `--homedir` among the user's options. */
function homeOf(options: readonly string[]): string | undefined {
  const index = options.findLastIndex((option) => option === '--homedir' || option.startsWith('--homedir='));
  return options[index] === '--homedir' ? options[index + 1] : options[index]?.slice('--homedir='.length);
}

function runProcess(
  command: string,
  args: readonly string[],
  input: Uint8Array,
  passphrase: Secret | undefined,
): Promise<GpgResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...args], {
      stdio: ['pipe', 'pipe', 'pipe', 'pipe', passphrase === undefined ? 'ignore' : 'pipe'],
      env: { ...process.env, LC_ALL: 'C', LANGUAGE: 'C' },
    });
    child.on('error', (cause) => {
      reject(new OpenPgpError('gpg-missing', `${command} can't be run`, { cause, subject: command }));
    });
    const collect = (stream: NodeJS.ReadableStream | null | undefined): Buffer[] => {
      const parts: Buffer[] = [];
      let length = 0;
      stream?.on('data', (part: Buffer) => {
        length += part.length;
        if (length > MOST_OUTPUT_BYTES) child.kill('SIGKILL');
        else parts.push(part);
      });
      return parts;
    };
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    const status = collect(child.stdio[3] as NodeJS.ReadableStream | null | undefined);
    writeAll(child.stdin, input);
    const passphrasePipe = child.stdio[4] as Writable | null | undefined;
    if (passphrase !== undefined && passphrasePipe) {
      // One line, as gpg reads it; the copy is wiped when it is written.
      const line = passphrase.use((bytes) => Buffer.concat([bytes, Buffer.from('\n')]));
      writeAll(passphrasePipe, line, () => line.fill(0));
    }
    child.on('close', (exitCode) => {
      resolve({
        exitCode: exitCode ?? 1,
        stdout: Buffer.concat(stdout),
        stderr: Buffer.concat(stderr).toString('utf8'),
        status: Buffer.concat(status)
          .toString('utf8')
          .split('\n')
          .filter((line) => line.startsWith('[GNUPG:] '))
          .map((line) => line.slice('[GNUPG:] '.length)),
      });
    });
  });
}

/** A process that ends early breaks the pipe; its exit code tells more than that. */
function writeAll(stream: Writable | null, bytes: Uint8Array, done?: () => void): void {
  stream?.on('error', () => undefined);
  stream?.end(bytes, done);
}
