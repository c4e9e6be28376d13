import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { printable, StorageError } from './errors.js';
import { randomFaults, withFaults } from './faults.js';
import { MemoryStorage } from './memory.js';
import { collect } from './pieces.js';
import { RateLimiter, withRateLimit } from './rate-limit.js';
import { openStorage, StorageRegistry } from './registry.js';

describe('a rate limit', () => {
  /** A clock that sleeping moves. */
  const fakeClock = () => {
    let now = 0;
    const sleep = async (ms: number): Promise<void> => {
      now += ms;
    };
    return { now: () => now, sleep };
  };

  it('lets a download take as long as its bytes need', async () => {
    const clock = fakeClock();
    const storage = withRateLimit(new MemoryStorage(), { down: new RateLimiter(1_000_000, clock) });
    const data = randomBytes(2_000_000);
    await storage.put('a', { kind: 'bytes', bytes: data });
    expect(clock.now()).toBe(0);
    expect(await collect(await storage.get('a'))).toHaveLength(data.length);
    expect(clock.now()).toBeGreaterThan(1600);
    expect(clock.now()).toBeLessThan(2100);
  });

  it('lets uploads wait for what went out before', async () => {
    const clock = fakeClock();
    const storage = withRateLimit(new MemoryStorage(), { up: new RateLimiter(1_000_000, clock) });
    for (const name of ['a', 'b', 'c']) await storage.put(name, { kind: 'bytes', bytes: randomBytes(500_000) });
    expect(clock.now()).toBe(1000);
  });

  it('refuses a rate that would never send anything', () => {
    for (const rate of [0, -1, Number.NaN]) expect(() => new RateLimiter(rate)).toThrow(RangeError);
  });
});

describe('injected faults', () => {
  it('are the same for the same seed', () => {
    const run = (seed: number) => {
      const plan = randomFaults(seed, 0.5);
      return Array.from({ length: 50 }, (_unused, index) => plan({ method: 'get', name: 'a', index }));
    };
    expect(run(7)).toEqual(run(7));
    expect(run(7)).not.toEqual(run(8));
  });

  it('can change one bit of a download without saying so', async () => {
    const storage = withFaults(new MemoryStorage(), ({ method }) =>
      method === 'get' ? { kind: 'flip', offset: 3 } : undefined,
    );
    await storage.put('a', { kind: 'bytes', bytes: Buffer.from('abcdef') });
    expect(Buffer.from(await collect(await storage.get('a'))).toString()).toBe('abceef');
  });

  it('can stall a call until its signal fires', async () => {
    const storage = withFaults(new MemoryStorage(), () => ({ kind: 'stall' }));
    await expect(storage.stat('a', { signal: AbortSignal.timeout(20) })).rejects.toMatchObject({ code: 'aborted' });
  });
});

describe('opening by URL', () => {
  it('loads the package of a scheme when it is first used, not before', async () => {
    let loaded = 0;
    const registry = new StorageRegistry().register(['mem', 'mem+x'], async () => {
      loaded += 1;
      return async (url) => new MemoryStorage(url);
    });
    expect(loaded).toBe(0);
    expect(registry.schemes).toEqual(['file', 'mem', 'mem+x']);
    expect((await registry.open('MEM+X://place')).url).toBe('MEM+X://place');
    expect(loaded).toBe(1);
  });

  it('refuses what it does not know without repeating a password', async () => {
    for (const url of ['ftp://me:secret@host/x', 'no-url', 'C:\\backup']) {
      const error: unknown = await openStorage(url).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'bad-url' });
      expect(error).toHaveProperty('hint', expect.stringContaining('file://'));
      expect(error).toHaveProperty('message', expect.not.stringContaining('secret'));
    }
  });
});

describe('storage errors', () => {
  it('say by their code whether repeating makes sense', () => {
    expect(new StorageError('timeout', '').permanent).toBe(false);
    expect(new StorageError('permission', '').permanent).toBe(true);
    expect(new StorageError('io', '').permanent).toBe(true);
  });

  it('show control characters of hostile names as escapes', () => {
    expect(printable('a\x1b[2Jb\n')).toBe('a\\x1b[2Jb\\x0a');
  });
});

describe('the README', () => {
  it('shows an example that runs', async () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    const example = /```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
    const code = example.replaceAll(
      "'@redup/storage'",
      JSON.stringify(new URL('../dist/index.js', import.meta.url).href),
    );
    const { execFileSync } = await import('node:child_process');
    const out = execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' });
    expect(out).toBe('greeting 5\nhello\n');
  });
});
