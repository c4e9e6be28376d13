/** Samples → Markdown: a table a scenario, medians, and ratios to redup in the same run. */

import os from 'node:os';
import type { Sample } from './measure.js';
import type { Scenario } from './scenarios.js';

export interface ReportOptions {
  readonly scenarios: readonly Scenario[];
  readonly rounds: number;
  readonly scale: number;
  readonly date: Date;
}

/** The programs are columns in the order of their first sample; the first is what the others are compared with. */
export function report(samples: readonly Sample[], options: ReportOptions): string {
  const { rounds, scale, date } = options;
  const [cpu] = os.cpus();
  const head =
    `Measured on ${date.toISOString().slice(0, 10)}: ${os.availableParallelism()} cores (${cpu?.model ?? 'unknown'}), ` +
    `${Math.round(os.totalmem() / 2 ** 30)} GB, Node ${process.version}; ${rounds} rounds in alternation, medians` +
    `${scale === 1 ? '' : `, **data scaled by ${scale}**`}. A cell: seconds · processor seconds · peak memory; below, for the others, the time as a multiple of redup's.`;
  const tables = options.scenarios.flatMap((scenario) => {
    const own = samples.filter((sample) => sample.scenario === scenario.name);
    return own.length === 0 ? [] : [`### ${scenario.title}\n\n${table(own)}`];
  });
  return [head, ...tables].join('\n\n');
}

function table(samples: readonly Sample[]): string {
  const contenders = [...new Set(samples.map((sample) => sample.contender))];
  const steps = [...new Set(samples.map((sample) => sample.step))];
  const of = (step: string, contender: string) =>
    samples.filter((sample) => sample.step === step && sample.contender === contender);
  const rows = steps.map((step) => {
    const base = median(of(step, contenders[0] ?? '').map((sample) => sample.seconds));
    const cells = contenders.map((contender, index) => {
      const own = of(step, contender);
      const seconds = median(own.map((sample) => sample.seconds));
      const cpu = median(own.map((sample) => sample.cpuSeconds));
      const peak = median(own.map((sample) => sample.peakBytes)) / 2 ** 20;
      const ratio = index === 0 ? '' : ` **× ${(seconds / base).toFixed(2)}**`;
      return `${seconds.toFixed(2)} s · ${cpu.toFixed(2)} · ${peak.toFixed(0)} MB${ratio}`;
    });
    return [step, ...cells];
  });
  const last = steps.at(-1) ?? '';
  const stored = contenders.map((contender) => {
    const bytes = median(of(last, contender).map((sample) => sample.storedBytes));
    return `${(bytes / 2 ** 20).toFixed(1)} MB`;
  });
  const lines = [['', ...contenders], ['---', ...contenders.map(() => '---')], ...rows, ['stored', ...stored]];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

const BEGIN = '<!-- bench: begin, written by `npm run bench -- --write` -->';
const END = '<!-- bench: end -->';

/** The document with what stands between the marks replaced. @throws Error when it has no marks */
export function insertReport(document: string, text: string): string {
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error('The document has no place for the report');
  return `${document.slice(0, begin + BEGIN.length)}\n\n${text}\n\n${document.slice(end)}`;
}
