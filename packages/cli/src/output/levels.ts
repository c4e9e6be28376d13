/** Verbosity, in all of duplicity's spellings. */

import { UsageError } from '../arguments/usage-error.js';

export const LEVELS = ['error', 'warning', 'notice', 'info', 'debug'] as const;
export type Level = (typeof LEVELS)[number];

/** What 0 to 9 mean, as release 3 reads them. */
const NUMBERS: readonly Level[] = [
  'error',
  'warning',
  'warning',
  'notice',
  'notice',
  'info',
  'info',
  'info',
  'info',
  'debug',
];

/** @throws UsageError */
export function parseLevel(text: string): Level {
  const wanted = text.toLowerCase();
  const level = /^\d$/.test(wanted)
    ? NUMBERS[Number(wanted)]
    : LEVELS.find((name) => name === wanted || name[0] === wanted);
  if (level !== undefined) return level;
  throw new UsageError(
    `--verbosity can't be ${JSON.stringify(text)}`,
    'Use error, warning, notice, info or debug, their first letters, or 0 to 9.',
  );
}

/** Whether something of that level is told at that verbosity. */
export function isTold(level: Level, verbosity: Level): boolean {
  return LEVELS.indexOf(level) <= LEVELS.indexOf(verbosity);
}
