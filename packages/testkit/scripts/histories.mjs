#!/usr/bin/env node
/**
 * Random histories of one archive, written by redup and duplicity in turns: changes, selections, crashes, retention.
 * A failure is shrunk to the shortest history that still fails, printed, and kept as a file that can be played again.
 *
 *   node packages/testkit/scripts/histories.mjs [--runs N] [--seed S]
 *   node packages/testkit/scripts/histories.mjs --replay FILE
 */

import fs from 'node:fs';
import { parseArgs } from 'node:util';
import fc from 'fast-check';

const kit = await import(new URL('../dist/index.js', import.meta.url).href);
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '300' },
    seed: { type: 'string', default: `${Date.now() % 1_000_000}` },
    replay: { type: 'string' },
    'shrink-minutes': { type: 'string', default: '5' },
  },
});
const SHRINK_MS = Number(values['shrink-minutes']) * 60_000;

if (values.replay === undefined) await playMany(Number(values.runs), Number(values.seed));
else {
  const stored = JSON.parse(fs.readFileSync(values.replay, 'utf8'));
  await play({ ...stored, initial: new Map(stored.initial) });
  console.log('no difference');
}

async function playMany(runs, seed) {
  let failures = 0;
  const started = Date.now();
  for (let run = 0; run < runs; run++) {
    let failed = 0;
    const check = await fc.check(
      fc.asyncProperty(kit.chronicleArbitrary(), async (chronicle) => {
        if (failed > 0 && Date.now() - failed > SHRINK_MS) return;
        try {
          await play(chronicle);
        } catch (error) {
          failed ||= Date.now();
          throw error;
        }
      }),
      { seed: seed + run, numRuns: 1 },
    );
    if (check.failed) {
      failures++;
      report(seed + run, check);
    }
    if ((run + 1) % 10 === 0)
      console.log(`${run + 1} histories, ${failures} differences, ${Math.round((Date.now() - started) / 1000)} s`);
  }
  console.log(`${runs} histories from seed ${seed}: ${failures} differences`);
  process.exitCode = failures === 0 ? 0 : 1;
}

function report(seed, { counterexample, errorInstance }) {
  const [chronicle] = counterexample;
  const file = `history-${seed}.json`;
  fs.writeFileSync(file, JSON.stringify({ ...chronicle, initial: [...chronicle.initial] }, undefined, 1));
  console.log(`── seed ${seed}: ${errorInstance?.message}`);
  console.log(`── play it again: node packages/testkit/scripts/histories.mjs --replay ${file}`);
}

async function play(chronicle) {
  const peer = kit.peer(chronicle.release);
  if (kit.isMissing(peer)) throw new Error(`${peer.name}: ${peer.missing} (${peer.hint})`);
  await kit.playChronicle(chronicle, peer);
}
