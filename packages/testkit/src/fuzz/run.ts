/**
 * Fuzzing as tests do it: the corpus is a folder of the repository, `FUZZ_SECONDS` says how long each target may take
 * (default 3), `FUZZ_SEED` which inputs are tried. `npm run fuzz` is the same for as long as asked.
 */

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

import { type FuzzReport, type FuzzTarget, fuzz } from './fuzzer.js';

const SECONDS = Number(process.env['FUZZ_SECONDS'] ?? 3);
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_240_805);
/** A file for one line a target: what a long run did. */
const LOG = process.env['FUZZ_LOG'];

/** However busy the machine is. */
const FEWEST_RUNS = 400;

/** For vitest: what a target may take, with room for a busy machine. */
export const FUZZ_TIMEOUT_MS = SECONDS * 2000 + 60_000;

/**
 * Fuzzes one target with the corpus in `folder/NAME`; what it was doing is told in the error.
 * An input that fails is kept beside the corpus, where every later run tries it first.
 *
 * @throws Error when an input fails
 */
export async function fuzzCorpus(target: FuzzTarget, folder: string): Promise<FuzzReport> {
  const place = path.join(folder, target.name);
  const seeds = fs
    .readdirSync(place)
    .sort()
    .map((name) => new Uint8Array(fs.readFileSync(path.join(place, name))));
  const until = Date.now() + SECONDS * 1000;
  const options = {
    seed: SEED,
    stop: (runs: number) => Date.now() > until && runs >= FEWEST_RUNS,
    covers: /\/packages\/[^/]+\/(?:src|dist)\//,
  };
  const report = await fuzz(target, seeds, options);
  const { runs, found, slowestMs, failure } = report;
  if (LOG !== undefined) {
    const line = `${target.name}: ${runs} inputs from seed ${SEED} in ${SECONDS} s, ${found} reached new code, slowest ${slowestMs.toFixed(0)} ms`;
    fs.appendFileSync(LOG, `${line}${failure === undefined ? '' : ' FAILED'}\n`);
  }
  if (failure === undefined) return report;
  const kept = path.join(place, `found-${createHash('sha256').update(failure.input).digest('hex').slice(0, 12)}.bin`);
  fs.writeFileSync(kept, failure.input);
  const said = failure.error instanceof Error ? failure.error.stack : String(failure.error);
  throw new Error(`seed ${SEED}, run ${runs}, input kept in ${kept}: ${said}`, { cause: failure.error });
}
