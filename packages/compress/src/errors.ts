/**
 * The one error class of this package. `code` is stable and meant for programs, `hint` is one line
 * for the person in front of the screen; `subject` names the object concerned where a caller set it.
 */
export type CompressErrorCode =
  /** The compressed stream ends before its last block or its trailer. */
  | 'truncated'
  /** The compressed stream is damaged: bad block, bad checksum, bad header. */
  | 'corrupt'
  /** Bytes follow the end of the compressed stream. */
  | 'trailing-garbage'
  /** More output than `maxBytes` allows: a bomb, or a wrong limit. */
  | 'too-large'
  /** A compressing worker died; what was not yet taken is lost. */
  | 'worker-failed'
  /** The ring was used after `close()`. */
  | 'closed';

const HINTS: Record<CompressErrorCode, string> = {
  truncated: 'The data is incomplete: fetch it again, or restore from another copy.',
  corrupt: 'The data is damaged: fetch it again, or restore from another copy.',
  'trailing-garbage': 'Something was appended to the data; it is not used. Fetch it again.',
  'too-large': 'The data unpacks to more than it may; it is refused as a decompression bomb.',
  'worker-failed': 'Run the command again; fewer workers need less memory.',
  closed: 'This is a programming error: the compressor was closed while it was in use.',
};

export class CompressError extends Error {
  readonly code: CompressErrorCode;
  readonly hint: string;
  readonly subject: string | undefined;

  constructor(code: CompressErrorCode, message: string, options: { cause?: unknown; subject?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CompressError';
    this.code = code;
    this.hint = HINTS[code];
    this.subject = options.subject;
  }
}
