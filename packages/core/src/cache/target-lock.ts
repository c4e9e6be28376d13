/**
 * One backup at a time per target, from whatever machine: a small object beside the archive, `redup.lock`, which every release
 * of duplicity passes over. It is made exclusively, renewed while the command runs, and removed at its end.
 *
 * Only where that works: with storages that create exclusively, and for credentials that may delete. Those that may only
 * create could not take the lock away again; there the guard is that no object of an archive is ever overwritten.
 */

import { isStorageError, type Storage, type StorageErrorCode } from '@redup/storage';
import { RedupError } from '../errors.js';
import { nameOf } from './lock.js';
import { forgetHolder, type Holder, livenessAnywhere, newHolder, parseHolder } from './lock-holder.js';

export interface TargetLock {
  /** @throws RedupError LOCKED when another took the lock by force, or because this one was silent for too long */
  verify(): Promise<void>;
  release(): Promise<void>;
}

export interface TargetLockOptions {
  /** Before the name, as of all others. */
  readonly prefix: string;
  /** Seconds since 1970. */
  now(): number;
  /** Take a lock of which nobody can tell whether its process still runs. Called with whose it was. */
  onForce?(holder: string): void;
  readonly signal?: AbortSignal;
}

const RENEW_EVERY_S = 600;
/** Six renewals missed: a machine that stood still, or is no more. */
const EXPIRES_AFTER_S = 3600;
const MAX_LOCK_BYTES = 4096;

/** Rights that are missing here are no error: then there is no lock. */
const NOT_ALLOWED: readonly StorageErrorCode[] = ['permission', 'credentials', 'retained', 'read-only', 'archived'];

interface Entry extends Holder {
  /** When the lock was taken or renewed, by its holder's clock. */
  readonly renewed: number;
}

/** @returns undefined where there can be no lock. @throws RedupError LOCKED; StorageError */
export async function acquireTargetLock(storage: Storage, options: TargetLockOptions): Promise<TargetLock | undefined> {
  const name = `${options.prefix}redup.lock`;
  if (!(await mayDelete(storage, name, options))) return undefined;
  const holder = newHolder();
  try {
    for (let taken = false; ; taken = true) {
      const outcome = await put(storage, name, { ...holder, renewed: options.now() }, 'fail', options.signal);
      if (outcome === 'forbidden') break;
      if (outcome === 'stored') {
        if (storage.createsExclusively !== true) {
          await storage.remove([name]);
          break;
        }
        const lock = new HeldLock(storage, name, holder, options);
        // Two that found the same stale lock may both have taken it away.
        if (taken) await lock.verify();
        return lock;
      }
      if ((await removeIfStale(storage, name, options)) === 'kept') break;
    }
  } catch (error) {
    forgetHolder(holder);
    // A bucket that retains whatever is stored in it: what can't be taken away again is no lock.
    if (!isStorageError(error, 'retained')) throw error;
    return undefined;
  }
  forgetHolder(holder);
  return undefined;
}

/** @throws RedupError LOCKED when it isn't stale */
async function removeIfStale(storage: Storage, name: string, options: TargetLockOptions): Promise<'removed' | 'kept'> {
  const entry = await readEntry(storage, name, options.signal);
  if (entry !== undefined) {
    const liveness = livenessAnywhere(entry);
    const expired = Math.abs(options.now() - entry.renewed) > EXPIRES_AFTER_S;
    if (liveness === 'alive' || (liveness === 'unknown' && !expired)) {
      if (liveness === 'alive' || options.onForce === undefined) throw locked(storage, name, entry, options.now());
      options.onForce(nameOf(entry));
    }
  }
  try {
    await storage.remove([name], options.signal === undefined ? {} : { signal: options.signal });
    return 'removed';
  } catch (error) {
    // Retained by an object lock, as everything that is stored there: then there is no lock.
    if (NOT_ALLOWED.some((code) => isStorageError(error, code))) return 'kept';
    throw error;
  }
}

