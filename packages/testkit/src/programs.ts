/**
 * redup's command and duplicity's releases behind one call, so that a test can let either do the same. redup is started
 * as users start it (`packages/cli/bin`, from the build); nothing of it is imported.
 */

import { fileURLToPath } from 'node:url';

import { type DuplicityHome, type DuplicityOptions, duplicity, type StartedCommand } from './duplicity.js';
import type { Peer } from './peers.js';
import { cleanEnv, type RunResult, run } from './process.js';

export interface ProgramOptions extends DuplicityOptions {
  readonly home: DuplicityHome;
}

export interface Program {
  /** `redup`, or `duplicity 3.2.1`. */
  readonly name: string;
  /**
   * Runs a command to its end, spelled as release 3 does. Without a passphrase and without a key among the arguments,
   * nothing is encrypted.
   */
  run(args: readonly string[], options: ProgramOptions): Promise<RunResult>;
}

const REDUP = fileURLToPath(new URL('../../cli/bin/redup.js', import.meta.url));

export const redupProgram: Program = {
  name: 'redup',
  run: (args, options) => run(process.execPath, [REDUP, ...withCommon(args, options)], settings(options)),
};

export function duplicityProgram(peer: Peer): Program {
  return { name: `duplicity ${peer.version}`, run: (args, options) => duplicity(peer, args, options) };
}

/** A run that has to end with 0, or the error says what was said. */
export async function programOk(
  program: Program,
  args: readonly string[],
  options: ProgramOptions,
): Promise<RunResult> {
  const result = await program.run(args, options);
  if (result.code === 0) return result;
  throw new Error(`${program.name} ${args.join(' ')} ended with ${result.code}\n${result.stdout}\n${result.stderr}`);
}

/** Command line and environment alone, for those who start it themselves and kill it. */
export function redupCommand(args: readonly string[], options: ProgramOptions): StartedCommand {
  return { command: [process.execPath, REDUP, ...withCommon(args, options)], env: settings(options).env };
}

function withCommon([word = '', ...rest]: readonly string[], options: ProgramOptions): string[] {
  const { home, archiveDir = home.archiveDir, currentTime, passphrase } = options;
  const common = ['--archive-dir', archiveDir];
  if (currentTime !== undefined) common.push('--current-time', `${currentTime}`);
  if (passphrase === undefined && !rest.some((arg) => KEYS.test(arg))) common.push('--no-encryption');
  return [word, ...common, ...rest];
}

const KEYS = /^--(no-encryption|(hidden-)?encrypt-(sign-)?key|use-agent)(=|$)/;

function settings({ home, gnupgHome, passphrase, signPassphrase, env, cwd, timeoutMs }: ProgramOptions) {
  return {
    env: cleanEnv({
      HOME: home.path,
      GNUPGHOME: gnupgHome ?? home.gnupgHome,
      TMPDIR: `${home.path}/tmp`,
      ...(passphrase === undefined ? {} : { PASSPHRASE: passphrase }),
      ...(signPassphrase === undefined ? {} : { SIGN_PASSPHRASE: signPassphrase }),
      ...env,
    }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
}
