import { fileURLToPath } from 'node:url';
import { FUZZ_TIMEOUT_MS, fuzzCorpus } from '@redup/testkit/fuzz';
import { describe, expect, it } from 'vitest';
import { TARGETS } from './targets.js';

const CORPUS = fileURLToPath(new URL('../../fixtures/corpus/', import.meta.url));

describe('any bytes at all', { timeout: FUZZ_TIMEOUT_MS }, () => {
  for (const target of TARGETS) {
    it(`make ${target.name} end normally or with a typed error, and quickly`, async () => {
      const { runs } = await fuzzCorpus(target, CORPUS);
      expect(runs).toBeGreaterThanOrEqual(400);
    });
  }
});
