/**
 * A private folder beside the stored objects for files that are not whole yet: `.redup-staging/<owner>/…`, one
 * owner folder a process, so that removing what a crashed run left behind never touches a running one.
 */

import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readlinkSync, rmdirSync, rmSync, statSync } from 'node:fs';
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
  removeStale(parent);
  const own = join(parent, `${machineId()}-${process.pid}-${randomBytes(4).toString('hex')}`);
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

/** Best effort: another run may be removing the same leftovers, and a leftover that can't be removed harms nobody. */
function removeStale(parent: string): void {
  for (const name of readdirSync(parent)) {
    const folder = join(parent, name);
    try {
      if (isStale(name, statSync(folder).mtimeMs)) rmSync(folder, { recursive: true, force: true });
    } catch (error) {
      if (!hasCode(error, 'ENOENT', 'EACCES', 'EPERM', 'ENOTEMPTY')) throw error;
    }
  }
}

function isStale(name: string, modifiedMs: number): boolean {
  const match = /^([0-9a-f]{12})-([0-9]+)-[0-9a-f]{8}$/.exec(name);
  if (match?.[1] === machineId()) return !isAlive(Number(match[2]));
  return Date.now() - modifiedMs > FOREIGN_STALE_MS;
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
