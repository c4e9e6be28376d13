/**
 * Storage errors. One class; `code` is stable and says what happened, `hint` says in one line what the user can
 * do, `subject` names the object or place concerned, `permanent` says whether repeating is pointless.
 * Messages never hold a secret: URLs are stripped of user and password before they get here.
 */

/**
 * - `not-found`: no such object. `target-missing`: no such folder or bucket.
 * - `exists`: the name is taken and `ifExists` is `fail`.
 * - `permission`: the storage knows us and refuses. `credentials`: it doesn't know us, or no longer.
 * - `read-only`, `no-space`: of the target. `not-a-directory`: a file is where the target folder should be.
 * - `unreachable`: refused, reset or broken connection, unknown host, server error. `timeout`: no answer in time. `throttled`: asked to slow down.
 * - `corrupt`: what arrived (there or here) is not what was sent. `io`: the disk failed.
 * - `aborted`: the caller's signal fired. `closed`: the storage was closed before.
 * - `bad-url`, `bad-name`, `bad-option`: this storage can't express it. `unsupported`: it can't do it.
 * - `archived`: in a cold tier, must be recalled first. `retained`: a lock or legal hold forbids removing it.
 * - `clock-skew`: our clock differs too much from the server's. `wrong-region`: the bucket lives elsewhere.
 */
export type StorageErrorCode =
  | 'not-found'
  | 'target-missing'
  | 'exists'
  | 'permission'
  | 'credentials'
  | 'read-only'
  | 'no-space'
  | 'not-a-directory'
  | 'unreachable'
  | 'timeout'
  | 'throttled'
  | 'corrupt'
  | 'io'
  | 'aborted'
  | 'closed'
  | 'bad-url'
  | 'bad-name'
  | 'bad-option'
  | 'unsupported'
  | 'archived'
  | 'retained'
  | 'clock-skew'
  | 'wrong-region';

/**
 * Codes where a moment later may be different. Everything else is permanent; `io` too, because after a failed
 * fsync a second one reports success for pages that were never written.
 */
const TRANSIENT: ReadonlySet<StorageErrorCode> = new Set(['unreachable', 'timeout', 'throttled', 'corrupt']);

export interface StorageErrorDetails {
  /** One line: what the user can do. */
  readonly hint?: string;
  /** Object name or place. */
  readonly subject?: string;
  readonly cause?: unknown;
  /** By default as the code says. */
  readonly permanent?: boolean;
  /** The server asked us to wait that long before the next attempt, in milliseconds. */
  readonly retryAfterMs?: number;
}

export class StorageError extends Error {
  override readonly name = 'StorageError';
  readonly code: StorageErrorCode;
  readonly hint: string;
  readonly subject: string;
  /** Repeating is pointless: it can't change by itself, or it has been repeated often enough. */
  readonly permanent: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(code: StorageErrorCode, message: string, details: StorageErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint ?? '';
    this.subject = details.subject ?? '';
    this.permanent = details.permanent ?? !TRANSIENT.has(code);
    this.retryAfterMs = details.retryAfterMs;
  }
}

export function isStorageError(error: unknown, code?: StorageErrorCode): error is StorageError {
  return error instanceof StorageError && (code === undefined || error.code === code);
}

/** The error of a call whose signal has fired. */
export function abortedError(subject: string, cause?: unknown): StorageError {
  return new StorageError('aborted', `interrupted: ${subject}`, {
    subject,
    cause,
    hint: 'run the same command again to go on from here',
  });
}

export function throwIfAborted(signal: AbortSignal | undefined, subject: string): void {
  if (signal?.aborted) throw abortedError(subject, signal.reason);
}

export function noSuchObject(name: string, url: string, cause?: unknown): StorageError {
  return new StorageError('not-found', `${url} has no object ${printable(name)}`, {
    subject: name,
    cause,
    hint: 'look at the listing of the target: the object may have been removed or never been stored',
  });
}

export function alreadyExists(name: string, url: string, cause?: unknown): StorageError {
  return new StorageError('exists', `${url} already has an object ${printable(name)}, which is never overwritten`, {
    subject: name,
    cause,
    hint: 'another run may be writing to the same target: let it end, then run again',
  });
}

interface ErrnoText {
  readonly code: StorageErrorCode;
  readonly says: string;
  readonly hint: string;
}

const ERRNO: Readonly<Record<string, ErrnoText>> = {
  ENOENT: { code: 'not-found', says: 'does not exist', hint: 'check the path' },
  EEXIST: { code: 'exists', says: 'exists already', hint: 'another run may be writing to the same target' },
  EACCES: { code: 'permission', says: 'permission denied', hint: 'check owner and mode of the target folder' },
  EPERM: { code: 'permission', says: 'operation not permitted', hint: 'check owner, mode and file attributes' },
  EROFS: { code: 'read-only', says: 'is on a read-only file system', hint: 'mount the target writable' },
  ENOSPC: { code: 'no-space', says: 'no space left', hint: 'free some space on the target, then run again' },
  EDQUOT: { code: 'no-space', says: 'disk quota exceeded', hint: 'free some space or raise the quota, then run again' },
  EFBIG: { code: 'no-space', says: 'file too large for the file system', hint: 'use a smaller --volsize' },
  ENOTDIR: { code: 'not-a-directory', says: 'is not a directory', hint: 'give a folder as the target' },
  ENAMETOOLONG: { code: 'bad-name', says: 'name too long for the file system', hint: 'use a shorter --file-prefix' },
  EILSEQ: { code: 'bad-name', says: 'name not allowed by the file system', hint: 'use a plainer --file-prefix' },
  EIO: { code: 'io', says: 'input/output error', hint: 'check the disk and the kernel log' },
  EMFILE: { code: 'io', says: 'too many open files', hint: 'raise the limit (ulimit -n)' },
  ENFILE: { code: 'io', says: 'too many open files in the system', hint: 'raise fs.file-max' },
  ESTALE: { code: 'unreachable', says: 'stale network file handle', hint: 'mount the network folder again' },
  ETIMEDOUT: { code: 'timeout', says: 'timed out', hint: 'check the network folder' },
  EHOSTDOWN: { code: 'unreachable', says: 'the file server is down', hint: 'check the network folder' },
  ENOTCONN: { code: 'unreachable', says: 'the file server is not connected', hint: 'check the network folder' },
};

/** What an error of `node:fs` means for a storage. */
export function fromErrno(error: unknown, subject: string): StorageError {
  if (error instanceof StorageError) return error;
  const code = errnoOf(error);
  const text: ErrnoText = (code === undefined ? undefined : ERRNO[code]) ?? {
    code: 'io',
    says: `failed (${code ?? 'unknown error'})`,
    hint: 'check the target',
  };
  return new StorageError(text.code, `${printable(subject)}: ${text.says}`, {
    subject,
    cause: error,
    hint: text.hint,
  });
}

/** The `code` of a Node system error, if it is one. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** A name or path for a message: control characters, which a hostile listing may hold, become `\xNN`. */
export function printable(text: string): string {
  let out = '';
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    const control = code < 0x20 || (code >= 0x7f && code < 0xa0);
    out += control ? `\\x${code.toString(16).padStart(2, '0')}` : char;
  }
  return out;
}
