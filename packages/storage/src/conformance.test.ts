import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { type ConformanceTarget, storageConformance } from './conformance.js';
import { randomFaults, withFaults } from './faults.js';
import { FileStorage } from './file.js';
import { MemoryStorage } from './memory.js';
import { RateLimiter, withRateLimit } from './rate-limit.js';
import { withRetry } from './retry.js';
import type { Storage } from './storage.js';

const inMemory = (wrap: (storage: Storage) => Storage) => async (): Promise<ConformanceTarget> => ({
  storage: wrap(new MemoryStorage()),
  dispose: async () => {},
});

const patient = { attempts: 30, firstDelayMs: 0, factor: 1, maxDelayMs: 0, jitter: 0 };
let seed = 20_240_805;

storageConformance(
  { describe, it },
  'memory',
  inMemory((storage) => storage),
);
storageConformance(
  { describe, it },
  'a wrapper without faults',
  inMemory((storage) => withFaults(storage, () => undefined)),
);
storageConformance(
  { describe, it },
  'a rate limit',
  inMemory((storage) => withRateLimit(storage, { up: new RateLimiter(1e9), down: new RateLimiter(1e9) })),
);
storageConformance(
  { describe, it },
  'retrying over a storage where a third of all calls fail',
  inMemory((storage) => withRetry(withFaults(storage, randomFaults(seed++, 0.33)), patient)),
);
storageConformance({ describe, it }, 'a folder', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'redup-file-'));
  return {
    storage: await FileStorage.open(folder),
    dispose: () => rm(folder, { recursive: true, force: true }),
  };
});
