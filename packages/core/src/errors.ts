/**
 * Errors that cross the engine's API.
 *
 * Rules: every error has a stable `code` that programs may test; `subject` names the path or
 * remote file it concerns; `hint` is one line saying what the user can do; `cause` is the
 * lower-level error. Messages never hold secrets. What is only worth a warning is an event.
 */

import { toText } from './archive/index.js';

export type ErrorCode =
  | 'SOURCE_MISSING'
  | 'SOURCE_UNREADABLE'
  | 'TARGET_MISSING'
  | 'TARGET_NOT_EMPTY'
  | 'TARGET_UNWRITABLE'
  | 'ARCHIVE_DIRECTORY'
  | 'NO_SPACE'
  | 'IO'
  | 'LOCKED'
  | 'NO_BACKUP'
  | 'NO_SIGNATURES'
  | 'PATH_NOT_FOUND'
  | 'NOT_A_FILE'
  | 'HOST_MISMATCH'
  | 'SOURCE_MISMATCH'
  | 'MANIFEST_MISMATCH'
  | 'MANIFEST_INVALID'
  | 'VOLUME_MISSING'
  | 'VOLUME_HASH'
  | 'VOLUME_DAMAGED'
  | 'ARCHIVE_INVALID'
  | 'SIGNATURE_DAMAGED'
  | 'SIGNER'
  | 'PASSPHRASE_MISSING'
  | 'PASSPHRASE_WRONG'
  | 'KEY_UNKNOWN'
  | 'KEY_AMBIGUOUS'
  | 'KEY_EXPIRED'
  | 'KEY_REVOKED'
  | 'KEY_UNUSABLE'
  | 'KEY_LOCKED'
  | 'SECRET_KEY_MISSING'
  | 'SECRET_FILE'
  | 'GPG_MISSING'
  | 'AGENT_UNREACHABLE'
  | 'ENCRYPTION'
  | 'CLOCK_BACK'
  | 'BAD_TIME'
  | 'BAD_OPTION'
  | 'BAD_ENTRY'
  | 'PLAN_OUTDATED'
  | 'BAD_URL'
  | 'BAD_PATTERN'
  | 'REMOTE_SUSPICIOUS'
  | 'DUPLICATE_SET'
  | 'STORAGE'
  | 'ABORTED'
  | 'DIFFERENCES'
  | 'INTERNAL';

export interface ErrorDetails {
  /** The path or remote file name concerned, as text. */
  readonly subject?: string;
  /** What the user can do about it, one line. */
  readonly hint?: string;
  readonly cause?: unknown;
}

export class RedupError extends Error {
  override readonly name = 'RedupError';
  readonly code: ErrorCode;
  readonly subject: string | undefined;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.subject = details.subject;
    this.hint = details.hint;
  }
}

/** The `code` of a Node.js system error (`ENOENT`, …), or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return undefined;
}

const ERRNO_TEXT: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  ENOENT: 'no such file or directory',
  ENOTDIR: 'not a directory',
  EISDIR: 'is a directory',
  ENOSPC: 'no space left on the device',
  EDQUOT: 'disk quota exceeded',
  EROFS: 'the file system is read-only',
  EIO: 'input/output error',
  EMFILE: 'too many open files',
  ENFILE: 'too many open files in the system',
  ELOOP: 'too many symbolic links',
  EEXIST: 'it exists already',
  ENOTEMPTY: 'the directory is not empty',
  ENAMETOOLONG: 'the name is too long',
  EFBIG: 'the file is too large',
  ESTALE: 'stale file handle',
};

/** A system error in plain words, without Node's call and path decoration. */
export function reasonOf(error: unknown): string {
  const errno = errnoOf(error);
  if (errno !== undefined && ERRNO_TEXT[errno] !== undefined) return ERRNO_TEXT[errno];
  return error instanceof Error ? error.message : String(error);
}

/** Turns a failed local file operation into a RedupError that names the file and the way out. */
export function localError(action: string, path: string, error: unknown): RedupError {
  if (error instanceof RedupError) return error;
  const subject = toText(path);
  const errno = errnoOf(error);
  const message = `Cannot ${action} ${subject}: ${reasonOf(error)}`;
  if (errno === 'ENOSPC' || errno === 'EDQUOT') {
    const hint =
      'Free some space there, or name another folder (--tempdir, --archive-dir or the target), and run again.';
    return new RedupError('NO_SPACE', message, { subject, hint, cause: error });
  }
  return new RedupError('IO', message, { subject, cause: error });
}
