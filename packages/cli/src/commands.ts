/** The commands: their names in both of duplicity's syntaxes and what they are given. */

export type Operand = 'source' | 'url' | 'target' | 'time' | 'count' | 'path' | 'profile';

export interface CommandSpec {
  readonly aliases: readonly string[];
  readonly operands: readonly Operand[];
  /** The last one may be left out. */
  readonly lastIsOptional?: true;
  readonly summary: string;
  readonly description: string;
  /** Why it can't be used, if so. */
  readonly refused?: string;
  readonly hidden?: true;
  /** A word that duplicity does not have, but a source folder may: `redup run file:///t` backs up a folder. */
  readonly own?: true;
}

export const COMMANDS = {
  backup: {
    aliases: ['bu'],
    operands: ['source', 'url'],
    summary: 'back up: incremental if there is a backup to continue, else full',
    description:
      'Backs up the folder SOURCE to URL: only what has changed since the last backup, or all if there is none.',
  },
  full: {
    aliases: ['fb'],
    operands: ['source', 'url'],
    summary: 'full backup, the start of a new chain',
    description: 'Backs up everything in the folder SOURCE to URL.',
  },
  incremental: {
    aliases: ['incr', 'inc', 'ib'],
    operands: ['source', 'url'],
    summary: 'incremental backup; an error if there is none to continue',
    description: 'Backs up what has changed in the folder SOURCE since the last backup in URL.',
  },
  restore: {
    aliases: ['rb'],
    operands: ['url', 'target'],
    summary: 'restore everything, or one path, as of any time',
    description: 'Restores the backup in URL to the folder TARGET, which is made if it is not there.',
  },
  verify: {
    aliases: ['vb'],
    operands: ['url', 'target'],
    lastIsOptional: true,
    summary: 'read a backup to its end; with --compare-data compare it with the files',
    description:
      'Reads everything that a restore of URL would read and proves that it is undamaged. With --compare-data ' +
      '(or --compare-metadata) it is also compared with the files in the folder TARGET; without them none is needed.',
  },
  check: {
    aliases: [],
    operands: ['url'],
    summary: 'prove that all backups are there and whole; --repair what can be',
    description:
      'Looks whether everything that the backups in URL need is there: by the listing and the manifests alone, or with ' +
      '--read-data by reading it back, so that every version of every file is put together. Each finding says what it ' +
      'affects and what to do; --repair makes lost manifests and signatures again from the volumes.',
  },
  'list-current-files': {
    aliases: ['ls'],
    operands: ['url'],
    summary: 'list the files of a backup',
    description: 'Lists what the backup in URL holds, as of now or of --time.',
  },
  'collection-status': {
    aliases: ['st'],
    operands: ['url'],
    summary: 'show the chains and sets of backups',
    description: 'Shows which backups URL holds.',
  },
  cleanup: {
    aliases: ['cl'],
    operands: ['url'],
    summary: 'remove what belongs to no backup',
    description: 'Shows files of URL that belong to no complete backup; removes them with --force.',
  },
  'remove-older-than': {
    aliases: ['ro'],
    operands: ['time', 'url'],
    summary: 'remove chains that end before a time',
    description: 'Shows the chains of backups in URL that end before TIME; removes them with --force.',
  },
  'remove-all-but-n-full': {
    aliases: ['ra'],
    operands: ['count', 'url'],
    summary: 'keep the last COUNT full backups with their chains',
    description: 'Shows what is older than the last COUNT full backups in URL; removes it with --force.',
  },
  'remove-all-inc-of-but-n-full': {
    aliases: ['ri'],
    operands: ['count', 'url'],
    summary: 'of older chains keep the full backups alone',
    description: 'Shows the incremental backups of all but the last COUNT chains in URL; removes them with --force.',
  },
  run: {
    aliases: [],
    operands: ['profile'],
    lastIsOptional: true,
    own: true,
    summary: 'do what a profile of redup.yaml says: back up, then remove what is old',
    description:
      'Backs up as the PROFILE of the configuration file says, then removes old backups and leftovers as it says, ' +
      'with its hooks, metrics and health check. With --all every profile, one after the other.',
  },
  replicate: {
    aliases: [],
    operands: ['url', 'url'],
    summary: 'copy backups to another target',
    description: 'Copies backups to another target.',
    refused: 'replicate is not supported: copy the files of the target with the tool of your storage',
    hidden: true,
  },
} as const satisfies Readonly<Record<string, CommandSpec>>;

export type CommandName = keyof typeof COMMANDS;

export const COMMAND_NAMES = Object.keys(COMMANDS) as readonly CommandName[];

export function commandSpec(name: CommandName): CommandSpec {
  return COMMANDS[name];
}

/** Whether a command is given that many operands. */
export function takes(name: CommandName, count: number): boolean {
  const { operands, lastIsOptional } = commandSpec(name);
  return count === operands.length || (lastIsOptional === true && count === operands.length - 1);
}

export function isCommand(word: string): word is CommandName {
  return Object.hasOwn(COMMANDS, word);
}

/** By name or alias alone. */
export function findCommand(word: string): CommandName | undefined {
  if (isCommand(word)) return word;
  return COMMAND_NAMES.find((name) => commandSpec(name).aliases.includes(word));
}

/** As release 0.8 does: names that begin with `word`. */
export function commandsBeginning(word: string): CommandName[] {
  return word === '' ? [] : COMMAND_NAMES.filter((name) => name.startsWith(word));
}

/** `word://`: what duplicity takes for a URL. */
export function isUrl(text: string): boolean {
  return /^[A-Za-z0-9_+]+:\/\//.test(text);
}