class HeldLock implements TargetLock {
  readonly #storage: Storage;
  readonly #name: string;
  readonly #holder: Holder;
  readonly #options: TargetLockOptions;
  readonly #timer: NodeJS.Timeout;

  constructor(storage: Storage, name: string, holder: Holder, options: TargetLockOptions) {
    this.#storage = storage;
    this.#name = name;
    this.#holder = holder;
    this.#options = options;
    this.#timer = setInterval(() => {
      // What goes wrong here shows when the lock is verified.
      this.#renew().catch(() => {});
    }, RENEW_EVERY_S * 1000);
    this.#timer.unref();
  }

  async verify(): Promise<void> {
    const entry = await readEntry(this.#storage, this.#name, this.#options.signal);
    if (entry?.id === this.#holder.id) return;
    throw new RedupError('LOCKED', `The lock of ${this.#storage.url} was taken away from this run`, {
      subject: this.#name,
      hint: 'Somebody used --force-unlock, or this machine stood still. Run it again: what is stored is gone on with.',
    });
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    forgetHolder(this.#holder);
    try {
      const entry = await readEntry(this.#storage, this.#name, undefined);
      if (entry?.id === this.#holder.id) await this.#storage.remove([this.#name]);
    } catch {
      // Out of reach: it is recognised as stale later.
    }
  }

  async #renew(): Promise<void> {
    const entry = await readEntry(this.#storage, this.#name, undefined);
    if (entry?.id !== this.#holder.id) return;
    const renewed = { ...this.#holder, renewed: this.#options.now() };
    await put(this.#storage, this.#name, renewed, 'replace', undefined);
  }
}

/** Removing what is not there tells whether removing is allowed. */
async function mayDelete(storage: Storage, name: string, { signal }: TargetLockOptions): Promise<boolean> {
  try {
    await storage.remove([`${name}.probe`], signal === undefined ? {} : { signal });
    return true;
  } catch (error) {
    if (NOT_ALLOWED.some((code) => isStorageError(error, code))) return false;
    throw error;
  }
}

async function put(
  storage: Storage,
  name: string,
  entry: Entry,
  ifExists: 'fail' | 'replace',
  signal: AbortSignal | undefined,
): Promise<'stored' | 'exists' | 'forbidden'> {
  const bytes = Buffer.from(`${JSON.stringify(entry)}\n`, 'utf8');
  try {
    const options = { ifExists, isPassing: true, ...(signal === undefined ? {} : { signal }) } as const;
    await storage.put(name, { kind: 'bytes', bytes }, options);
    return 'stored';
  } catch (error) {
    if (isStorageError(error, 'exists')) return 'exists';
    if (NOT_ALLOWED.some((code) => isStorageError(error, code))) return 'forbidden';
    throw error;
  }
}

/** Undefined: it is gone, or nobody's. */
async function readEntry(storage: Storage, name: string, signal: AbortSignal | undefined): Promise<Entry | undefined> {
  const pieces: Buffer[] = [];
  try {
    const options = { end: MAX_LOCK_BYTES, ...(signal === undefined ? {} : { signal }) };
    for await (const piece of await storage.get(name, options)) pieces.push(Buffer.from(piece));
  } catch (error) {
    if (isStorageError(error, 'not-found')) return undefined;
    throw error;
  }
  const text = Buffer.concat(pieces).toString('utf8');
  const holder = parseHolder(text);
  const renewed = /"renewed":(\d+(?:\.\d+)?)/.exec(text)?.[1];
  return holder === undefined || renewed === undefined ? undefined : { ...holder, renewed: Number(renewed) };
}

function locked(storage: Storage, name: string, entry: Entry, now: number): RedupError {
  const minutes = Math.max(0, Math.round((now - entry.renewed) / 60));
  return new RedupError(
    'LOCKED',
    `Another backup works on ${storage.url}: ${nameOf(entry)}, last heard of ${minutes} minutes ago`,
    {
      subject: name,
      hint: 'Wait until it has finished. A lock that is silent for an hour is taken over; if nothing runs there any more, --force-unlock takes it at once.',
    },
  );
}
