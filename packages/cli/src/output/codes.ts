/** duplicity's codes of log records (CLI.md §5); those of errors are the exit codes. */

import type { FileChange, WarningCode } from '../engine.js';

export const GENERIC = 1;

export const INFO_CODE = {
  progress: 2,
  collectionStatus: 3,
  restored: 7,
  fileListed: 10,
  skippedSocket: 15,
  uploadProgress: 16,
} as const;

export const CHANGE_CODE: Readonly<Record<FileChange, number>> = { new: 4, changed: 5, deleted: 6 };

export const WARNING_CODE: Readonly<Record<WarningCode, number>> = {
  ORPHANED_SIGNATURES: 2,
  UNMATCHED_SIGNATURES: 4,
  STATISTICS: GENERIC,
  INCOMPLETE_SET: 5,
  ORPHANED_SET: 6,
  UNREADABLE: 10,
  NOT_RESTORED: 12,
  DAMAGED_ENTRY: 12,
  CHANGED_WHILE_READ: GENERIC,
  SOCKET_SKIPPED: INFO_CODE.skippedSocket,
  NEGATIVE_TIME: GENERIC,
  NO_HASH: GENERIC,
  DAMAGED_VOLUME: GENERIC,
  OWNERSHIP: GENERIC,
  ATTRIBUTES: GENERIC,
  SIGNATURES_UNUSABLE: GENERIC,
  CACHE: GENERIC,
  RESUMED: GENERIC,
  TIME_BEFORE_FIRST: 11,
};
