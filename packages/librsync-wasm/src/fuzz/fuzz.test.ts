import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fuzz } from './fuzzer.js';
import { TARGETS } from './targets.js';

/** Seconds for each target; CI may raise it. */
const SECONDS = Number(process.env['FUZZ_SECONDS'] ?? 5);
const CORPUS = new URL('../../fixtures/corpus/', import.meta.url);

describe('any bytes at all', () => {
  for (const target of TARGETS) {
    it(`make ${target.name} end normally or with a typed error, and quickly`, () => {
      const folder = new URL(`${target.name}/`, CORPUS);
      const corpus = readdirSync(folder).map((name) => new Uint8Array(readFileSync(new URL(name, folder))));
      expect(corpus.length).toBeGreaterThan(5);
      const seed = 20240805;
      const until = Date.now() + SECONDS * 1000;
      const { failure, runs } = fuzz(target, corpus, seed, () => Date.now() > until);
      const found =
        failure && `seed ${seed}, run ${runs}: ${failure.error}\n${Buffer.from(failure.input).toString('hex')}`;
      expect(found).toBeUndefined();
      expect(runs).toBeGreaterThan(300);
    });
  }
});
