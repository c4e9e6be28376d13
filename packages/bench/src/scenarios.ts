/** What is measured: a tree, and steps with it one after the other. */

import fs from 'node:fs';
import path from 'node:path';
import type { Step } from './contenders.js';
import { type BigVersion, makeBigFile, makeMedia, makeMixedTree, makeTinyFiles } from './data.js';

export interface ScenarioStep {
  readonly label: string;
  readonly step: Step;
  /** What happens to the source before it; not measured. */
  before?(source: string): void;
  /** For `restore one file`. */
  readonly path?: string;
  /** Not part of the table: it only leads to what is. */
  readonly isPreparation?: boolean;
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** Makes the source in an empty folder. */
  prepare(source: string): void;
  readonly steps: readonly ScenarioStep[];
}

const GIGABYTE = 2 ** 30;
const CHAIN_SETS = 30;

/** @param scale of the amounts of data; 1 are those of the published figures */
export function scenarios(scale: number): readonly Scenario[] {
  const full: ScenarioStep = { label: 'full backup', step: 'full' };
  const rest: readonly ScenarioStep[] = [
    { label: 'nothing changed', step: 'incremental' },
    { label: 'status', step: 'status' },
    { label: 'list', step: 'list' },
    { label: 'verify', step: 'verify' },
    { label: 'restore', step: 'restore' },
  ];
  return [
    {
      name: 'mixed',
      title: 'A mixed tree: documents, scripts, libraries, programs',
      prepare: (source) => makeMixedTree(source, 1.3 * GIGABYTE * scale),
      steps: [full, ...rest],
    },
    {
      name: 'tiny',
      title: 'Tiny files: 200,000 in 500 folders',
      prepare: (source) => makeTinyFiles(source, scale),
      steps: [full, ...rest],
    },
    {
      name: 'media',
      title: 'Noise, as photos and films are',
      prepare: (source) => makeMedia(source, GIGABYTE * scale),
      steps: [full, { label: 'restore', step: 'restore' }],
    },
    {
      name: 'big',
      title: 'One file of 2 GB and its versions',
      prepare: (source) => {
        fs.mkdirSync(source, { recursive: true });
        bigFile(source, scale, 'first');
      },
      steps: [
        full,
        bigStep('1,000 insertions', scale, 'insertions'),
        bigStep('1,000 pages overwritten', scale, 'overwrites'),
        bigStep('wholly new', scale, 'new'),
      ],
    },
    {
      name: 'chain',
      title: `One file out of ${CHAIN_SETS} sets`,
      prepare: (source) => {
        makeMixedTree(source, 0.1 * GIGABYTE * scale);
        makeMedia(path.join(source, 'films'), 0.05 * GIGABYTE * scale);
      },
      steps: [
        { ...full, isPreparation: true },
        ...Array.from({ length: CHAIN_SETS - 1 }, (_, index) => growth(index)),
        { label: 'restore one file', step: 'restore one file', path: 'films/film0' },
      ],
    },
  ];
}

function bigStep(label: string, scale: number, version: BigVersion): ScenarioStep {
  return { label, step: 'incremental', before: (source) => bigFile(source, scale, version) };
}

function bigFile(source: string, scale: number, version: BigVersion): void {
  makeBigFile(path.join(source, 'big'), 2 * GIGABYTE * scale, version);
}

function growth(index: number): ScenarioStep {
  return {
    label: `set ${index + 2}`,
    step: 'incremental',
    isPreparation: true,
    before: (source) => {
      fs.appendFileSync(path.join(source, 'films', `film${index % 5}`), `more, for the ${index}th time\n`);
    },
  };
}
