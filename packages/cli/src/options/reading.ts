/** Options of `restore`, `verify`, `list-current-files` and `collection-status`. */

import { BACKUPS, DELETIONS, type OptionTable } from './spec.js';

const restore = { group: 'Restore and verify', commands: ['restore'] } as const;
const check = { group: 'Check', commands: ['check'], own: true } as const;
const status = { group: 'Status', commands: ['collection-status'] } as const;

export const readingOptions = {
  'restore-time': {
    kind: 'text',
    arg: 'TIME',
    aliases: ['time'],
    short: 't',
    group: 'Restore and verify',
    commands: ['restore', 'verify', 'list-current-files'],
    default: 'now',
    help: 'as of that time: 3D2h (ago), 2026-11-23, 2026-11-23T10:00:00+01:00, seconds since 1970',
  },
  'path-to-restore': {
    kind: 'text',
    arg: 'PATH',
    aliases: ['file-to-restore'],
    short: 'r',
    group: 'Restore and verify',
    commands: ['restore', 'verify'],
    help: 'this file or folder of the backup alone',
  },
  'no-restore-ownership': {
    ...restore,
    kind: 'flag',
    aliases: ['do-not-restore-ownership'],
    help: 'do not set owner and group',
  },
  'restore-ownership': {
    ...restore,
    kind: 'undo',
    negates: 'no-restore-ownership',
    hidden: true,
    help: 'set owner and group (the default)',
  },
  'numeric-owner': {
    kind: 'flag',
    group: 'Restore and verify',
    commands: ['restore', 'verify', ...BACKUPS],
    help: 'take the numbers of owners and groups, not their names',
  },
  rename: { ...restore, kind: 'pairs', arg: 'FROM TO', help: 'restore the path FROM as TO; may be repeated' },
  'ignore-errors': {
    kind: 'flag',
    group: 'Restore and verify',
    commands: ['restore', 'verify'],
    help: 'go on over damaged volumes, restore what can be restored',
  },
  'compare-data': {
    kind: 'flag',
    group: 'Restore and verify',
    commands: ['verify'],
    help: 'compare everything, contents too',
  },
  'compare-metadata': {
    kind: 'flag',
    group: 'Restore and verify',
    commands: ['verify'],
    own: true,
    help: 'compare types, sizes, times, modes and owners, but no contents',
  },
  'read-data': {
    ...check,
    kind: 'text',
    arg: 'PERCENT',
    implied: '100%',
    help: 'read the data back too, or a random part such as 10%, and put every version of every file together',
  },
  repair: {
    ...check,
    kind: 'flag',
    help: 'store lost or damaged manifests and signatures again, made from their copies here or from the volumes',
  },
  seed: {
    ...check,
    kind: 'integer',
    arg: 'N',
    min: 0,
    max: 2 ** 32 - 1,
    default: 'another one each time',
    help: 'which part --read-data=PERCENT reads: the same number, the same part',
  },
  'file-changed': {
    ...status,
    kind: 'text',
    arg: 'PATH',
    help: 'when this file was stored, changed or deleted, in the last chain',
  },
  'show-changes-in-set': {
    ...status,
    kind: 'integer',
    arg: 'N',
    help: 'files that changed in a set of the last chain: 0 is the last one, 1 the one before; with --jsonstat -1 is all',
  },
} as const satisfies OptionTable;

export const DELETING_COMMANDS = DELETIONS;
