/** The manual page in roff, from the tables: `redup man | man -l -`. */

import { operandNames } from '../arguments/program.js';
import { COMMAND_NAMES, commandSpec } from '../commands.js';
import { OPTION_GROUPS, OPTION_NAMES, optionSpec } from '../options/index.js';
import { isShown, type OptionGroup, type OptionSpec } from '../options/spec.js';

const EXIT_CODES: readonly (readonly [string, string])[] = [
  ['0', 'success, also after warnings about single files'],
  ['1', 'verify found differences, or not everything could be restored as it was stored'],
  ['3, 42', 'the backups are of another host, of another folder'],
  ['5, 6', 'a manifest differs from its local copy, cannot be read'],
  ['8', 'bad URL'],
  ['11', 'the folder to restore into is not empty'],
  ['13', 'the source is missing or unreadable'],
  ['14 to 16, 70 to 73', 'a file selection that cannot be meant'],
  ['17', 'no backup that an incremental one could continue'],
  ['19, 20', 'no such path in the backup, no backup'],
  ['21, 22', 'a volume is damaged, is signed by another or nobody'],
  ['23', 'command line, lock, clock'],
  ['30', 'a fault of redup or an archive that makes no sense'],
  ['31', 'passphrase, keys or gpg'],
  ['38, 50 to 53', 'the target: connection, other failure, permission, not found, no space'],
  ['129, 130, 143', 'stopped by SIGHUP, SIGINT, SIGTERM'],
];

export function manPage(version: string): string {
  const commands = COMMAND_NAMES.filter((name) => commandSpec(name).hidden !== true);
  const supported = commands.filter((name) => commandSpec(name).refused === undefined);
  return [
    `.TH REDUP 1 "" "redup ${roff(version)}" "User Commands"`,
    '.SH NAME',
    'redup \\- backups that duplicity reads and writes too',
    '.SH SYNOPSIS',
    ...supported.flatMap((name) => [
      `.B redup ${roff(name)}`,
      ['[OPTIONS]', ...operandNames(commandSpec(name))].join(' '),
      '.br',
    ]),
    '.B redup',
    'SOURCE URL',
    '.br',
    '.B redup',
    'URL TARGET',
    '.SH DESCRIPTION',
    'Incremental, encrypted backups to a folder or to S3, in the archive format of duplicity(1): either program restores, lists, verifies and continues what the other one wrote. Without a command the order of the arguments says whether to back up or to restore.',
    '.SH COMMANDS',
    ...commands.flatMap((name) => {
      const { aliases, description, refused } = commandSpec(name);
      const also = aliases.length === 0 ? '' : ` (also ${aliases.join(', ')})`;
      return [
        '.TP',
        `.B ${roff(name)}`,
        roff(`${description}${refused === undefined ? '' : ` Not supported: ${refused}.`}${also}`),
      ];
    }),
    '.SH OPTIONS',
    'Options may stand anywhere; their names may be shortened while that means one option only.',
    ...OPTION_GROUPS.flatMap(groupSection),
    '.SH EXIT STATUS',
    ...EXIT_CODES.flatMap(([code, meaning]) => ['.TP', `.B ${roff(code)}`, roff(meaning)]),
    '.SH SEE ALSO',
    '.BR duplicity (1),',
    '.BR gpg (1)',
    '',
  ].join('\n');
}

function groupSection(group: OptionGroup): string[] {
  const names = OPTION_NAMES.filter((name) => optionSpec(name).group === group && isShown(optionSpec(name)));
  if (names.length === 0) return [];
  return [
    `.SS ${roff(group)}`,
    ...names.flatMap((name) => ['.TP', heading(name, optionSpec(name)), roff(optionText(optionSpec(name)))]),
  ];
}

function heading(name: string, { short, arg, aliases = [] }: OptionSpec): string {
  const all = [...(short === undefined ? [] : [`-${short}`]), ...[name, ...aliases].map((each) => `--${each}`)];
  return `${all.map((each) => `\\fB${roff(each)}\\fR`).join(', ')}${arg === undefined ? '' : ` \\fI${roff(arg)}\\fR`}`;
}

function optionText({ help, default: fallback, commands }: OptionSpec): string {
  const where = commands === undefined ? '' : ` (${commands.join(', ')})`;
  return `${help}${fallback === undefined ? '' : `; default: ${fallback}`}${where}`;
}

function roff(text: string): string {
  return text
    .replace(/\\/g, '\\e')
    .replace(/-/g, '\\-')
    .replace(/^([.'])/gm, '\\&$1');
}
