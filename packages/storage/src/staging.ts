/**
 * A private folder beside the stored objects for files that are not whole yet: `.redup-staging/<mark>/…`. The mark is a process's, so
 * that removing what a crashed run left behind never touches a running one. Other temporary files bear it in their names.
 */

import { createHash, randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readlinkSync, rmdirSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { hasCode } from './file-system.js';

export const STAGING_NAME = '.redup-staging';

/** Folders of another machine, whose processes we can't ask for, count as left behind when untouched for that long. */
const FOREIGN_STALE_MS = 7 * 24 * 3600 * 1000;

/** Makes this process's folder below `target`, mode 0700, after removing what dead processes left there. */
export function makeStagingDirectory(target: string): string {
  const parent = join(target, STAGING_NAME);
  makePrivate(parent);
  removeLeftBehind(parent, (name) => name);
  const own = join(parent, processMark());
  mkdirSync(own, { mode: 0o700 });
  return own;
}

/** Removes the folder and what is in it; the common parent too when nobody else uses it. */
export function removeStagingDirectory(own: string): void {
  rmSync(own, { recursive: true, force: true });
  try {
    rmdirSync(join(own, '..'));
  } catch (error) {
    if (!hasCode(error, 'ENOTEMPTY', 'EEXIST', 'ENOENT', 'EACCES', 'EPERM', 'EBUSY')) throw error;
  }
}

function makePrivate(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  }
}

/** For names of temporary files: tells later runs whose it is, so that they can remove it when its process is dead. */
export function processMark(): string {
  return `${machineId()}-${process.pid}-${randomBytes(4).toString('hex')}`;
}

/**
 * Removes what dead processes of this user left in a folder. Best effort: another run may be removing the same, and a leftover
 * that can't be removed harms nobody.
 *
 * @param markIn the part of a name that may be a mark; undefined leaves the file alone
 */
export function removeLeftBehind(parent: string, markIn: (name: string) => string | undefined): void {
  for (const name of readdirSync(parent)) {
    const match = /^([0-9a-f]{12})-([0-9]+)-[0-9a-f]{8}$/.exec(markIn(name) ?? '');
    if (match === null) continue;
    const place = join(parent, name);
    try {
      if (isLeftBehind(place, match[1] ?? '', Number(match[2]))) rmSync(place, { recursive: true, force: true });
    } catch (error) {
      if (!hasCode(error, 'ENOENT', 'EACCES', 'EPERM', 'ENOTEMPTY')) throw error;
    }
  }
}

function isLeftBehind(place: string, machine: string, pid: number): boolean {
  const stats = lstatSync(place);
  // In a folder that all may write to, others could lead the removal elsewhere by what they put there.
  const isOurs = stats.uid === (process.getuid?.() ?? stats.uid) && (stats.mode & 0o022) === 0;
  if (!isOurs || stats.isSymbolicLink()) return false;
  return machine === machineId() ? !isAlive(pid) : Date.now() - stats.mtimeMs > FOREIGN_STALE_MS;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !hasCode(error, 'ESRCH');
  }
}

/** Where a process id means the same process: this host and, with containers, this process-id namespace. */
function machineId(): string {
  let namespace = '';
  try {
    namespace = readlinkSync('/proc/self/ns/pid');
  } catch {
    // Not Linux: the host name has to do.
  }
  return createHash('sha256').update(`${hostname()}\0${namespace}`).digest('hex').slice(0, 12);
}
