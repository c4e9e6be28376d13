/** The file selection. Their order on the command line matters, so that they are kept as one list of rules. */

import { BACKUPS, type OptionTable } from './spec.js';

const group = 'Which files';
const commands = [...BACKUPS, 'verify', 'restore'] as const;
const local = [...BACKUPS, 'verify'] as const;
const pattern = { kind: 'rule', arg: 'PATTERN', group, commands } as const;
const list = { kind: 'rule', arg: 'FILE', group, commands } as const;
const bare = { kind: 'bareRule', group, commands } as const;

export const selectionOptions = {
  include: { ...pattern, help: 'take what matches the shell pattern (** crosses folders)' },
  exclude: { ...pattern, help: 'leave out what matches the shell pattern' },
  'include-regexp': { ...pattern, arg: 'REGEX', help: 'take what the regular expression finds in its name' },
  'exclude-regexp': { ...pattern, arg: 'REGEX', help: 'leave out what the regular expression finds in its name' },
  'include-filelist': {
    ...list,
    aliases: ['include-globbing-filelist'],
    help: 'patterns to take, one a line; + and - in front decide for a line',
  },
  'exclude-filelist': {
    ...list,
    aliases: ['exclude-globbing-filelist'],
    help: 'patterns to leave out, one a line; + and - in front decide for a line',
  },
  'include-filelist-stdin': { ...bare, hidden: true, help: 'as --include-filelist, from the standard input' },
  'exclude-filelist-stdin': { ...bare, hidden: true, help: 'as --exclude-filelist, from the standard input' },
  'exclude-if-present': {
    ...pattern,
    commands: local,
    arg: 'NAME',
    help: 'leave out folders that hold a file of this name',
  },
  'exclude-older-than': { ...pattern, arg: 'TIME', help: 'leave out files not modified since TIME' },
  'exclude-other-filesystems': { ...bare, commands: local, help: 'do not enter other file systems' },
  'exclude-device-files': { ...bare, help: 'leave out devices' },
  'files-from': {
    ...list,
    commands: local,
    help: 'look at nothing but the files named here, one a line, relative to the source',
  },
  'null-separator': {
    kind: 'flag',
    group,
    commands,
    help: 'lines of file lists end in NUL instead of newline',
  },
  'filter-globbing': { ...bare, help: 'PATTERNs that follow are shell patterns (the default)' },
  'filter-literal': { ...bare, help: 'PATTERNs that follow are plain paths' },
  'filter-regexp': { ...bare, help: 'PATTERNs that follow are regular expressions' },
  'filter-ignorecase': { ...bare, help: 'PATTERNs that follow match in upper and lower case' },
  'filter-strictcase': { ...bare, help: 'PATTERNs that follow match as they are written (the default)' },
} as const satisfies OptionTable;

export type SelectionOptionName = Exclude<keyof typeof selectionOptions, 'null-separator'>;
