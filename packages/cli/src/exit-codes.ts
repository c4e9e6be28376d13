/** How redup ends: duplicity's exit codes (CLI.md §4) for everything that can go wrong, in one table. */

import { UsageError } from './arguments/usage-error.js';
import type { CommandName } from './commands.js';
import { type ErrorCode, RedupError, StorageError } from './engine.js';

export const OK = 0;
/** Verify found differences; something asked for could not be restored as it was stored. */
export const DIFFERENCES = 1;
export const USAGE = 23;
export const INTERNAL = 30;

/**
 * Where 0.8 and 3.x differ the code is that of 3.x for the command line (23) and the telling one of 0.8 elsewhere.
 * duplicity's answer to many of these is a traceback and 30.
 */
const EXIT_CODES: Readonly<Record<ErrorCode, number>> = {
  DIFFERENCES,
  HOST_MISMATCH: 3,
  MANIFEST_MISMATCH: 5,
  MANIFEST_INVALID: 6,
  BAD_URL: 8,
  ARCHIVE_DIRECTORY: 9,
  TARGET_NOT_EMPTY: 11,
  SOURCE_MISSING: 13,
  SOURCE_UNREADABLE: 13,
  BAD_ENTRY: 13,
  BAD_PATTERN: 15,
  NO_SIGNATURES: 17,
  PATH_NOT_FOUND: 19,
  NOT_A_FILE: 19,
  NO_BACKUP: 20,
  VOLUME_HASH: 21,
  VOLUME_DAMAGED: 21,
  SIGNER: 22,
  BAD_TIME: USAGE,
  BAD_OPTION: USAGE,
  PLAN_OUTDATED: USAGE,
  LOCKED: USAGE,
  CLOCK_BACK: USAGE,
  REMOTE_SUSPICIOUS: USAGE,
  ARCHIVE_INVALID: INTERNAL,
  SIGNATURE_DAMAGED: INTERNAL,
  DUPLICATE_SET: INTERNAL,
  INTERNAL,
  PASSPHRASE_MISSING: 31,
  PASSPHRASE_WRONG: 31,
  KEY_UNKNOWN: 31,
  KEY_AMBIGUOUS: 31,
  KEY_EXPIRED: 31,
  KEY_REVOKED: 31,
  KEY_UNUSABLE: 31,
  KEY_LOCKED: 31,
  SECRET_KEY_MISSING: 31,
  SECRET_FILE: 31,
  GPG_MISSING: 31,
  AGENT_UNREACHABLE: 31,
  ENCRYPTION: 31,
  SOURCE_MISMATCH: 42,
  STORAGE: 50,
  IO: 50,
  TARGET_UNWRITABLE: 51,
  TARGET_MISSING: 52,
  VOLUME_MISSING: 52,
  NO_SPACE: 53,
  ABORTED: 130,
};

const STORAGE_CODES: Readonly<Partial<Record<StorageError['code'], number>>> = {
  'bad-url': 8,
  'bad-option': USAGE,
  unreachable: 38,
  timeout: 38,
  throttled: 38,
  permission: 51,
  credentials: 51,
  'read-only': 51,
  retained: 51,
  'not-found': 52,
  'target-missing': 52,
  'not-a-directory': 52,
  archived: 52,
  'no-space': 53,
  aborted: 130,
};

/** Release 0.8 tells a missing folder to compare with from a missing source. */
const VERIFY_MISSING = 12;

/** By the `problem` of the engine's PatternError. */
const PATTERN_CODES: Readonly<Record<string, number>> = {
  'outside-root': 14,
  'bad-glob': 15,
  // A traceback and 30 in duplicity.
  'bad-regexp': 15,
  'last-includes': 16,
  'redundant-filter': 70,
  'trailing-filter': 71,
  'absolute-path': 72,
  'empty-list': 73,
};

export function exitCodeOf(error: unknown, command?: CommandName): number {
  if (error instanceof UsageError) return error.exitCode ?? USAGE;
  if (error instanceof StorageError) return STORAGE_CODES[error.code] ?? EXIT_CODES.STORAGE;
  if (!(error instanceof RedupError)) return INTERNAL;
  if (error.code === 'SOURCE_MISSING' && command === 'verify') return VERIFY_MISSING;
  if (error.code === 'STORAGE' && error.cause instanceof StorageError) return exitCodeOf(error.cause);
  if (error.code === 'BAD_PATTERN' && 'problem' in error)
    return PATTERN_CODES[`${error.problem}`] ?? EXIT_CODES.BAD_PATTERN;
  return EXIT_CODES[error.code];
}
