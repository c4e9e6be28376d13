/** The statistics of a backup, as duplicity prints them and as JSON. */

import type { BackupStatistics } from '../engine.js';
import { humanBytes, humanSeconds, localTime } from './format.js';

const TITLE = '--------------[ Backup Statistics ]--------------';

/** The lines of the block, the empty last one too. */
export function statisticsLines(s: BackupStatistics): string[] {
  const elapsed = Math.max(0, s.endTime - s.startTime);
  const bytes = (name: string, value: number): string => `${name} ${value} (${humanBytes(value)})`;
  return [
    TITLE,
    `StartTime ${s.startTime.toFixed(2)} (${localTime(s.startTime)})`,
    `EndTime ${s.endTime.toFixed(2)} (${localTime(s.endTime)})`,
    `ElapsedTime ${elapsed.toFixed(2)} (${humanSeconds(elapsed)})`,
    `SourceFiles ${s.sourceFiles}`,
    bytes('SourceFileSize', s.sourceFileSize),
    `NewFiles ${s.newFiles}`,
    bytes('NewFileSize', s.newFileSize),
    `DeletedFiles ${s.deletedFiles}`,
    `ChangedFiles ${s.changedFiles}`,
    bytes('ChangedFileSize', s.changedFileSize),
    // duplicity never counts this one.
    bytes('ChangedDeltaSize', 0),
    `DeltaEntries ${s.deltaEntries}`,
    bytes('RawDeltaSize', s.rawDeltaSize),
    bytes('TotalDestinationSizeChange', s.totalDestinationSizeChange),
    `Errors ${s.errors}`,
    '-'.repeat(TITLE.length),
    '',
  ];
}
