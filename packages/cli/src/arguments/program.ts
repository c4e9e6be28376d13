/** The commander program: commands, options and help, all from the tables. */

import { Argument, Command, Option } from 'commander';
import { COMMAND_NAMES, type CommandName, type CommandSpec, commandSpec, type Operand } from '../commands.js';
import {
  isShown,
  OPTION_GROUPS,
  OPTION_NAMES,
  type OptionName,
  type OptionSpec,
  optionSpec,
} from '../options/index.js';

const OPERANDS: Readonly<Record<Operand, readonly [name: string, help: string]>> = {
  source: ['SOURCE', 'the folder (or single file) to back up'],
  url: ['URL', 'the target: file:///path, s3://bucket/prefix'],
  target: ['TARGET', 'a folder on this machine'],
  time: ['TIME', 'an interval such as 6M, a date, or a time'],
  count: ['COUNT', 'a number'],
  path: ['PATH', 'a path'],
  profile: ['PROFILE', 'a profile of the configuration file'],
};

const DESCRIPTION = `Backups that duplicity reads and writes too: incremental, encrypted, to a folder or to S3.

Without a command the order of the arguments says what to do:
  redup SOURCE URL    backs up        redup URL TARGET    restores`;

const ENVIRONMENT = `Environment:
  PASSPHRASE            passphrase of the archives, or of the secret key
  SIGN_PASSPHRASE       passphrase of the key to sign with
  XDG_CACHE_HOME        parent of the archive directory
  TMPDIR                folder for temporary files
  NO_COLOR              no colours on a terminal`;

/**
 * @param command the one whose options are needed; all of them are costly to build and one is used
 * @param options those that are needed; all of them are costly to build too (9 ms of a start that shall take 150)
 */
export function buildProgram(command: CommandName | undefined, options: readonly OptionName[] = inGroups()): Command {
  const program = new Command('redup')
    .description(DESCRIPTION)
    .usage('COMMAND [OPTIONS] …')
    .helpCommand(false)
    .helpOption('-h, --help', 'show this help, or that of a command')
    .configureHelp({ sortSubcommands: false, subcommandTerm: (sub) => sub.name() })
    .addHelpText('after', `\n${ENVIRONMENT}\n\nredup COMMAND --help shows the options of a command.`)
    .exitOverride();
  program.addOption(new Option('-V, --version', 'show the version'));
  for (const name of COMMAND_NAMES) {
    const spec = commandSpec(name);
    if (name === command) program.addCommand(buildCommand(name, options));
    else if (command === undefined) program.command(name, { hidden: spec.hidden === true }).summary(spec.summary);
  }
  return program;
}

function buildCommand(name: CommandName, options: readonly OptionName[]): Command {
  const spec: CommandSpec = commandSpec(name);
  const command = new Command(name)
    .description(spec.refused === undefined ? spec.description : `${spec.description}\n\n${spec.refused}.`)
    .usage(['[OPTIONS]', ...operandNames(spec)].join(' '))
    .helpOption('-h, --help', 'show this help')
    .configureHelp({ showGlobalOptions: false })
    .exitOverride();
  for (const [index, operand] of spec.operands.entries()) {
    const [name, help] = OPERANDS[operand];
    const isOptional = spec.lastIsOptional === true && index === spec.operands.length - 1;
    command.addArgument(new Argument(isOptional ? `[${name}]` : `<${name}>`, help));
  }
  for (const option of options) command.addOption(buildOption(option, name));
  command.addHelpText('after', `\n${ENVIRONMENT}`);
  if (spec.hidden === true) command.summary('');
  return command;
}

/** `URL [TARGET]` */
export function operandNames({ operands, lastIsOptional }: CommandSpec): string[] {
  const names = operands.map((operand) => OPERANDS[operand][0]);
  return lastIsOptional === true ? names.map((name, i) => (i < names.length - 1 ? name : `[${name}]`)) : names;
}

function buildOption(name: OptionName, command: CommandName): Option {
  const spec = optionSpec(name);
  const option = new Option(optionFlags(name, spec), describe(spec));
  option.helpGroup(`${spec.group}:`);
  const concerns = spec.commands?.includes(command) ?? true;
  return concerns && isShown(spec) ? option : option.hideHelp();
}

function inGroups(): OptionName[] {
  return OPTION_GROUPS.flatMap((group) => OPTION_NAMES.filter((name) => optionSpec(name).group === group));
}

/** `-t, --restore-time <TIME>` */
export function optionFlags(name: OptionName, spec: OptionSpec): string {
  const short = spec.short === undefined ? '' : `-${spec.short}, `;
  if (spec.implied !== undefined) return `${short}--${name} [${spec.arg}]`;
  return `${short}--${name}${spec.arg === undefined ? '' : ` <${spec.arg}>`}`;
}

function describe(spec: OptionSpec): string {
  const aliases = spec.aliases?.map((alias) => `--${alias}`).join(', ');
  return [
    spec.help,
    ...(spec.default === undefined ? [] : [`(default: ${spec.default})`]),
    ...(aliases === undefined ? [] : [`(also ${aliases})`]),
  ].join(' ');
}
