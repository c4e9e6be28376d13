/** What went wrong, as a message with the way out below it. */

import { UsageError } from '../arguments/usage-error.js';
import type { Log } from '../output/log.js';

export interface Described {
  readonly message: string;
  readonly code: string;
  readonly hint: string | undefined;
  readonly subject: string | undefined;
}

/** After a signal. */
export function stopped(reason: string | undefined): Described {
  const hint = 'What was stored completely stays; run the same command again to go on.';
  return { message: `Stopped by ${reason}`, code: 'ABORTED', hint, subject: undefined };
}

export function describe(error: unknown): Described {
  if (error instanceof UsageError)
    return { message: error.message, code: error.code, hint: error.hint, subject: undefined };
  if (error instanceof Error && 'code' in error && typeof error.code === 'string' && 'hint' in error) {
    const { hint, subject } = error as { hint?: string; subject?: string };
    return { message: error.message, code: error.code, hint, subject };
  }
  const message = error instanceof Error ? error.message : String(error);
  const hint = 'This is a fault of redup. Please report it with the output of --verbosity debug.';
  return { message: `Unexpected: ${message}`, code: 'INTERNAL', hint, subject: undefined };
}

/** @param code of the log record */
export function tellFailure(log: Log, error: unknown, described: Described, code: number): void {
  const hint = described.hint === undefined || described.hint === '' ? [] : [`  ${sentence(described.hint)}`];
  const stack = log.tells('debug') ? stackOf(error) : [];
  log.message({ level: 'error', code, lines: [described.message, ...hint, ...stack] });
}

/** Hints come from several packages: one style. The first word may be a name, so messages stay as they are. */
export function sentence(text: string): string {
  const capital = /^[a-z]+ /.test(text) ? text[0]?.toUpperCase() + text.slice(1) : text;
  return /[.!?…`]$/.test(capital) ? capital : `${capital}.`;
}

function stackOf(error: unknown): string[] {
  const lines: string[] = [];
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    lines.push(...(cause.stack ?? `${cause}`).split('\n'));
  return lines;
}
