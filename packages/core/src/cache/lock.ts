/**
 * One backup at a time per archive directory.
 *
 * duplicity holds an advisory fcntl lock on `lockfile`, which Node cannot take; a lock of a running duplicity is recognised
 * in `/proc/locks`. redup's own lock is a file made exclusively, naming its process; one whose process is gone is stale.
 */

import { closeSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { errnoOf, localError, RedupError } from '../errors.js';

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Start time of the process in clock ticks since boot: process numbers are used again. */
  readonly started: string;
}

export interface Lock {
  release(): void;
}

/** @throws RedupError LOCKED when another program works on this archive directory */
export function acquireLock(archiveDirectory: string): Lock {
  refuseIfDuplicityRuns(archiveDirectory);
  const path = join(archiveDirectory, 'redup.lock');
  for (;;) {
    try {
      const fd = openSync(path, 'wx', 0o600);
      const holder: Holder = { pid: process.pid, host: hostname(), started: startOf(process.pid) ?? '' };
      writeSync(fd, JSON.stringify(holder));
      closeSync(fd);
      return { release: () => rmSync(path, { force: true }) };
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw localError('create the lock', path, error);
    }
    const holder = readHolder(path);
    if (holder !== undefined && isAlive(holder)) throw locked(`redup (process ${holder.pid} on ${holder.host})`, path);
    rmSync(path, { force: true });
  }
}

function locked(who: string, path: string): RedupError {
  return new RedupError('LOCKED', `Another backup works on this archive directory: ${who}`, {
    subject: path,
    hint: 'Wait until it has finished. Different targets need different --name or --archive-dir.',
  });
}

function readHolder(path: string): Holder | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof value !== 'object' || value === null) return undefined;
    const { pid, host, started } = value as Record<string, unknown>;
    if (typeof pid !== 'number' || typeof host !== 'string' || typeof started !== 'string') return undefined;
    return { pid, host, started };
  } catch {
    // Cut off by a crash, or removed this moment: nobody's lock.
    return undefined;
  }
}

/** On another host nobody can tell: the holder counts as alive. */
function isAlive({ pid, host, started }: Holder): boolean {
  if (host !== hostname()) return true;
  const now = startOf(pid);
  if (now !== undefined) return started === '' || now === started;
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux';
  } catch (error) {
    return errnoOf(error) === 'EPERM' && process.platform !== 'linux';
  }
}

/** Field 22 of `/proc/PID/stat`; undefined where there is no such process, or no procfs. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

function refuseIfDuplicityRuns(archiveDirectory: string): void {
  const path = join(archiveDirectory, 'lockfile');
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  let locks: string;
  try {
    locks = readFileSync('/proc/locks', 'utf8');
  } catch {
    return; // no procfs: an advisory lock cannot be seen from here
  }
  const holder = locks.split('\n').find((line) => line.split(/\s+/).some((field) => field.endsWith(`:${stats.ino}`)));
  if (holder === undefined) return;
  throw locked(`duplicity (process ${holder.split(/\s+/)[4] ?? '?'})`, path);
}
