/**
 * Virtual environments with one release of duplicity each, kept in
 * `${REDUP_PEERS:-${XDG_CACHE_HOME:-~/.cache}/redup-peers}`.
 *
 * An environment is built under a temporary name and renamed when duplicity has told its version, so a half-made
 * one is never taken for whole and several processes may build the same one.
 */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';

import { cleanEnv, runOk } from './process.js';

export interface Environment {
  readonly python: string;
  readonly script: string;
}

/**
 * What a release imports for `file:` and `s3:` targets. duplicity's own list of requirements has some eighty
 * packages for every storage it knows, several of which must be compiled.
 */
const REQUIREMENTS = ['fasteners', 'future', 'boto3'] as const;

const MAKING = '.making-';

export function peersDirectory(): string {
  const cache = process.env['XDG_CACHE_HOME'] || path.join(homedir(), '.cache');
  return process.env['REDUP_PEERS'] || path.join(cache, 'redup-peers');
}

/** The environment of a release when it is there. Starts nothing but, once, a Python to ask for its version. */
export function environmentOf(release: string): Environment | { missing: string } {
  const python = usablePython();
  if ('missing' in python) return python;
  const directory = environmentPath(release, python);
  if (!fs.existsSync(directory)) return { missing: `no virtual environment ${directory}` };
  return within(directory);
}

/** Makes the environment of a release, in place of a broken one too. Takes some ten seconds. */
export async function installEnvironment(release: string): Promise<void> {
  const python = usablePython();
  if ('missing' in python) throw new Error(python.missing);
  const directory = environmentPath(release, python);
  fs.mkdirSync(path.dirname(directory), { recursive: true });
  removeLeftovers(path.dirname(directory));
  const building = fs.mkdtempSync(`${directory}${MAKING}`);
  const env = { ...passedOn(), ...cleanEnv(), PIP_DISABLE_PIP_VERSION_CHECK: '1', PIP_NO_INPUT: '1' };
  try {
    await runOk(python.command, ['-m', 'venv', building], { env });
    const pip = ['-m', 'pip', 'install', '--quiet', '--retries', '2', '--no-warn-conflicts'];
    const options = { env, timeoutMs: 10 * 60_000 };
    await runOk(within(building).python, [...pip, ...REQUIREMENTS], options);
    await runOk(within(building).python, [...pip, '--no-deps', `duplicity==${release}`], options);
    await runOk(within(building).python, [within(building).script, '--version'], { env });
    renameScripts(building, directory);
    replace(building, directory);
  } catch (cause) {
    throw new Error(`duplicity ${release} can't be installed: ${(cause as Error).message}`, { cause });
  } finally {
    fs.rmSync(building, { recursive: true, force: true });
  }
}

interface Python {
  readonly command: string;
  /** `3.11` */
  readonly version: string;
}

let python: Python | { missing: string } | undefined;

/** Debian's Python is asked first: one put before it in the PATH may be gone tomorrow, and its environments with it. */
function usablePython(): Python | { missing: string } {
  python ??= choosePython();
  return python;
}

function choosePython(): Python | { missing: string } {
  const probe = [
    'import ensurepip, os, sys, sysconfig, venv',
    'header = os.path.join(sysconfig.get_paths()["include"], "Python.h")',
    'print("%d.%d" % sys.version_info[:2] if os.path.exists(header) else "no Python.h")',
  ].join('\n');
  const reasons: string[] = [];
  for (const command of ['/usr/bin/python3', 'python3']) {
    const answer = spawnSync(command, ['-c', probe], { encoding: 'utf8' });
    const said = (answer.stdout || answer.stderr || answer.error?.message || '').trim().split('\n').at(-1) ?? '';
    if (answer.status === 0 && /^\d/.test(said)) return { command, version: said };
    reasons.push(`${command}: ${said}`);
  }
  return { missing: `no Python with venv and headers (python3-venv, python3-dev): ${reasons.join('; ')}` };
}

function environmentPath(release: string, { version }: Python): string {
  return path.join(peersDirectory(), `duplicity-${release}-python${version}`);
}

function within(directory: string): Environment {
  return { python: path.join(directory, 'bin/python3'), script: path.join(directory, 'bin/duplicity') };
}

/** Scripts name their interpreter by its full path; let them name the place where it will lie. */
function renameScripts(building: string, directory: string): void {
  const bin = path.join(building, 'bin');
  for (const name of fs.readdirSync(bin)) {
    const script = path.join(bin, name);
    if (!fs.lstatSync(script).isFile()) continue;
    const text = fs.readFileSync(script, 'latin1');
    if (text.startsWith('#!')) fs.writeFileSync(script, text.replaceAll(building, directory), 'latin1');
  }
}

/** What builders that were killed have left; none takes an hour. */
function removeLeftovers(directory: string): void {
  for (const name of fs.readdirSync(directory).filter((entry) => entry.includes(MAKING))) {
    const leftover = path.join(directory, name);
    const { mtimeMs = Date.now() } = fs.statSync(leftover, { throwIfNoEntry: false }) ?? {};
    if (Date.now() - mtimeMs > 60 * 60_000) fs.rmSync(leftover, { recursive: true, force: true });
  }
}

/** Somebody else may have finished first: whose environment tells its version stays. */
function replace(building: string, directory: string): void {
  if (fs.existsSync(directory)) {
    const { python: other, script } = within(directory);
    if (spawnSync(other, [script, '--version'], { timeout: 30_000 }).status === 0) return;
    fs.renameSync(directory, `${building}.broken`);
    fs.rmSync(`${building}.broken`, { recursive: true, force: true });
  }
  fs.renameSync(building, directory);
}

/** pip's settings and proxies are the machine's; without them it may reach nothing. */
function passedOn(): Record<string, string> {
  const wanted = /^(PIP_|SSL_CERT|REQUESTS_CA_BUNDLE|(HTTPS?|NO|ALL)_PROXY$)/i;
  const entries = Object.entries(process.env).filter(([name, value]) => wanted.test(name) && value !== undefined);
  return Object.fromEntries(entries as [string, string][]);
}
