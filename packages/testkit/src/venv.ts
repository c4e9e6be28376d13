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
const REQUIREMENTS = ['fasteners', 'future', 'boto3', 'pexpect'] as const;

/** A release of duplicity, and the Python that it shall run with when that isn't Debian's own: `3.7`, `2.7`. */
export interface Release {
  readonly release: string;
  readonly python?: string;
}

const MAKING = '.making-';

export function peersDirectory(): string {
  const cache = process.env['XDG_CACHE_HOME'] || path.join(homedir(), '.cache');
  return process.env['REDUP_PEERS'] || path.join(cache, 'redup-peers');
}

/** The environment of a release when it is there. Starts nothing but, once, a Python to ask for its version. */
export function environmentOf(wanted: Release): Environment | { missing: string } {
  const python = pythonFor(wanted);
  if ('missing' in python) return python;
  const directory = environmentPath(wanted.release, python);
  if (!fs.existsSync(directory)) return { missing: `no virtual environment ${directory}` };
  return within(directory);
}

/** Makes the environment of a release, in place of a broken one too. Takes some ten seconds. */
export async function installEnvironment(wanted: Release): Promise<void> {
  const { release } = wanted;
  const python = pythonFor(wanted);
  if ('missing' in python) throw new Error(python.missing);
  const directory = environmentPath(release, python);
  fs.mkdirSync(path.dirname(directory), { recursive: true });
  removeLeftovers(path.dirname(directory));
  const building = fs.mkdtempSync(`${directory}${MAKING}`);
  const env = { ...passedOn(), ...cleanEnv(), PIP_DISABLE_PIP_VERSION_CHECK: '1', PIP_NO_INPUT: '1' };
  try {
    await makeEnvironment(python, building, env);
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

/** Python 2 has no venv of its own; the package that does it there is installed beside it, not into it. */
async function makeEnvironment(python: Python, directory: string, env: Record<string, string>): Promise<void> {
  if (!python.version.startsWith('2.')) {
    await runOk(python.command, ['-m', 'venv', directory], { env });
    return;
  }
  const tool = fs.mkdtempSync(`${directory}${MAKING}`);
  try {
    const options = { env: { ...env, PYTHONPATH: tool }, timeoutMs: 10 * 60_000 };
    await runOk(python.command, ['-m', 'pip', 'install', '--quiet', '--target', tool, 'virtualenv<20.22'], options);
    await runOk(python.command, ['-m', 'virtualenv', directory], options);
    const interpreter = within(directory).python;
    if (!fs.existsSync(interpreter)) fs.symlinkSync('python', interpreter);
  } finally {
    fs.rmSync(tool, { recursive: true, force: true });
  }
}

interface Python {
  readonly command: string;
  /** `3.11` */
  readonly version: string;
}

const pythons = new Map<string, Python | { missing: string }>();

function pythonFor({ python = '' }: Release): Python | { missing: string } {
  const known = pythons.get(python) ?? choosePython(python);
  pythons.set(python, known);
  return known;
}

/**
 * Debian's Python is asked first: one put before it in the PATH may be gone tomorrow, and its environments with it.
 * Old ones come from the PATH or from pyenv.
 */
function choosePython(wanted: string): Python | { missing: string } {
  const candidates = wanted === '' ? ['/usr/bin/python3', 'python3'] : [`python${wanted}`, ...pyenvPythons(wanted)];
  const probe = [
    `import ensurepip, os, sys, sysconfig${wanted.startsWith('2.') ? '' : ', venv'}`,
    'header = os.path.join(sysconfig.get_paths()["include"], "Python.h")',
    'print("%d.%d" % sys.version_info[:2] if os.path.exists(header) else "no Python.h")',
  ].join('\n');
  const reasons: string[] = [];
  for (const command of candidates) {
    const answer = spawnSync(command, ['-c', probe], { encoding: 'utf8' });
    const said = (answer.stdout || answer.stderr || answer.error?.message || '').trim().split('\n').at(-1) ?? '';
    if (answer.status === 0 && /^\d/.test(said)) return { command, version: said };
    reasons.push(`${command}: ${said}`);
  }
  const name = wanted === '' ? 'Python' : `Python ${wanted}`;
  return { missing: `no ${name} with venv and headers (python3-venv, python3-dev): ${reasons.join('; ')}` };
}

function pyenvPythons(wanted: string): string[] {
  const versions = path.join(process.env['PYENV_ROOT'] || path.join(homedir(), '.pyenv'), 'versions');
  if (!fs.existsSync(versions)) return [];
  const names = fs.readdirSync(versions).filter((name) => name.startsWith(`${wanted}.`));
  return names.map((name) => path.join(versions, name, 'bin/python'));
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
