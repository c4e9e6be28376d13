/**
 * `--jsonstat`: the figures of a backup in a JSON file beside it, in the form of duplicity 3. Unlike there the size of what was
 * stored is in it, not null.
 */

import { existsSync } from 'node:fs';
import { type ArchiveTime, asTime, formatName, formatTime, toText } from '../archive/index.js';
import { readRemote } from '../cache/index.js';
import type { BackupSet } from '../collection/index.js';
import { reasonOf } from '../errors.js';
import { readPieces } from '../volumes/index.js';
import type { BackupStatistics } from './statistics.js';
import type { Workspace } from './workspace.js';

/** A JSON object with duplicity's names. */
export type StoredStatistics = Readonly<Record<string, unknown>>;

export interface StatisticsContext {
  readonly action: 'full' | 'inc';
  /** Nothing had changed and nothing was stored. */
  readonly skipped: boolean;
  readonly fullTime: ArchiveTime;
  readonly concurrency: number;
  /** As the user spelled it. */
  readonly source: string;
  /** Sets of the chain before this one. */
  readonly before: readonly BackupSet[];
}

export function describeStatistics(
  workspace: Workspace,
  s: BackupStatistics,
  context: StatisticsContext,
): StoredStatistics {
  const text = (seconds: number): string => formatTime(asTime(seconds));
  return {
    Filename: null,
    StartTime: s.startTime,
    EndTime: s.endTime,
    ElapsedTime: Math.max(0, s.endTime - s.startTime),
    Errors: s.errors,
    TotalDestinationSizeChange: s.totalDestinationSizeChange,
    SourceFiles: s.sourceFiles,
    SourceFileSize: s.sourceFileSize,
    NewFiles: s.newFiles,
    NewFileSize: s.newFileSize,
    DeletedFiles: s.deletedFiles,
    ChangedFiles: s.changedFiles,
    ChangedFileSize: s.changedFileSize,
    ChangedDeltaSize: 0,
    DeltaEntries: s.deltaEntries,
    RawDeltaSize: s.rawDeltaSize,
    StartTime_str: text(s.startTime),
    EndTime_str: text(s.endTime),
    backup_meta: {
      action: context.action,
      skipped_inc: context.skipped,
      time_full_bkp: context.fullTime,
      time_full_bkp_str: text(context.fullTime),
      no_of_inc: Math.max(0, context.before.length - 1),
      concurrency: context.concurrency,
      target: workspace.url,
      source: context.source,
      local_json_stat: localFiles(workspace, context),
    },
  };
}

/** The local copies of the statistics of the sets before, `N/A` where there is none; of a full backup that of itself. */
function localFiles({ directory }: Workspace, { before }: StatisticsContext): string[] {
  if (before.length === 0) return [NOT_THERE];
  return before.map(({ span }) => {
    const parsed = { kind: 'statistics', span, volume: 0, encoding: 'gzip', partial: false } as const;
    return directory.has(parsed) ? toText(formatName(parsed)) : NOT_THERE;
  });
}

const NOT_THERE = 'N/A';
/** An honest one has less than a kilobyte and a line for each set. */
const MOST_BYTES = 1 << 22;

/** Undefined when the set has none, or what it has is no JSON object. */
export async function readStatistics(
  workspace: Workspace,
  { statistics: file }: BackupSet,
  signal: AbortSignal | undefined,
): Promise<StoredStatistics | undefined> {
  if (file === undefined) return undefined;
  const place = workspace.directory.placeOf(file.parsed);
  const context = workspace.syncContext(signal);
  const stored = existsSync(place) ? workspace.codec.read(readPieces(place), 'gzip', place) : readRemote(context, file);
  try {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const piece of stored) {
      parts.push(Uint8Array.from(piece));
      bytes += piece.length;
      if (bytes > MOST_BYTES) throw new Error('it is too long');
    }
    const value: unknown = JSON.parse(Buffer.concat(parts).toString('utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as StoredStatistics;
    throw new Error('it is no JSON object');
  } catch (error) {
    signal?.throwIfAborted();
    const name = toText(file.name);
    workspace.warn('STATISTICS', `The statistics ${name} cannot be read: ${reasonOf(error)}`, { object: name });
    return undefined;
  }
}
