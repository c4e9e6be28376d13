/**
 * How an option is declared: once, here, for the parser, the help, the man page and the shell completion.
 * Names and meanings are duplicity's (both syntaxes, 0.8 and 3.x, are one table); redup's own are marked.
 */

import type { CommandName } from '../commands.js';

/** What values of a kind are once they are parsed. */
export interface ValueOfKind {
  flag: true;
  /** Takes back the flag named in `negates`. */
  undo: true;
  text: string;
  /** Text with `~` and `$VARIABLES` expanded, as duplicity does for paths. */
  path: string;
  integer: number;
  /** Decimal places allowed. */
  number: number;
  /** May be repeated. */
  list: readonly string[];
  /** May be repeated; each value is several words separated by blanks. */
  words: readonly string[];
  /** Two values; may be repeated. */
  pairs: readonly (readonly [string, string])[];
  /** A rule of the file selection; kept in order in `Invocation.rules`, not here. */
  rule: never;
  /** As `rule`, without a value. */
  bareRule: never;
}

export type Kind = keyof ValueOfKind;

/**
 * `ignored`: accepted, because nothing the user could notice depends on it; said once at notice level.
 * `refused`: redup can't do it and the result would be another one; ends the command.
 * `silent`: accepted without a word, because it asks for what redup does anyway.
 */
export type Status = 'supported' | 'silent' | { readonly ignored: string } | { readonly refused: string };

export interface OptionSpec {
  readonly kind: Kind;
  readonly help: string;
  readonly group: OptionGroup;
  /** The value's name in the help; not for flags. */
  readonly arg?: string;
  /** The value that the option stands for without one; a value is then attached with `=`. */
  readonly implied?: string;
  /** Other long names, without dashes. */
  readonly aliases?: readonly string[];
  /** One letter. */
  readonly short?: string;
  /** Shown in the help. */
  readonly default?: string;
  readonly choices?: readonly string[];
  /** Smallest number allowed. */
  readonly min?: number;
  readonly max?: number;
  /** Commands whose help shows it; all by default. It is accepted everywhere: scripts share options between commands. */
  readonly commands?: readonly CommandName[];
  /** By default supported. */
  readonly status?: Status;
  /** Of an `undo`: the flag that it takes back. */
  readonly negates?: string;
  /** Not part of duplicity. */
  readonly own?: true;
  readonly hidden?: true;
}

export type OptionTable = Readonly<Record<string, OptionSpec>>;

export const OPTION_GROUPS = [
  'Backup',
  'Which files',
  'Restore and verify',
  'Check',
  'Status',
  'Encryption',
  'Target',
  'S3',
  'Output',
  'Places',
  'Profiles',
  'Other',
] as const;
export type OptionGroup = (typeof OPTION_GROUPS)[number];

export const BACKUPS = ['backup', 'full', 'incremental'] as const satisfies readonly CommandName[];
export const DELETIONS = [
  'cleanup',
  'remove-older-than',
  'remove-all-but-n-full',
  'remove-all-inc-of-but-n-full',
] as const satisfies readonly CommandName[];

/** Whether help, manual page and completion mention it. */
export function isShown(spec: OptionSpec): boolean {
  const { status = 'supported' } = spec;
  return spec.hidden !== true && (status === 'supported' || status === 'silent');
}
