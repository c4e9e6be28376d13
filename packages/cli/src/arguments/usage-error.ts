/** A mistake on the command line. */

export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly hint: string | undefined;
  /** Where release 0.8 has a more telling one than 23. */
  readonly exitCode: number | undefined;
  /** Of the record with `--json`. */
  readonly code: string;

  constructor(
    message: string,
    hint?: string,
    { exitCode, code = 'USAGE' }: { readonly exitCode?: number; readonly code?: string } = {},
  ) {
    super(message);
    this.hint = hint;
    this.exitCode = exitCode;
    this.code = code;
  }
}
