/**
 * Whatever a command threw → a RedupError. The packages below the engine have error classes of their own, with the same
 * shape (`code`, `hint`, `subject`); a user of the engine meets one class and finds theirs as its `cause`.
 */

import { CompressError } from '@redup/compress';
import { OpenPgpError, type OpenPgpErrorCode } from '@redup/openpgp';
import { StorageError, type StorageErrorCode } from '@redup/storage';
import { type ErrorCode, RedupError, reasonOf } from './errors.js';

const STORAGE: Partial<Record<StorageErrorCode, ErrorCode>> = {
  'target-missing': 'TARGET_MISSING',
  'not-a-directory': 'TARGET_MISSING',
  permission: 'TARGET_UNWRITABLE',
  'read-only': 'TARGET_UNWRITABLE',
  'no-space': 'NO_SPACE',
  aborted: 'ABORTED',
  'bad-url': 'BAD_URL',
};

const OPENPGP: Partial<Record<OpenPgpErrorCode, ErrorCode>> = {
  'wrong-passphrase': 'PASSPHRASE_WRONG',
  'no-passphrase': 'PASSPHRASE_MISSING',
  'key-passphrase': 'KEY_LOCKED',
  'no-secret-key': 'SECRET_KEY_MISSING',
  'unknown-key': 'KEY_UNKNOWN',
  'ambiguous-key': 'KEY_AMBIGUOUS',
  'expired-key': 'KEY_EXPIRED',
  'revoked-key': 'KEY_REVOKED',
  'unusable-key': 'KEY_UNUSABLE',
  'secret-file': 'SECRET_FILE',
  'gpg-missing': 'GPG_MISSING',
  'agent-unreachable': 'AGENT_UNREACHABLE',
  unsigned: 'SIGNER',
  'wrong-signer': 'SIGNER',
  'bad-signature': 'SIGNER',
  truncated: 'VOLUME_DAMAGED',
  'trailing-data': 'VOLUME_DAMAGED',
  damaged: 'VOLUME_DAMAGED',
  modified: 'VOLUME_DAMAGED',
  'not-openpgp': 'VOLUME_DAMAGED',
  'not-encrypted': 'VOLUME_DAMAGED',
};

/** @param signal whose reason, whatever it is, means an interruption */
export function errorOfEngine(error: unknown, signal?: AbortSignal): RedupError {
  if (error instanceof RedupError) return error;
  if (error instanceof StorageError) return wrap(STORAGE[error.code] ?? 'STORAGE', error);
  if (error instanceof OpenPgpError) return wrap(OPENPGP[error.code] ?? 'ENCRYPTION', error);
  if (error instanceof CompressError)
    return wrap(error.code === 'worker-failed' ? 'INTERNAL' : 'VOLUME_DAMAGED', error);
  if (
    (error instanceof Error && error.name === 'AbortError') ||
    (signal?.aborted === true && error === signal.reason)
  ) {
    return new RedupError('ABORTED', 'Interrupted', {
      hint: 'Run it again: what was stored completely is kept.',
      cause: error,
    });
  }
  if (error instanceof Error && 'syscall' in error)
    return new RedupError('IO', `A file operation failed: ${reasonOf(error)}`, { cause: error });
  const message = error instanceof Error ? error.message : String(error);
  return new RedupError('INTERNAL', `Unexpected: ${message}`, {
    hint: 'Please report this, with the output of --verbosity debug.',
    cause: error,
  });
}

/** What is damaged tells the name: signatures and manifests have other ways out than volumes. */
function damagedKind(code: ErrorCode, subject: string | undefined): ErrorCode {
  if (code !== 'VOLUME_DAMAGED' || subject === undefined) return code;
  if (/-signatures\..*\.sigtar|\.st(\.|$)/.test(subject)) return 'SIGNATURE_DAMAGED';
  return /\.manifest|\.m(\.|$)/.test(subject) ? 'MANIFEST_INVALID' : code;
}

function wrap(
  code: ErrorCode,
  error: Error & { readonly hint?: string | undefined; readonly subject?: string | undefined },
): RedupError {
  const { subject, hint } = error;
  const named = subject === undefined || subject === '' || error.message.includes(subject);
  return new RedupError(damagedKind(code, subject), named ? error.message : `${subject}: ${error.message}`, {
    ...(subject === undefined || subject === '' ? {} : { subject }),
    ...(hint === undefined || hint === '' ? {} : { hint }),
    cause: error,
  });
}
