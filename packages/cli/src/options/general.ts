/** Options of all commands: places, output, and how to deal with the target. */

import { BACKUPS, type OptionTable } from './spec.js';

const output = { group: 'Output' } as const;
const places = { group: 'Places' } as const;
const target = { group: 'Target' } as const;
const test = { group: 'Other', hidden: true } as const;

export const generalOptions = {
  verbosity: {
    ...output,
    kind: 'text',
    arg: 'LEVEL',
    short: 'v',
    default: 'notice',
    help: 'error, warning, notice, info or debug; their first letters; or 0 to 9',
  },
  json: {
    ...output,
    kind: 'flag',
    own: true,
    help: 'write one JSON object a line to the standard output, and nothing else',
  },
  'log-fd': { ...output, kind: 'integer', arg: 'FD', min: 1, help: 'write machine-readable lines to this descriptor' },
  'log-file': { ...output, kind: 'path', arg: 'FILE', help: 'append machine-readable lines to FILE' },
  'log-timestamp': { ...output, kind: 'flag', help: 'begin lines with time and level' },
  progress: { ...output, kind: 'flag', commands: BACKUPS, help: 'report progress in the log, not only on a terminal' },
  'progress-rate': {
    ...output,
    kind: 'number',
    arg: 'SECONDS',
    min: 0.1,
    default: '3',
    commands: BACKUPS,
    help: 'pause between two reports of --progress',
  },
  'no-progress': { ...output, kind: 'flag', own: true, help: 'no progress line on the terminal' },

  'archive-dir': {
    ...places,
    kind: 'path',
    arg: 'DIR',
    default: '$XDG_CACHE_HOME/duplicity',
    help: 'where copies of the metadata are kept; shared with duplicity',
  },
  name: { ...places, kind: 'text', arg: 'NAME', default: 'a hash of the URL', help: 'folder in the archive directory' },
  tempdir: { ...places, kind: 'path', arg: 'DIR', default: '$TMPDIR', help: 'folder for temporary files' },
  'config-dir': {
    ...places,
    kind: 'path',
    arg: 'DIR',
    status: 'silent',
    hidden: true,
    help: 'unused, as in duplicity',
  },

  'force-unlock': {
    ...target,
    kind: 'flag',
    own: true,
    help: 'take locks left by a run on another machine; that of a running process here or of duplicity is never taken',
  },
  'num-retries': { ...target, kind: 'integer', arg: 'N', min: 1, default: '5', help: 'attempts of each call' },
  'backend-retry-delay': {
    ...target,
    kind: 'number',
    arg: 'SECONDS',
    min: 0,
    default: '30',
    help: 'pause between attempts; the first pauses are shorter, later ones longer',
  },
  timeout: {
    ...target,
    kind: 'number',
    arg: 'SECONDS',
    min: 0.1,
    default: '30',
    help: 'how long a connection may be silent',
  },
  'file-prefix': { ...target, kind: 'text', arg: 'TEXT', help: 'text before all names in the target' },
  'file-prefix-archive': { ...target, kind: 'text', arg: 'TEXT', help: 'text before the names of volumes' },
  'file-prefix-manifest': { ...target, kind: 'text', arg: 'TEXT', help: 'text before the names of manifests' },
  'file-prefix-signature': { ...target, kind: 'text', arg: 'TEXT', help: 'text before the names of signatures' },
  'file-prefix-jsonstat': { ...target, kind: 'text', arg: 'TEXT', help: 'text before the names of statistics' },
  'time-separator': {
    ...target,
    kind: 'text',
    arg: 'CHAR',
    default: ':',
    help: 'separator in the times of old names and of times given here',
  },
  'metadata-sync-mode': {
    ...target,
    kind: 'text',
    arg: 'MODE',
    choices: ['full', 'partial'],
    default: 'partial',
    help: 'copy all metadata of the target to the archive directory, or what is needed',
  },
  'check-remote': {
    ...target,
    kind: 'flag',
    hidden: true,
    status: 'silent',
    help: 'compare with the metadata in the target (always so)',
  },
  'no-check-remote': {
    ...target,
    kind: 'flag',
    hidden: true,
    status: { ignored: 'the target is always looked at: a chain must not be continued blindly' },
    help: 'do not look at the metadata in the target',
  },

  'current-time': { ...test, kind: 'number', arg: 'SECONDS', min: 0, help: 'the time, for tests' },
  'fail-on-volume': {
    ...test,
    kind: 'integer',
    arg: 'N',
    status: { refused: 'is a test hook of duplicity' },
    help: '',
  },
  'skip-volume': { ...test, kind: 'integer', arg: 'N', status: { refused: 'is a test hook of duplicity' }, help: '' },
  pydevd: { ...test, kind: 'flag', status: { ignored: 'there is no Python here' }, help: '' },
} as const satisfies OptionTable;
