/**
 * Errors of this package. All are {@link RsyncError}: `code` is stable and for programs, `reason` says what is wrong,
 * `hint` what a person can do about it, `offset` where in the input it was found.
 */

export type RsyncErrorCode =
  /** An option is outside what the format allows. */
  | 'INVALID_OPTION'
  /** An object was used after `finish` or `dispose`. */
  | 'INVALID_STATE'
  /** Not a signature: the first four bytes are none of the four known. */
  | 'SIGNATURE_MAGIC'
  /** A signature whose header contradicts itself. */
  | 'SIGNATURE_INVALID'
  /** A signature that ends in the middle of its header or of a record. */
  | 'SIGNATURE_TRUNCATED'
  /** A signature with more blocks, or longer ones, than fit the memory of a WebAssembly module. */
  | 'SIGNATURE_TOO_LARGE'
  /** Not a delta: the first four bytes are wrong. */
  | 'DELTA_MAGIC'
  /** A reserved command, or one with a length of zero or of 2^63 and more. */
  | 'DELTA_INVALID'
  /** A copy that reaches beyond the end of the basis. */
  | 'DELTA_OUT_OF_BASIS'
  /** A delta that ends before its end command. */
  | 'DELTA_TRUNCATED'
  /** The result would be longer than the caller allows. */
  | 'OUTPUT_TOO_LARGE'
  /** The basis delivered fewer bytes than its size promises. */
  | 'BASIS_SHORT'
  /** The memory of a WebAssembly module, 4 GiB at most, cannot grow any further. */
  | 'OUT_OF_MEMORY';

export class RsyncError extends Error {
  override readonly name = 'RsyncError';
  readonly code: RsyncErrorCode;
  /** What is wrong, in one sentence, without the offset. */
  readonly reason: string;
  /** What the user can do, in one line. */
  readonly hint: string;
  /** Position in the signature or delta, in bytes from its start, of what is wrong; undefined when it isn't about input. */
  readonly offset: number | undefined;

  constructor(code: RsyncErrorCode, reason: string, hint: string, offset?: number, cause?: unknown) {
    super(offset === undefined ? reason : `${reason} (at byte ${offset})`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.reason = reason;
    this.hint = hint;
    this.offset = offset;
  }
}
