/**
 * Bytes a second, at most: a bucket that fills with time and may run into debt. `RateLimiter` is for storages that
 * shape their own streams; `withRateLimit` limits any storage: downloads piece by piece, uploads object by object
 * (a wrapper can't see inside a put, so a large object goes out at once and is paid for before the next one).
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { abortedError } from './errors.js';
import { pieces } from './pieces.js';
import { passOn } from './retry.js';
import type { GetOptions, PutOptions, Storage, StoredObject, UploadSource } from './storage.js';

export interface RateClock {
  /** Milliseconds, never going back. */
  now(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

const systemClock: RateClock = {
  now: () => performance.now(),
  async sleep(ms, signal) {
    await sleep(ms, undefined, signal ? { signal } : {});
  },
};

export class RateLimiter {
  readonly #bytesPerMs: number;
  readonly #clock: RateClock;
  /** The moment at which everything taken so far is paid for. */
  #paidAt: number;

  constructor(bytesPerSecond: number, clock: RateClock = systemClock) {
    if (!(bytesPerSecond > 0)) throw new RangeError('the rate must be positive');
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#clock = clock;
    this.#paidAt = clock.now();
  }

  /** Waits until what was taken before is paid for, then takes `bytes`. Callers at the same time queue up. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    const now = this.#clock.now();
    const wait = this.#paidAt - now;
    this.#paidAt = Math.max(this.#paidAt, now) + bytes / this.#bytesPerMs;
    if (wait <= 0) return;
    await this.#clock.sleep(wait, signal).catch((cause: unknown) => {
      throw abortedError('waiting for the rate limit', cause);
    });
  }
}

export interface RateLimits {
  readonly up?: RateLimiter;
  readonly down?: RateLimiter;
}

export function withRateLimit(inner: Storage, limits: RateLimits): Storage {
  const { up, down } = limits;
  const get = async (name: string, options: GetOptions = {}): Promise<AsyncIterable<Uint8Array>> => {
    const source = await inner.get(name, options);
    if (!down) return source;
    const reader = source[Symbol.asyncIterator]();
    return pieces(
      async () => {
        const { done, value } = await reader.next();
        if (done) return undefined;
        await down.take(value.length, options.signal);
        return value;
      },
      async () => {
        await reader.return?.();
      },
    );
  };
  const put = async (name: string, source: UploadSource, options: PutOptions = {}): Promise<StoredObject> => {
    const size = source.kind === 'bytes' ? source.bytes.length : source.size;
    await up?.take(size, options.signal);
    return inner.put(name, source, options);
  };
  return passOn(inner, {
    url: inner.url,
    get createsExclusively() {
      return inner.createsExclusively ?? false;
    },
    list: (options) => inner.list(options),
    stat: (name, options) => inner.stat(name, options),
    get,
    put,
    remove: (names, options) => inner.remove(names, options),
    close: () => inner.close(),
  });
}
