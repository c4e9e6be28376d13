/** The figures of a backup, with duplicity's names and meanings (CLI.md §6), and redup's own beside them. */

import type { TreeEntry } from '../tree/index.js';

export interface BackupStatistics {
  /** Seconds since 1970, with fractions. */
  startTime: number;
  endTime: number;
  /** Entries seen, directories included. */
  sourceFiles: number;
  /** Bytes read of stored files plus the stated sizes of everything else. */
  sourceFileSize: number;
  /** Stored whole; stated sizes. */
  newFiles: number;
  newFileSize: number;
  deletedFiles: number;
  /** Stored as a delta; stated sizes. */
  changedFiles: number;
  changedFileSize: number;
  /** New, changed and deleted entries. */
  deltaEntries: number;
  /** Bytes of file data and deltas before compression. */
  rawDeltaSize: number;
  /** Bytes of volumes stored. */
  totalDestinationSizeChange: number;
  /** Entries that could not be stored as they are. */
  errors: number;
}

export function emptyStatistics(startTime: number): BackupStatistics {
  return {
    startTime,
    endTime: startTime,
    sourceFiles: 0,
    sourceFileSize: 0,
    newFiles: 0,
    newFileSize: 0,
    deletedFiles: 0,
    changedFiles: 0,
    changedFileSize: 0,
    deltaEntries: 0,
    rawDeltaSize: 0,
    totalDestinationSizeChange: 0,
    errors: 0,
  };
}

export function countUnchanged(statistics: BackupStatistics, entry: TreeEntry): void {
  statistics.sourceFiles++;
  statistics.sourceFileSize += entry.statSize;
}

export function countNew(statistics: BackupStatistics, entry: TreeEntry, sourceBytes: number): void {
  statistics.sourceFiles++;
  statistics.sourceFileSize += sourceBytes;
  statistics.newFiles++;
  statistics.newFileSize += entry.statSize;
  statistics.deltaEntries++;
}

export function countChanged(statistics: BackupStatistics, entry: TreeEntry, sourceBytes: number): void {
  statistics.sourceFiles++;
  statistics.sourceFileSize += sourceBytes;
  statistics.changedFiles++;
  statistics.changedFileSize += entry.statSize;
  statistics.deltaEntries++;
}

export function countDeleted(statistics: BackupStatistics): void {
  statistics.deletedFiles++;
  statistics.deltaEntries++;
}
