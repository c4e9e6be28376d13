/**
 * One archive, two copies of it, one command line: redup and a release of duplicity side by side, and what they said made comparable.
 * Masked are figures that no two runs share, and what the releases themselves say differently.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cleanEnv, type Peer, type RunResult, respell, run } from '@redup/testkit';

export const BIN = fileURLToPath(new URL('../bin/redup.js', import.meta.url));
export const START = 1_700_000_000;
/** Of every run that is compared. */
export const NOW = START + 90_000;
const COMMON = ['--no-encryption', '--archive-dir', 'cache', '--name', 'n'];

/** Two chains: a full backup with one incremental, and one with two. Made by redup: that duplicity reads it is proven elsewhere. */
export async function makeHistory(folder: string): Promise<void> {
  mkdirSync(`${folder}/src/d`, { recursive: true });
  const write = (name: string, text: string, mtime: number): void => {
    writeFileSync(`${folder}/src/${name}`, text);
    for (const path of [`src/${name}`, 'src/d', 'src']) utimesSync(`${folder}/${path}`, mtime, mtime);
  };
  write('a', 'hello\n', 1_600_000_000);
  write('d/big', 'x'.repeat(200_000), 1_600_000_000);
  write('größe', 'z', 1_600_000_000);
  write('with blank', 'y', 1_600_000_000);
  const backup = async (type: string, after: number): Promise<void> => {
    const made = await redup(folder, [type, '--current-time', `${START + after}`, 'src', 'file://t']);
    if (made.code !== 0) throw new Error(made.stderr);
  };
  await backup('full', 0);
  write('a', 'changed\n', 1_600_001_000);
  write('d/new', 'new', 1_600_001_000);
  await backup('inc', 1000);
  await backup('full', 2000);
  write('a', 'changed again\n', 1_600_002_000);
  await backup('inc', 3000);
  rmSync(`${folder}/src/with blank`);
  write('a', 'and again\n', 1_600_003_000);
  await backup('inc', 4000);
}

export function redup(folder: string, args: readonly string[]): Promise<RunResult> {
  return run(process.execPath, [BIN, ...withCommon(args)], { env: envOf(folder), cwd: folder });
}

export function duplicityIn(folder: string, peer: Peer, args: readonly string[]): Promise<RunResult> {
  const [program, ...first] = peer.command;
  return run(program, [...first, ...respell(peer.version, withCommon(args))], { env: envOf(folder), cwd: folder });
}

function withCommon([word = '', ...rest]: readonly string[]): string[] {
  return [word, ...COMMON, ...rest];
}

function envOf(folder: string): Record<string, string> {
  return cleanEnv({ HOME: folder, TMPDIR: folder });
}

export interface Outcome {
  readonly code: number;
  /** Lines of the console, and records of the log without those of code 1 at info level and below. */
  readonly console: readonly string[];
  readonly records: readonly string[];
  readonly stored: readonly string[];
}

export interface Comparison {
  readonly base: string;
  readonly peer: Peer;
  readonly args: readonly string[];
  /** Done to each copy before. */
  readonly before?: (folder: string) => void;
}

/** Runs both on copies of `base`, at the same time. */
export async function sideBySide({
  base,
  peer,
  args,
  before,
}: Comparison): Promise<{ ours: Outcome; theirs: Outcome }> {
  const copy = (name: string): string => {
    const folder = `${base}-${name}`;
    rmSync(folder, { recursive: true, force: true });
    execFileSync('cp', ['-a', base, folder]);
    before?.(folder);
    return folder;
  };
  const [mine, other] = [copy('ours'), copy('theirs')];
  const all = [args[0] ?? '', '--current-time', `${NOW}`, '--log-file', 'log', ...args.slice(1)];
  const [ours, theirs] = await Promise.all([redup(mine, all), duplicityIn(other, peer, all)]);
  return { ours: outcome(mine, ours, args), theirs: outcome(other, theirs, args) };
}

function outcome(folder: string, { code, stdout, stderr }: RunResult, args: readonly string[]): Outcome {
  // At that level each tells its own machinery: what is for programs is in the log.
  const isCoarse = !args.includes('info');
  const log = existsSync(`${folder}/log`) ? readFileSync(`${folder}/log`, 'utf8') : '';
  const text = code === 0 || code === 1 ? stdout + stderr : stdout;
  return {
    code,
    console: isCoarse ? text.split('\n').filter(isCompared).map(masked) : [],
    records: log
      .split('\n\n')
      .map((record) => record.trim())
      .filter((record) => record !== '' && !/^(INFO|DEBUG) 1\b|^INFO (11|13)\b|^ERROR/.test(record))
      .filter((record) => record.split('\n').slice(1).every(isComparedInLog))
      .map((record) => masked(record))
      // The place of these among the others differs: duplicity reads ahead otherwise.
      .sort(),
    stored: existsSync(`${folder}/t`) ? readdirSync(`${folder}/t`).sort() : [],
  };
}

/**
 * What one program says alone: an end, its debugging, what a restore and a verify of redup prove. That nothing needs to be
 * synchronised release 3 says before everything but full backups, and 0.8 before those too.
 */
const ALONE =
  /^(DEBUG: |Local and Remote metadata are|Duplicity backup complete|Restored |\d+ volumes? (was|were) read back|Nothing has changed; |Skipped volume upload|Reading globbing filelist)/;

function isCompared(line: string): boolean {
  return line !== '' && !ALONE.test(line);
}

function isComparedInLog(line: string): boolean {
  return !ALONE.test(line.replace(/^\. /, ''));
}

/** Release 0.8 knows one and many, release 3 does not; some of its texts have Python's quotes. */
function masked(text: string): string {
  return text
    .replace(/^(\. )?(StartTime|EndTime|ElapsedTime|TotalDestinationSizeChange) .*$/gm, '$2 …')
    .replace(
      /^((?:\. )? *"(StartTime|EndTime|ElapsedTime|TotalDestinationSizeChange|StartTime_str|EndTime_str)": ).*$/gm,
      '$1…',
    )
    .replace(/\b(chain|set|file|difference)(\(s\)|s)?(?=[ .,:]|$)/gm, '$1s')
    .replace(/\b(W)(arning,|ARNING\.) /g, 'WARNING. ')
    .replace(/ b'(New|Changed|Deleted)'/g, '    $1')
    .replace(/^(\. )?File: b'(.*)'$/gm, '$1File: $2')
    .replace(/\bduplicity(?= with the| again)/g, 'redup')
    .replace(/^archive-dir .*$/gm, 'archive-dir …')
    .replace(/at (the following )?times?:/g, 'at $1time:');
}
