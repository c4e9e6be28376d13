/**
 * A storage on which things go wrong as a script or a seed says: for tests of everything that uses a storage.
 * Faults are of the kinds that real ones show: refused before anything happened, done but the answer lost,
 * a download that breaks off, bytes that changed, no answer at all.
 */

import { abortedError, StorageError, type StorageErrorCode } from './errors.js';
import { pieces } from './pieces.js';
import { passOn } from './retry.js';
import type { Storage } from './storage.js';

export type FaultyMethod = 'list' | 'stat' | 'get' | 'put' | 'remove';

export interface FaultyCall {
  readonly method: FaultyMethod;
  /** The object's name; empty for `list`, the first name for `remove`. */
  readonly name: string;
  /** How many calls came before, of any method. */
  readonly index: number;
}

export type Fault =
  /** Nothing happens and the call rejects. */
  | { readonly kind: 'refuse'; readonly code: StorageErrorCode }
  /** The call has its full effect, then rejects. */
  | { readonly kind: 'lose-answer'; readonly code: StorageErrorCode }
  /** `get` and `list`: breaks off after that many bytes or objects. */
  | { readonly kind: 'break-off'; readonly after: number }
  /** `get`: the byte at this offset has its lowest bit flipped, and nobody says so. */
  | { readonly kind: 'flip'; readonly offset: number }
  /** Never answers; only the call's signal ends it. */
  | { readonly kind: 'stall' };

/** Decides, for each call, what goes wrong. Undefined: nothing. */
export type FaultPlan = (call: FaultyCall) => Fault | undefined;

export function withFaults(inner: Storage, plan: FaultPlan): Storage {
  let calls = 0;
  const faultOf = (method: FaultyMethod, name: string): Fault | undefined => plan({ method, name, index: calls++ });

  async function through<T>(
    method: FaultyMethod,
    name: string,
    signal: AbortSignal | undefined,
    call: (fault: Fault | undefined) => Promise<T>,
  ): Promise<T> {
    const fault = faultOf(method, name);
    if (fault?.kind === 'refuse') throw injected(fault.code, method, name);
    if (fault?.kind === 'stall') return stall(name, signal);
    const result = await call(fault);
    if (fault?.kind === 'lose-answer') throw injected(fault.code, method, name);
    return result;
  }

  return passOn(inner, {
    url: inner.url,
    get createsExclusively() {
      return inner.createsExclusively ?? false;
    },
    async *list(options) {
      const fault = faultOf('list', '');
      if (fault?.kind === 'refuse' || fault?.kind === 'lose-answer') throw injected(fault.code, 'list', '');
      if (fault?.kind === 'stall') await stall('list', options?.signal);
      let seen = 0;
      for await (const object of inner.list(options)) {
        if (fault?.kind === 'break-off' && seen++ >= fault.after) throw injected('unreachable', 'list', '');
        yield object;
      }
    },
    stat: (name, options) => through('stat', name, options?.signal, () => inner.stat(name, options)),
    get: (name, options) =>
      through('get', name, options?.signal, async (fault) => damaged(await inner.get(name, options), name, fault)),
    put: (name, source, options) => through('put', name, options?.signal, () => inner.put(name, source, options)),
    remove: (names, options) => through('remove', names[0] ?? '', options?.signal, () => inner.remove(names, options)),
    close: () => inner.close(),
  });
}

/** Faults at given calls, by their number. */
export function scriptedFaults(script: Readonly<Record<number, Fault>>): FaultPlan {
  return ({ index }) => script[index];
}

/** About `share` of all calls fail, in ways that fit them; the same seed gives the same faults. */
export function randomFaults(seed: number, share: number): FaultPlan {
  const random = generator(seed);
  const codes: readonly StorageErrorCode[] = ['unreachable', 'timeout', 'throttled'];
  return ({ method }) => {
    if (random() >= share) return undefined;
    const code = codes[Math.floor(random() * codes.length)] ?? 'unreachable';
    const roll = random();
    if (method === 'get' && roll < 0.5) return { kind: 'break-off', after: Math.floor(random() * 300_000) };
    if (method === 'list' && roll < 0.5) return { kind: 'break-off', after: Math.floor(random() * 20) };
    return roll < 0.75 ? { kind: 'refuse', code } : { kind: 'lose-answer', code };
  };
}

/** mulberry32: 32 bits of state, enough for choosing faults. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function damaged(data: AsyncIterable<Uint8Array>, name: string, fault: Fault | undefined): AsyncIterable<Uint8Array> {
  if (fault?.kind !== 'break-off' && fault?.kind !== 'flip') return data;
  const reader = data[Symbol.asyncIterator]();
  let at = 0;
  return pieces(
    async () => {
      if (fault.kind === 'break-off' && at >= fault.after) throw injected('unreachable', 'get', name);
      const { done, value } = await reader.next();
      if (done) return undefined;
      const piece = fault.kind === 'break-off' ? value.slice(0, fault.after - at) : value.slice();
      const place = fault.kind === 'flip' ? fault.offset - at : -1;
      const byte = piece[place];
      if (byte !== undefined) piece[place] = byte ^ 1;
      at += value.length;
      return piece;
    },
    async () => {
      await reader.return?.();
    },
  );
}

function stall(name: string, signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fire = (): void => reject(abortedError(name, signal?.reason));
    if (signal?.aborted) fire();
    signal?.addEventListener('abort', fire, { once: true });
  });
}

function injected(code: StorageErrorCode, method: FaultyMethod, name: string): StorageError {
  return new StorageError(code, `injected fault: ${method} ${name}`, { subject: name });
}
