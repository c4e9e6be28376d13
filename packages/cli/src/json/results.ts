/** The last line of each command that did what was asked. */

import * as z from 'zod';
import { findingFields } from './findings.js';
import { bytes, command, count, exitCode, literal, path, seconds } from './values.js';

const type = literal('result');

const statistics = z
  .object({
    startTime: seconds,
    endTime: seconds,
    sourceFiles: count.describe('entries seen, folders included'),
    sourceFileSize: bytes,
    newFiles: count,
    newFileSize: bytes,
    deletedFiles: count,
    changedFiles: count,
    changedFileSize: bytes,
    deltaEntries: count.describe('new, changed and deleted'),
    rawDeltaSize: bytes.describe('file data and deltas, before compression'),
    totalDestinationSizeChange: bytes.describe('volumes stored'),
    errors: count.describe('entries that could not be stored as they are'),
  })
  .meta({ id: 'statistics' });

export const backup = z
  .object({
    type,
    command: z.enum(['backup', 'full', 'incremental']),
    exitCode,
    backup: z.enum(['full', 'incremental']).describe('which one it was'),
    time: seconds,
    timeText: z.string().describe('local time'),
    fullTime: seconds.describe('the full backup of the chain'),
    volumes: count,
    stored: z
      .boolean()
      .describe('false after a dry run, and when nothing had changed and --skip-if-no-change was given'),
    statistics,
    storedStatistics: z.record(z.string(), z.unknown()).optional().describe('with --jsonstat'),
  })
  .meta({ id: 'backup-result' });

const restore = z
  .object({
    type,
    command: literal('restore'),
    exitCode,
    dryRun: z.boolean(),
    time: seconds.describe('of the last set that was read'),
    files: count,
    bytes,
    volumes: count,
    problems: count.describe('entries that are not as they were stored'),
    needed: z.array(z.string()).readonly().optional().describe('volumes, after a dry run'),
  })
  .meta({ id: 'restore-result' });

const verify = z
  .object({
    type,
    command: literal('verify'),
    exitCode,
    compared: z.enum(['nothing', 'metadata', 'data']),
    time: seconds,
    files: count,
    differences: count,
    problems: count.describe('entries or volumes that could not be read back'),
    volumes: count,
    bytes,
  })
  .meta({ id: 'verify-result' });

const check = z
  .object({
    type,
    command: literal('check'),
    exitCode,
    findings: z.array(findingFields).readonly().describe('the first thousand; each was a record too'),
    found: count,
    damages: count.describe('findings that affect something and were not repaired'),
    repairs: z
      .array(
        z.object({
          what: z.enum(['manifest', 'signatures', 'copy']),
          object: z.string(),
          from: z.enum(['copy', 'volumes', 'target']).optional().describe('absent: it could not be made'),
          problem: z.string().optional(),
        }),
      )
      .readonly()
      .describe('with --repair'),
    chains: count,
    sets: count,
    volumes: count.describe('by the listing'),
    bytes,
    read: z
      .object({
        volumes: count,
        bytes,
        versions: count.describe('of files that were put together'),
        signatures: count.describe('files that were proven'),
        percent: z.number(),
        seed: z.number(),
      })
      .optional()
      .describe('what was read and proven, with --read-data'),
  })
  .meta({ id: 'check-result' });

const list = z
  .object({ type, command: literal('list-current-files'), exitCode, files: count })
  .meta({ id: 'list-result' });

export const set = z
  .object({
    type: z.enum(['full', 'inc']),
    time: seconds,
    start: seconds.optional().describe('of an incremental one: the set it builds on'),
    volumes: count,
    encrypted: z.boolean(),
    bytes,
  })
  .meta({ id: 'set' });

const sets = z.array(set).readonly();
const names = z.array(z.string()).readonly();
const times = z.array(seconds).readonly();

const status = z
  .object({
    type,
    command: literal('collection-status'),
    exitCode,
    url: z.string(),
    archiveDirectory: z.string(),
    chains: z
      .array(
        z.object({
          sets,
          start: seconds,
          end: seconds,
          primary: z.boolean().describe('the one that the next incremental backup continues'),
        }),
      )
      .readonly()
      .describe('oldest first'),
    orphanedSets: sets,
    incompleteSets: sets,
    orphanedSignatures: names,
  })
  .meta({ id: 'status-result' });

const removal = {
  exitCode,
  deleted: z.boolean().describe('whether it was done'),
  files: names.describe('in the target, in the order of deletion'),
  lastFull: seconds.optional(),
};

export const prune = z
  .object({
    type,
    command: z.enum(['remove-older-than', 'remove-all-but-n-full', 'remove-all-inc-of-but-n-full']),
    ...removal,
    chains: z.array(z.object({ start: seconds, end: seconds, sets: count })).readonly(),
    signatureChains: times.describe('when they end'),
    neededByNewer: times.describe('sets that are old enough but stay, because newer ones need them'),
    lastIsMeant: z.boolean().describe('the last chain is old enough too, and stays'),
  })
  .meta({ id: 'prune-result' });

export const cleanup = z
  .object({
    type,
    command: literal('cleanup'),
    ...removal,
    resumable: seconds.optional().describe('an interrupted backup among the files'),
  })
  .meta({ id: 'cleanup-result' });

const changes = z
  .object({ type, command: literal('collection-status'), exitCode, shown: count.describe('sets') })
  .meta({ id: 'changes-result', description: 'Of --show-changes-in-set.' });

const history = z
  .object({
    type,
    command: literal('collection-status'),
    exitCode,
    ...path('path'),
    versions: z.array(z.object({ set, change: z.enum(['new', 'changed', 'deleted']) })).readonly(),
  })
  .meta({ id: 'history-result', description: 'Of --file-changed.' });

const code = z.string().optional();

/** Of one profile of `run`. */
const outcome = z
  .object({
    profile: z.string(),
    exitCode,
    seconds: z.number().describe('how long it took'),
    steps: z.array(z.object({ command, exitCode })).describe('commands that were run, in their order'),
    code: code.describe('of what went wrong'),
    message: z.string().optional(),
    hint: z.string().optional(),
  })
  .meta({ id: 'profile-outcome' });
export type ProfileOutcome = z.infer<typeof outcome>;

const run = z
  .object({ type, command: literal('run'), exitCode, profiles: z.array(outcome) })
  .meta({ id: 'run-result' });

export const result = z.union([
  z.discriminatedUnion('command', [backup, restore, verify, check, list, status, prune, cleanup, run]),
  changes,
  history,
]);

export type ResultRecord = z.infer<typeof result>;
