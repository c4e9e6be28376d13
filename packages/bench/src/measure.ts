/** Plays scenarios with all programs in turns, so that whatever else the machine does meets all of them. */

import fs from 'node:fs';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { peakRss } from '@redup/testkit';
import type { Contender } from './contenders.js';
import { bytesOf } from './data.js';
import type { Scenario } from './scenarios.js';

export interface Sample {
  readonly scenario: string;
  readonly step: string;
  readonly contender: string;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
  /** After the step. */
  readonly storedBytes: number;
}

export interface MeasureOptions {
  /** An empty folder with room for the data, a copy restored, and what each program stores. */
  readonly folder: string;
  readonly contenders: readonly Contender[];
  readonly scenarios: readonly Scenario[];
  readonly rounds: number;
  onSample?(sample: Sample): void;
}

/** duplicity's sets are told apart by whole seconds. */
const BETWEEN_SETS_MS = 1100;
const LONGEST_STEP_MS = 3_600_000;

/** @throws Error when a program fails: a step that did not do its work has no time */
export async function measure(options: MeasureOptions): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (const scenario of options.scenarios) {
    for (let round = 0; round < options.rounds; round++) {
      for (const contender of options.contenders) {
        for await (const sample of play(scenario, contender, path.join(options.folder, scenario.name))) {
          samples.push(sample);
          options.onSample?.(sample);
        }
      }
    }
  }
  return samples;
}

async function* play(scenario: Scenario, contender: Contender, folder: string): AsyncGenerator<Sample> {
  const source = path.join(folder, 'source');
  // Steps change the source: those of scenarios that do begin with the same one.
  if (!fs.existsSync(source) || scenario.steps.some((step) => step.before !== undefined)) {
    fs.rmSync(source, { recursive: true, force: true });
    scenario.prepare(source);
  }
  const place = path.join(folder, 'repository');
  fs.rmSync(place, { recursive: true, force: true });
  fs.mkdirSync(place, { recursive: true });
  const repository = await contender.open(place);
  try {
    for (const step of scenario.steps) {
      step.before?.(source);
      await setTimeout(BETWEEN_SETS_MS);
      const target = path.join(place, 'restored');
      const one = step.path === undefined ? {} : { path: step.path };
      const { command, env, cwd } = repository.command(step.step, { source, target, ...one });
      const [program = '', ...args] = command;
      const where = cwd === undefined ? {} : { cwd };
      const measured = await peakRss(program, args, { env, timeoutMs: LONGEST_STEP_MS, ...where });
      if (measured.code !== 0)
        throw new Error(`${contender.name}, ${scenario.name}, ${step.label}: ${measured.stderr}`);
      if (step.isPreparation === true) continue;
      const { seconds, cpuSeconds, peakBytes } = measured;
      yield {
        scenario: scenario.name,
        step: step.label,
        contender: contender.name,
        seconds,
        cpuSeconds,
        peakBytes,
        storedBytes: bytesOf(repository.stored),
      };
    }
  } finally {
    repository.dispose();
    fs.rmSync(place, { recursive: true, force: true });
  }
}
