/**
 * Who holds a lock, written so that a later run can tell whether that process still exists. Processes are known by number and
 * start time, within one boot of one machine and one name space of process numbers; of others nobody can tell.
 */

import { createHash, randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { errnoOf } from '../errors.js';

export interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Start time of the process in clock ticks since boot: process numbers are used again. */
  readonly started: string;
  /** A hash of the machine's identity, of this boot, and of the name space of process numbers; '' where there is none. */
  readonly machine: string;
  readonly boot: string;
  readonly namespace: string;
  /** Of this one lock. */
  readonly id: string;
}

export type Liveness = 'alive' | 'gone' | 'unknown';

/** Locks that this process holds. */
const held = new Set<string>();

export function newHolder(): Holder {
  const id = randomUUID();
  held.add(id);
  return { pid: process.pid, host: hostname(), started: startOf(process.pid) ?? '', ...placeOfProcesses(), id };
}

/** To be called when the lock is given up, also when it could not be had. */
export function forgetHolder({ id }: Holder): void {
  held.delete(id);
}

export function parseHolder(text: string): Holder | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined; // cut off by a crash: nobody's lock
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { pid, host, started, machine = '', boot = '', namespace = '', id = '' } = value as Record<string, unknown>;
  if (typeof pid !== 'number' || typeof host !== 'string' || typeof started !== 'string') return undefined;
  const texts = [machine, boot, namespace, id].map((each) => (typeof each === 'string' ? each : ''));
  const [m = '', b = '', n = '', i = ''] = texts;
  return { pid, host, started, machine: m, boot: b, namespace: n, id: i };
}

/** Of a lock in a folder of this machine, as far as its host's name says so. */
export function livenessHere(holder: Holder): Liveness {
  if (holder.host !== hostname()) return 'unknown';
  return isOurs(holder) ?? livenessOfProcess(holder);
}

/** Of a lock anywhere: hosts of one name may be many. */
export function livenessAnywhere(holder: Holder): Liveness {
  const ours = isOurs(holder);
  if (ours !== undefined) return ours;
  const here = placeOfProcesses();
  if (holder.host !== hostname() || holder.machine === '' || holder.machine !== here.machine) return 'unknown';
  if (holder.boot !== here.boot) return 'gone';
  return holder.namespace === here.namespace ? livenessOfProcess(holder) : 'unknown';
}

/** A lock that this very process took: a later command of it must not mistake a forgotten one for another run. */
function isOurs(holder: Holder): Liveness | undefined {
  const isThisProcess =
    holder.id !== '' && holder.pid === process.pid && holder.started !== '' && holder.started === startOf(process.pid);
  if (!isThisProcess) return undefined;
  return held.has(holder.id) ? 'alive' : 'gone';
}

function livenessOfProcess({ pid, started }: Holder): Liveness {
  const now = startOf(pid);
  if (now !== undefined) return started === '' || now === started ? 'alive' : 'gone';
  try {
    process.kill(pid, 0);
    return process.platform === 'linux' ? 'gone' : 'alive';
  } catch (error) {
    return errnoOf(error) === 'EPERM' && process.platform !== 'linux' ? 'alive' : 'gone';
  }
}

/** Field 22 of `/proc/PID/stat`; undefined where there is no such process, or no procfs. */
function startOf(pid: number): string | undefined {
  const stat = read(`/proc/${pid}/stat`);
  return stat === '' ? undefined : stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

function placeOfProcesses(): Pick<Holder, 'machine' | 'boot' | 'namespace'> {
  // The machine's identity is to be kept private, as its manual page asks: a hash tells as much.
  const identity = read('/etc/machine-id').trim();
  const machine = identity === '' ? '' : createHash('sha256').update(`redup ${identity}`).digest('hex').slice(0, 16);
  let namespace = '';
  try {
    namespace = readlinkSync('/proc/self/ns/pid');
  } catch {
    // no procfs
  }
  return { machine, boot: read('/proc/sys/kernel/random/boot_id').trim(), namespace };
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
