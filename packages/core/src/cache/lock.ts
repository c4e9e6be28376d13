/**
 * One backup at a time per archive directory.
 *
 * duplicity holds an advisory fcntl lock on `lockfile`, which Node cannot take; a lock of a running duplicity is recognised
 * in `/proc/locks`, when redup begins and before each thing that it stores. redup's own lock is a file made exclusively,
 * naming its process; one whose process is gone is stale.
 */

import { closeSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, localError, RedupError } from '../errors.js';
import { forgetHolder, type Holder, livenessHere, newHolder, parseHolder } from './lock-holder.js';

export interface Lock {
  /** @throws RedupError LOCKED when duplicity has begun since, or another took the lock by force */
  verify(): void;
  release(): void;
}

export interface LockOptions {
  /**
   * Take the lock of a process of which nobody here can tell whether it still runs, because it is another host's. That of a
   * process that does run is never taken. Called with whose it was.
   */
  onForce?(holder: string): void;
}

/** @throws RedupError LOCKED when another program works on this archive directory */
export function acquireLock(archiveDirectory: string, { onForce }: LockOptions = {}): Lock {
  refuseIfDuplicityRuns(archiveDirectory);
  const path = join(archiveDirectory, 'redup.lock');
  for (;;) {
    const mine = tryToTake(path);
    if (mine !== undefined) return lockOf(mine, path, archiveDirectory);
    const holder = readHolder(path);
    const liveness = holder === undefined ? 'gone' : livenessHere(holder);
    if (holder !== undefined && liveness !== 'gone') {
      if (liveness === 'alive' || onForce === undefined) throw locked(nameOf(holder), path, liveness === 'unknown');
      onForce(nameOf(holder));
    }
    rmSync(path, { force: true });
  }
}

function tryToTake(path: string): Holder | undefined {
  const holder = newHolder();
  try {
    const fd = openSync(path, 'wx', 0o600);
    writeSync(fd, JSON.stringify(holder));
    closeSync(fd);
    return holder;
  } catch (error) {
    forgetHolder(holder);
    if (errnoOf(error) !== 'EEXIST') throw localError('create the lock', path, error);
    return undefined;
  }
}

function lockOf(mine: Holder, path: string, archiveDirectory: string): Lock {
  const isMine = () => readHolder(path)?.id === mine.id;
  return {
    verify: () => {
      refuseIfDuplicityRuns(archiveDirectory);
      if (!isMine()) throw locked('its lock was taken by force', path, false);
    },
    release: () => {
      if (isMine()) rmSync(path, { force: true });
      forgetHolder(mine);
    },
  };
}

export function nameOf({ pid, host }: Pick<Holder, 'pid' | 'host'>): string {
  return `redup (process ${pid} on ${host})`;
}

function locked(who: string, path: string, mayBeStale: boolean): RedupError {
  return new RedupError('LOCKED', `Another backup works on this archive directory: ${who}`, {
    subject: path,
    hint: mayBeStale
      ? 'Wait until it has finished. If nothing runs there any more, --force-unlock takes its lock.'
      : 'Wait until it has finished. Different targets need different --name or --archive-dir.',
  });
}

function readHolder(path: string): Holder | undefined {
  try {
    return parseHolder(readFileSync(path, 'utf8'));
  } catch {
    return undefined; // removed this moment
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
  throw locked(`duplicity (process ${holder.split(/\s+/)[4] ?? '?'})`, path, false);
}
