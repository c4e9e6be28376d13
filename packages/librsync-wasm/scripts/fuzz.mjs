// npm run fuzz -w librsync-wasm [-- SECONDS [SEED [TARGET]]]: an hour by default, shared among the targets. Build first.
// An input that fails is written to fixtures/corpus/, where the tests find it from then on.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fuzz } from '../dist/fuzz/fuzzer.js';
import { TARGETS } from '../dist/fuzz/targets.js';

const [seconds = 3600, seed = Date.now() | 0, only] = process.argv.slice(2);
const corpusFolder = fileURLToPath(new URL('../fixtures/corpus/', import.meta.url));
const targets = TARGETS.filter(({ name }) => only === undefined || only === name);
const each = (Number(seconds) / targets.length) * 1000;

for (const target of targets) {
  const folder = `${corpusFolder}${target.name}/`;
  const corpus = readdirSync(folder).map((name) => new Uint8Array(readFileSync(folder + name)));
  const until = Date.now() + each;
  const { runs, slowestMs, failure } = fuzz(target, corpus, Number(seed), () => Date.now() > until);
  console.log(`${target.name}: ${runs} inputs from seed ${seed}, slowest ${slowestMs.toFixed(1)} ms`);
  if (failure) {
    const name = `${folder}found-${createHash('sha256').update(failure.input).digest('hex').slice(0, 12)}.bin`;
    writeFileSync(name, failure.input);
    console.log(`FAILED, input in ${name}:\n${failure.error.stack ?? failure.error}`);
    process.exitCode = 1;
  }
}
