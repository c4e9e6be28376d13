/**
 * duplicity as a test runs it: a home, an archive directory and a GNUPGHOME of its own, a fixed environment, and
 * one spelling of the options for all releases.
 *
 * Arguments are written as release 3 has them; for releases before 2 they are respelled (`CLASSIC`).
 */

import fs from 'node:fs';
import path from 'node:path';

import { endAgent, prepareGpgHome } from './gpg.js';
import type { Peer } from './peers.js';
import { cleanEnv, type RunResult, run } from './process.js';
import { removeTempDir, tempDir } from './temp.js';

/** What stays on a machine between two runs of duplicity. */
export interface DuplicityHome {
  readonly path: string;
  /** `--archive-dir`: local copies of manifests and signatures. */
  readonly archiveDir: string;
  readonly gnupgHome: string;
  /** Ends the gpg agent and removes everything. */
  dispose(): void;
}

export interface DuplicityOptions {
  /** Default: a fresh one, removed afterwards: every run is the first on its machine. */
  readonly home?: DuplicityHome;
  /** Instead of the home's. */
  readonly archiveDir?: string;
  readonly gnupgHome?: string;
  /** For symmetric encryption, or of the secret key. */
  readonly passphrase?: string;
  readonly signPassphrase?: string;
  /** The clock, in seconds: gives sets times that a test knows, and lets two runs follow within a second. */
  readonly currentTime?: number;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly timeoutMs?: number;
}

export function duplicityHome(): DuplicityHome {
  const home = tempDir('dup');
  const archiveDir = path.join(home, 'archive');
  const gnupgHome = path.join(home, 'gnupg');
  fs.mkdirSync(archiveDir);
  fs.mkdirSync(path.join(home, 'tmp'));
  prepareGpgHome(gnupgHome);
  const dispose = (): void => {
    endAgent(gnupgHome);
    removeTempDir(home);
  };
  return { path: home, archiveDir, gnupgHome, dispose };
}

export async function withDuplicityHome<T>(use: (home: DuplicityHome) => Promise<T> | T): Promise<T> {
  const home = duplicityHome();
  try {
    return await use(home);
  } finally {
    home.dispose();
  }
}

/**
 * Runs duplicity to its end. Without a passphrase and without a key among the arguments, `--no-encryption` is added.
 *
 * @param args - byte strings, in the spelling of release 3: `['backup', '--volsize', '1', source, url]`
 */
export async function duplicity(
  peer: Peer,
  args: readonly string[],
  options: DuplicityOptions = {},
): Promise<RunResult> {
  if (options.home === undefined) return withDuplicityHome((home) => duplicity(peer, args, { ...options, home }));
  const { command, env } = duplicityCommand(peer, args, { ...options, home: options.home });
  const [program = '', ...rest] = command;
  return run(program, rest, {
    env,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
  });
}

export interface StartedCommand {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Command line and environment alone, for those who start it themselves and kill it. */
export function duplicityCommand(
  peer: Peer,
  args: readonly string[],
  options: DuplicityOptions & { readonly home: DuplicityHome },
): StartedCommand {
  const { home } = options;
  const added = ['--archive-dir', options.archiveDir ?? home.archiveDir];
  if (options.currentTime !== undefined) added.push('--current-time', `${options.currentTime}`);
  if (options.passphrase === undefined && !args.some((arg) => ENCRYPTION.test(arg))) added.push('--no-encryption');
  const env = cleanEnv({
    HOME: home.path,
    GNUPGHOME: options.gnupgHome ?? home.gnupgHome,
    TMPDIR: path.join(home.path, 'tmp'),
    ...(options.passphrase === undefined ? {} : { PASSPHRASE: options.passphrase }),
    ...(options.signPassphrase === undefined ? {} : { SIGN_PASSPHRASE: options.signPassphrase }),
    ...options.env,
  });
  return { command: [...peer.command, ...respell(peer.version, insertOptions(args, added))], env };
}

/** Like `duplicity`, but rejects with what it said when its exit code isn't 0. */
export async function duplicityOk(
  peer: Peer,
  args: readonly string[],
  options: DuplicityOptions = {},
): Promise<RunResult> {
  const result = await duplicity(peer, args, options);
  if (result.code === 0) return result;
  const said = `${result.stdout}\n${result.stderr}`;
  throw new Error(`${peer.name} ${args.join(' ')} ended with ${result.code}\n${said}`);
}

/** Whether this release has the command line of 0.8: no word for `backup`, and options by their first names. */
export function isClassic(version: string): boolean {
  return Number(version.split('.')[0]) < 2;
}

/** The same arguments as this release spells them. */
export function respell(version: string, args: readonly string[]): string[] {
  if (!isClassic(version)) return [...args];
  return args
    .filter((arg, index) => index > 0 || arg !== 'backup')
    .map((arg) => {
      const [option = '', ...value] = arg.split('=');
      return [CLASSIC[option] ?? option, ...value].join('=');
    });
}

const CLASSIC: Readonly<Record<string, string>> = {
  '--path-to-restore': '--file-to-restore',
  '--no-restore-ownership': '--do-not-restore-ownership',
};

const ENCRYPTION = /^--(no-encryption|(hidden-)?encrypt-(sign-)?key|use-agent)(=|$)/;

/** After the command word, which release 3 wants first. */
function insertOptions(args: readonly string[], added: readonly string[]): string[] {
  const [word, ...rest] = args;
  return word === undefined || word.startsWith('-') ? [...added, ...args] : [word, ...added, ...rest];
}
