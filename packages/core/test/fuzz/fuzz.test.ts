/** Every parser of the engine against any bytes at all. */

import { fileURLToPath } from 'node:url';
import { FUZZ_TIMEOUT_MS, fuzzCorpus } from '@redup/testkit/fuzz';
import { describe, expect, it } from 'vitest';
import { TARGETS } from './targets.js';

const CORPUS = fileURLToPath(new URL('../fixtures/corpus/', import.meta.url));

describe('any bytes at all', { timeout: FUZZ_TIMEOUT_MS }, () => {
  for (const target of TARGETS) {
    it(`make the parser of ${target.name} end well or with an error of its kind, and quickly`, async () => {
      const { runs } = await fuzzCorpus(target, CORPUS);
      expect(runs).toBeGreaterThanOrEqual(400);
    });
  }
});
