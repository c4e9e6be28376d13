/**
 * What `--json` writes, one object a line: the schemas from which the published JSON Schema is made and the types to which
 * everything that is written is held. Only the types are needed at run time: nothing here is loaded then.
 *
 * Within a schema number fields and kinds of records may be added, never renamed or removed (docs/json.md).
 */

import * as z from 'zod';
import { finding } from './findings.js';
import { step } from './profiles.js';
import { result, set } from './results.js';
import { bytes, command, count, exitCode, literal, path, seconds } from './values.js';

/** Rises when something that programs may rely on is renamed or removed. */
export const SCHEMA_NUMBER = 1;

const start = z
  .object({ type: literal('start'), schema: z.literal(SCHEMA_NUMBER), version: z.string(), command })
  .meta({ id: 'start', description: 'Always the first line.' });

const phase = z
  .object({
    type: literal('phase'),
    phase: z.enum([
      'list',
      'metadata',
      'recall',
      'scan',
      'signatures',
      'manifest',
      'restore',
      'verify',
      'check',
      'repair',
    ]),
  })
  .meta({ id: 'phase', description: 'A step of the command began.' });

const progress = z
  .object({
    type: literal('progress'),
    files: count,
    bytes,
    storedBytes: bytes.describe('stored (backup) or read from the target (restore, verify)'),
    ...path('path'),
  })
  .meta({ id: 'progress', description: 'How far it is; at most ten a second.' });

const file = z
  .object({ type: literal('file'), change: z.enum(['new', 'changed', 'deleted']), ...path('path') })
  .meta({ id: 'file', description: 'A backup found this entry new, changed or deleted.' });

const volume = z
  .object({
    type: literal('volume'),
    action: z.enum(['stored', 'fetched', 'read']),
    name: z.string(),
    number: count,
    bytes,
    sourceBytes: bytes.optional().describe('stored: how much of the source was read by now'),
    done: count.optional().describe('read: how many of all volumes'),
    total: count.optional().describe('read: how many there are to be read'),
  })
  .meta({
    id: 'volume',
    description: 'A volume is safely in the target, was fetched and checked, or read to its end.',
  });

const metadata = z
  .object({ type: literal('metadata'), action: z.enum(['copy', 'drop']), name: z.string() })
  .meta({ id: 'metadata', description: 'A metadata file is copied into the archive directory, or its copy goes.' });

const collection = z
  .object({
    type: literal('collection'),
    lastFull: seconds.optional().describe('the last full backup'),
    copied: count.optional().describe('metadata files; absent where none is needed'),
  })
  .meta({
    id: 'collection',
    description: 'The target was looked at, and the metadata that the command needs is here.',
  });

const setOfChanges = z
  .object({
    type: literal('set'),
    set,
    changes: count,
    statistics: z.record(z.string(), z.unknown()).optional().describe('with --jsonstat: what was stored of them'),
  })
  .meta({ id: 'changed-set', description: 'Of --show-changes-in-set: the changes of this set follow.' });

const change = z
  .object({ type: literal('change'), change: z.enum(['new', 'changed', 'deleted']), ...path('path') })
  .meta({ id: 'change', description: 'Of --show-changes-in-set: a file that changed.' });

const recall = z
  .object({ type: literal('recall'), ready: count, total: count })
  .meta({ id: 'recall', description: 'A restore waits until volumes are fetched back from a cold tier.' });

const restored = z
  .object({ type: literal('restored'), ...path('path'), kind: z.string() })
  .meta({ id: 'restored', description: 'An entry was written by a restore.' });

const difference = z
  .object({
    type: literal('difference'),
    ...path('path'),
    difference: z.union([
      z.object({ kind: z.enum(['missing', 'new', 'content']) }),
      z.object({
        kind: z.enum(['type', 'permissions', 'link', 'device']),
        actual: z.string(),
        expected: z.string(),
      }),
      z.object({ kind: literal('mtime'), actual: seconds, expected: seconds }),
    ]),
  })
  .meta({ id: 'difference', description: 'verify found a difference.' });

const entry = z
  .object({
    type: literal('entry'),
    ...path('path'),
    kind: z.enum(['file', 'directory', 'symlink', 'fifo', 'character-device', 'block-device']),
    mode: z.int().describe('permission bits'),
    uid: z.int(),
    gid: z.int(),
    ...path('userName'),
    ...path('groupName'),
    mtime: seconds,
    linkName: z.string().optional(),
    linkNameBase64: z.string().optional(),
    size: bytes.optional().describe('where it is known: of files that redup stored'),
  })
  .meta({ id: 'entry', description: 'A file of the backup, of list-current-files.' });

const warning = z
  .object({
    type: literal('warning'),
    code: z.string().describe('stable'),
    message: z.string(),
    path: z.string().optional(),
    pathBase64: z.string().optional(),
    object: z.string().optional().describe('a name in the target'),
  })
  .meta({ id: 'warning', description: 'Something is not as it should be; the command goes on.' });

const notice = z
  .object({ type: literal('notice'), message: z.string(), level: literal('warning').optional() })
  .meta({ id: 'notice', description: 'For people.' });

const error = z
  .object({
    type: literal('error'),
    command: command.optional().describe('absent when the command line names none'),
    exitCode,
    code: z.string().describe('stable'),
    message: z.string(),
    hint: z.string().optional().describe('what can be done'),
    subject: z.string().optional().describe('the path or object concerned'),
  })
  .meta({ id: 'error', description: 'The last line of a command that failed.' });

export const record = z.union([
  start,
  phase,
  recall,
  progress,
  file,
  volume,
  metadata,
  collection,
  setOfChanges,
  change,
  restored,
  difference,
  entry,
  finding,
  warning,
  notice,
  step,
  result,
  error,
]);

export type JsonRecord = z.infer<typeof record>;
