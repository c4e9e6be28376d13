/**
 * Figures of the last run for node_exporter's textfile collector: one file a profile, replaced in one step, so that nobody
 * ever reads half of it. The time of the last success survives failures.
 */

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BackupStatistics } from '../engine.js';

export interface RunFigures {
  readonly profile: string;
  /** Seconds since 1970. */
  readonly endTime: number;
  readonly seconds: number;
  readonly exitCode: number;
  readonly backup?: {
    readonly type: 'full' | 'incremental';
    readonly volumes: number;
    readonly statistics: BackupStatistics;
  };
}

/** @returns the file. @throws errors of the file system */
export function writeMetrics(directory: string, figures: RunFigures): string {
  const file = join(directory, `redup-${figures.profile}.prom`);
  // The collector reads files that end with .prom.
  const temporary = join(directory, `.redup-${figures.profile}.${process.pid}`);
  writeFileSync(temporary, metricsText(figures, lastSuccess(file)), { mode: 0o644 });
  renameSync(temporary, file);
  return file;
}

function lastSuccess(file: string): number | undefined {
  try {
    const found = /^redup_last_success_timestamp_seconds\{[^}]*\} (\S+)$/m.exec(readFileSync(file, 'utf8'))?.[1];
    return found === undefined ? undefined : Number(found);
  } catch {
    return undefined;
  }
}

export function metricsText(figures: RunFigures, previousSuccess: number | undefined): string {
  const { profile, endTime, seconds, exitCode, backup } = figures;
  const success = exitCode === 0 ? endTime : previousSuccess;
  const s = backup?.statistics;
  const lines: [name: string, help: string, value: number | undefined][] = [
    ['last_run_timestamp_seconds', 'when the last run ended', endTime],
    ['last_success_timestamp_seconds', 'when the last run ended that went well', success],
    ['last_exit_code', 'how the last run ended, 0 is well', exitCode],
    ['last_duration_seconds', 'how long the last run took', seconds],
    ['last_backup_full', '1 if the last backup was a full one', backup && (backup.type === 'full' ? 1 : 0)],
    ['last_backup_volumes', 'volumes stored', backup?.volumes],
    ['last_backup_stored_bytes', 'bytes of volumes stored', s?.totalDestinationSizeChange],
    ['last_backup_source_files', 'entries seen', s?.sourceFiles],
    ['last_backup_source_bytes', 'their size', s?.sourceFileSize],
    ['last_backup_new_files', 'entries stored whole', s?.newFiles],
    ['last_backup_changed_files', 'entries stored as a difference', s?.changedFiles],
    ['last_backup_deleted_files', 'entries that were gone', s?.deletedFiles],
    ['last_backup_errors', 'entries that could not be stored as they are', s?.errors],
  ];
  return lines
    .flatMap(([name, help, value]) =>
      value === undefined
        ? []
        : [
            `# HELP redup_${name} ${help}`,
            `# TYPE redup_${name} gauge`,
            `redup_${name}{profile="${profile}"} ${Number(value.toFixed(3))}`,
          ],
    )
    .join('\n')
    .concat('\n');
}
