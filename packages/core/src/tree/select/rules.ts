/**
 * The file selection as a value: what `--include`, `--exclude` and their like say, in the order of the command line.
 * Patterns are text; names are matched as text too, an invalid byte counting as one character (FORMAT.md §13).
 */

import { RedupError } from '../../errors.js';

export type Action = 'include' | 'exclude';

export type SelectionRule =
  /** `--include`, `--exclude`: a shell pattern, or what the last `filter` rule says. */
  | { readonly kind: 'pattern'; readonly action: Action; readonly pattern: string }
  /** `--include-regexp`, `--exclude-regexp` */
  | { readonly kind: 'regexp'; readonly action: Action; readonly pattern: string }
  /** `--include-filelist`, `--exclude-filelist`: its content, and its name for messages. */
  | { readonly kind: 'filelist'; readonly action: Action; readonly content: string; readonly name: string }
  | { readonly kind: 'exclude-if-present'; readonly name: string }
  | { readonly kind: 'exclude-device-files' }
  | { readonly kind: 'exclude-other-filesystems' }
  /** Regular files modified before `time`, in seconds since 1970. */
  | { readonly kind: 'exclude-older-than'; readonly time: number }
  /** How the patterns that follow are read. */
  | { readonly kind: 'filter'; readonly mode: PatternMode }
  | { readonly kind: 'filter-case'; readonly ignoreCase: boolean }
  /** Nothing but these paths (relative to the source) and their parents is looked at. */
  | { readonly kind: 'files-from'; readonly content: string; readonly name: string };

export type PatternMode = 'globbing' | 'literal' | 'regexp';

/**
 * - `outside-root`: can match nothing below the source. `bad-glob`, `bad-regexp`: no such pattern.
 * - `last-includes`: the last rule can only include, which is what happens anyway.
 * - `redundant-filter`, `trailing-filter`: a filter switch that changes nothing.
 * - `absolute-path`, `empty-list`: of `files-from`.
 */
export type PatternProblem =
  | 'outside-root'
  | 'bad-glob'
  | 'bad-regexp'
  | 'last-includes'
  | 'redundant-filter'
  | 'trailing-filter'
  | 'absolute-path'
  | 'empty-list';

/** A selection that can't be meant. */
export class PatternError extends RedupError {
  readonly problem: PatternProblem;

  constructor(
    problem: PatternProblem,
    message: string,
    details: { readonly subject?: string; readonly hint?: string },
  ) {
    super('BAD_PATTERN', message, details);
    this.problem = problem;
  }
}
