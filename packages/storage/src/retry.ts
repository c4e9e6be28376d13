/**
 * Repeating what failed for a passing reason: which errors count as passing says {@link StorageError.permanent}, how
 * often and after which pauses a {@link RetryPolicy}. `retrying` is the loop; `withRetry` wraps a storage in it.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { abortedError, isStorageError, StorageError, throwIfAborted } from './errors.js';
import { pieces } from './pieces.js';
import { digest, readSource } from './source.js';
import {
  type CallOptions,
  type GetOptions,
  type PutOptions,
  type Storage,
  type StoredObject,
  sourceSize,
  type UploadSource,
} from './storage.js';

export interface RetryPolicy {
  /** Attempts in all, at least 1. */
  readonly attempts: number;
  /** Pause before the second attempt, in milliseconds. */
  readonly firstDelayMs: number;
  /** Each further pause is that many times longer, */
  readonly factor: number;
  /** but never longer than this. */
  readonly maxDelayMs: number;
  /** Each pause is shortened by a random share of itself between 0 and this, so that many clients don't return at once. */
  readonly jitter: number;
  readonly clock?: RetryClock;
  /** Told before each pause. */
  onRetry?(failure: RetryEvent): void;
}

/** Time and chance, for tests. */
export interface RetryClock {
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** From 0 to below 1. */
  random(): number;
}

export interface RetryEvent {
  /** What was tried, such as `put duplicity-full….vol1.difftar.gpg`. */
  readonly action: string;
  readonly error: StorageError;
  /** The attempt that failed, from 1. */
  readonly attempt: number;
  readonly attempts: number;
  readonly delayMs: number;
}

/**
 * The policy of duplicity's `--num-retries` and `--backend-retry-delay` (5 and 30 s): as patient in sum (its four pauses
 * of 30 s), but the first pauses are short, because most failures pass at once: delay/16, delay/4, delay, 4·delay.
 */
export function retryPolicy(options: { attempts?: number; delayMs?: number } = {}): RetryPolicy {
  const delayMs = options.delayMs ?? 30_000;
  return {
    attempts: Math.max(1, options.attempts ?? 5),
    firstDelayMs: delayMs / 16,
    factor: 4,
    maxDelayMs: delayMs * 4,
    jitter: 0.25,
  };
}

export const systemRetryClock: RetryClock = {
  async sleep(ms, signal) {
    await sleep(ms, undefined, signal ? { signal } : {});
  },
  random: Math.random,
};

/**
 * Runs `attempt` until it succeeds, fails for good, or was tried often enough; the error that comes out is permanent.
 *
 * @param attempt gets the number of the attempt, from 1
 */
export async function retrying<T>(
  policy: RetryPolicy,
  action: string,
  signal: AbortSignal | undefined,
  attempt: (number: number) => Promise<T>,
): Promise<T> {
  const clock = policy.clock ?? systemRetryClock;
  for (let number = 1; ; number += 1) {
    throwIfAborted(signal, action);
    try {
      return await attempt(number);
    } catch (error) {
      if (signal?.aborted) throw isStorageError(error, 'aborted') ? error : abortedError(action, error);
      if (!isStorageError(error) || error.permanent) throw error;
      if (number >= policy.attempts) throw exhausted(error, number);
      const delayMs = pauseBefore(number, policy, clock, error);
      policy.onRetry?.({ action, error, attempt: number, attempts: policy.attempts, delayMs });
      await clock.sleep(delayMs, signal).catch((cause: unknown) => {
        throw abortedError(action, cause);
      });
    }
  }
}

/** A server that says how long to wait is obeyed, up to five minutes. */
function pauseBefore(failed: number, policy: RetryPolicy, clock: RetryClock, error: StorageError): number {
  const full = Math.min(policy.firstDelayMs * policy.factor ** (failed - 1), policy.maxDelayMs);
  const asked = Math.min(error.retryAfterMs ?? 0, 300_000);
  return Math.max(full * (1 - policy.jitter * clock.random()), asked);
}

function exhausted(error: StorageError, attempts: number): StorageError {
  const times = attempts === 1 ? 'once' : `${attempts} times`;
  return new StorageError(error.code, `${error.message} (tried ${times})`, {
    hint: error.hint,
    subject: error.subject,
    cause: error,
    permanent: true,
  });
}

