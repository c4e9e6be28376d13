/** A few random histories in every run; `npm run histories` plays hundreds, and shrinks and keeps what fails. */

import fc from 'fast-check';
import { expect, test } from 'vitest';

import { requirePeer } from '../peers.js';
import { chronicleArbitrary, playChronicle } from './index.js';

const RUNS = Number(process.env['REDUP_RUNS'] ?? 3);
/** The same histories in every run: others are for the long proof, which shrinks what it finds. */
const SEED = Number(process.env['REDUP_SEED'] ?? 1);

test('what redup and duplicity write, interrupt and remove in turns is the same to both', async (context) => {
  const play = fc.asyncProperty(chronicleArbitrary(), async (chronicle) => {
    await playChronicle(chronicle, requirePeer(context, chronicle.release));
  });
  const result = await fc.check(play, {
    numRuns: RUNS,
    endOnFailure: true,
    seed: SEED,
  });
  expect(result.errorInstance, `seed ${result.seed}, path ${result.counterexamplePath}`).toBeNull();
}, 300_000);
