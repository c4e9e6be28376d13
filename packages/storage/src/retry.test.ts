import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { StorageError } from './errors.js';
import { type Fault, scriptedFaults, withFaults } from './faults.js';
import { MemoryStorage } from './memory.js';
import { collect } from './pieces.js';
import { type RetryEvent, type RetryPolicy, retrying, retryPolicy, withRetry } from './retry.js';
import type { Storage } from './storage.js';

/** A policy whose pauses are noted instead of slept. */
function noting(policy: RetryPolicy = retryPolicy(), random = 0): { policy: RetryPolicy; pauses: number[] } {
  const pauses: number[] = [];
  const sleep = async (ms: number): Promise<void> => {
    pauses.push(ms);
  };
  return { policy: { ...policy, clock: { sleep, random: () => random } }, pauses };
}

const lost: Fault = { kind: 'lose-answer', code: 'unreachable' };
const refused: Fault = { kind: 'refuse', code: 'unreachable' };
const always = (error: Error) => async (): Promise<never> => {
  throw error;
};

describe('retrying', () => {
  it('pauses longer each time, and is as patient in sum as duplicity with the same options', async () => {
    const { policy, pauses } = noting();
    await expect(
      retrying(policy, 'x', undefined, always(new StorageError('timeout', 'no answer'))),
    ).rejects.toMatchObject({
      code: 'timeout',
      permanent: true,
      message: 'no answer (tried 5 times)',
    });
    expect(pauses).toEqual([1875, 7500, 30_000, 120_000]);
    expect(pauses.reduce((sum, ms) => sum + ms)).toBeGreaterThan(4 * 30_000);
  });

  it('spreads the pauses by chance, downwards, by at most a quarter', async () => {
    const { policy, pauses } = noting(retryPolicy({ attempts: 2, delayMs: 16_000 }), 0.999);
    await expect(retrying(policy, 'x', undefined, always(new StorageError('timeout', '')))).rejects.toThrow();
    expect(pauses[0]).toBeCloseTo(750, 0);
  });

  it('waits as long as the server asks, when that is longer', async () => {
    const { policy, pauses } = noting(retryPolicy({ attempts: 3, delayMs: 16_000 }));
    const busy = new StorageError('throttled', 'slow down', { retryAfterMs: 2500 });
    await expect(retrying(policy, 'x', undefined, always(busy))).rejects.toThrow();
    expect(pauses).toEqual([2500, 4000]);
  });

  it('does not repeat what cannot change, nor what another loop has repeated', async () => {
    for (const error of [new StorageError('permission', ''), new StorageError('timeout', '', { permanent: true })]) {
      const { policy, pauses } = noting();
      await expect(retrying(policy, 'x', undefined, always(error))).rejects.toBe(error);
      expect(pauses).toEqual([]);
    }
  });

  it('tells of each failure, and ends at once when aborted during a pause', async () => {
    const events: RetryEvent[] = [];
    const abort = new AbortController();
    const policy = {
      ...retryPolicy(),
      onRetry: (event: RetryEvent) => {
        events.push(event);
        setTimeout(() => abort.abort(), 10);
      },
    };
    const started = Date.now();
    await expect(
      retrying(policy, 'put vol1', abort.signal, always(new StorageError('timeout', ''))),
    ).rejects.toMatchObject({ code: 'aborted' });
    expect(Date.now() - started).toBeLessThan(1500);
    expect(events).toMatchObject([{ action: 'put vol1', attempt: 1, attempts: 5, error: { code: 'timeout' } }]);
  });
});

describe('a storage with retries', () => {
  const make = (faults: Record<number, Fault>): { storage: Storage; memory: MemoryStorage } => {
    const memory = new MemoryStorage();
    return { memory, storage: withRetry(withFaults(memory, scriptedFaults(faults)), noting().policy) };
  };
  const data = randomBytes(900_000);
  const source = { kind: 'bytes', bytes: data } as const;

  it('counts a put whose answer was lost as done, and does not store it twice', async () => {
    const { storage, memory } = make({ 0: lost });
    await expect(storage.put('a', source)).resolves.toMatchObject({ name: 'a', size: data.length });
    expect(memory.objects.size).toBe(1);
  });

  it('does not take a foreign object of the same size for its own', async () => {
    const { storage, memory } = make({ 0: refused });
    await memory.put('a', { kind: 'bytes', bytes: randomBytes(data.length) });
    await expect(storage.put('a', source)).rejects.toMatchObject({ code: 'exists' });
  });

  it('says exists at the first attempt without looking further', async () => {
    const { storage, memory } = make({});
    await memory.put('a', source);
    await expect(storage.put('a', source)).rejects.toMatchObject({ code: 'exists' });
  });

  it('goes on with a download where it broke off, within a range too', async () => {
    const { storage } = make({
      1: { kind: 'break-off', after: 300_000 },
      2: refused,
      3: { kind: 'break-off', after: 1 },
    });
    await storage.put('a', source);
    const got = await collect(await storage.get('a', { start: 100, end: 800_000 }));
    expect(Buffer.from(got).equals(data.subarray(100, 800_000))).toBe(true);
  });

  it('lists every name once though the listing broke off', async () => {
    const { storage } = make({ 3: { kind: 'break-off', after: 2 } });
    for (const name of ['a', 'b', 'c']) await storage.put(name, source);
    const names: string[] = [];
    for await (const { name } of storage.list()) names.push(name);
    expect(names).toEqual(['a', 'b', 'c']);
  });

  it('repeats a removal whose answer was lost', async () => {
    const { storage, memory } = make({ 1: lost });
    await storage.put('a', source);
    await storage.remove(['a']);
    expect(memory.objects.size).toBe(0);
  });
});