/** Gives a storage that doesn't retry by itself the patience of `policy`. */
export function withRetry(inner: Storage, policy: RetryPolicy): Storage {
  const run = <T>(action: string, options: CallOptions | undefined, attempt: (n: number) => Promise<T>) =>
    retrying(policy, action, options?.signal, attempt);
  const wrapped: Storage = {
    url: inner.url,
    get createsExclusively() {
      return inner.createsExclusively ?? false;
    },
    list: (options) => listRetrying(inner, policy, options),
    stat: (name, options) => run(`stat ${name}`, options, () => inner.stat(name, options)),
    get: (name, options) => getRetrying(inner, policy, name, options),
    put: (name, source, options) => putRetrying(inner, policy, name, source, options),
    remove: (names, options) => run('remove', options, () => inner.remove(names, options)),
    close: () => inner.close(),
  };
  return passOn(inner, wrapped);
}

/** Lets the optional members of `inner` show through a wrapper. */
export function passOn(inner: Storage, wrapper: Storage): Storage {
  const { localPath, recall } = inner;
  if (localPath) wrapper.localPath = (name) => localPath.call(inner, name);
  if (recall) wrapper.recall = (names, options) => recall.call(inner, names, options);
  if ('stagingDirectory' in inner) {
    Object.defineProperty(wrapper, 'stagingDirectory', { get: () => inner.stagingDirectory, enumerable: true });
  }
  return wrapper;
}

/** A listing that broke is begun again; names that were already delivered are left out. */
async function* listRetrying(
  inner: Storage,
  policy: RetryPolicy,
  options: CallOptions | undefined,
): AsyncIterable<StoredObject> {
  const all = await retrying(policy, 'list', options?.signal, async () => {
    const found = new Map<string, StoredObject>();
    for await (const object of inner.list(options)) found.set(object.name, object);
    return found;
  });
  yield* all.values();
}

/** A download that broke goes on where it stopped. */
async function getRetrying(
  inner: Storage,
  policy: RetryPolicy,
  name: string,
  options: GetOptions = {},
): Promise<AsyncIterable<Uint8Array>> {
  let at = options.start ?? 0;
  const open = async (): Promise<AsyncIterator<Uint8Array>> =>
    (await inner.get(name, { ...options, start: at }))[Symbol.asyncIterator]();
  let reader: AsyncIterator<Uint8Array> | undefined = await retrying(policy, `get ${name}`, options.signal, open);
  const next = async (): Promise<Uint8Array | undefined> => {
    reader ??= await open();
    try {
      const { done, value } = await reader.next();
      return done ? undefined : value;
    } catch (error) {
      reader = undefined;
      throw error;
    }
  };
  return pieces(
    async () => {
      const piece = await retrying(policy, `get ${name}`, options.signal, next);
      at += piece?.length ?? 0;
      return piece;
    },
    async () => {
      await reader?.return?.();
    },
  );
}

/** When an earlier attempt may have stored the object without our hearing of it, finding its very bytes is success. */
async function putRetrying(
  inner: Storage,
  policy: RetryPolicy,
  name: string,
  source: UploadSource,
  options: PutOptions | undefined,
): Promise<StoredObject> {
  return retrying(policy, `put ${name}`, options?.signal, async (number) => {
    try {
      return await inner.put(name, source, options);
    } catch (error) {
      if (number === 1 || !isStorageError(error, 'exists')) throw error;
      const stored = await inner.stat(name, options);
      if (stored === undefined || !(await holds(inner, name, source, options))) throw error;
      return stored;
    }
  });
}

async function holds(inner: Storage, name: string, source: UploadSource, options: CallOptions = {}): Promise<boolean> {
  const signal = options.signal ? { signal: options.signal } : {};
  const stored = await digest(await inner.get(name, signal), 'sha256');
  const sent = await digest(await readSource(source, 0, sourceSize(source)), 'sha256');
  return stored.size === sent.size && stored.digests[0]?.equals(sent.digests[0] ?? Buffer.alloc(0)) === true;
}
