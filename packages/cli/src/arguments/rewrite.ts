/**
 * From what a user of duplicity may type to what a plain parser understands: the command word in front, options by their
 * whole names with their values attached, two values of one option joined. Nothing is interpreted here but names.
 */

import {
  COMMAND_NAMES,
  type CommandName,
  commandSpec,
  commandsBeginning,
  findCommand,
  isUrl,
  takes,
} from '../commands.js';
import { findLongName, LONG_NAMES, type OptionName, optionSpec, SHORT_NAMES } from '../options/index.js';
import { closest } from './similar.js';
import { UsageError } from './usage-error.js';

export interface Rewritten {
  /** Undefined when there is none because help or the version was asked for. */
  readonly command: CommandName | undefined;
  /** True when no word said which: the order of the operands did. */
  readonly implied: boolean;
  /** `--name`, or `--name=value`. */
  readonly options: readonly string[];
  readonly operands: readonly string[];
  readonly asks: 'help' | 'version' | undefined;
}

/** Between the two values of an option: no argument can hold it. */
export const PAIR_SEPARATOR = '\0';

/** @throws UsageError */
export function rewrite(argv: readonly string[]): Rewritten {
  const options: string[] = [];
  const words: string[] = [];
  let asks: Rewritten['asks'];
  let helpFor: string | undefined;
  const rest = [...argv];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === '--') {
      words.push(...rest);
      break;
    }
    if (arg === '-' || !arg.startsWith('-')) words.push(arg);
    else if (arg === '--help' || arg === '-h') asks = 'help';
    else if (arg.startsWith('--help-')) [asks, helpFor] = ['help', arg.slice('--help-'.length)];
    else if (arg === '--version' || arg === '-V') asks ??= 'version';
    else options.push(arg.startsWith('--') ? longOption(arg, rest) : shortOption(arg, rest));
  }
  if (asks !== undefined) {
    if (words[0] === 'help') words.shift();
    return { command: commandOf(helpFor ?? words[0]), implied: false, options: [], operands: [], asks };
  }
  if (words[0] === 'help')
    return { command: commandOf(words[1]), implied: false, options: [], operands: [], asks: 'help' };
  return { ...splitCommand(words), options, asks };
}

function commandOf(word: string | undefined): CommandName | undefined {
  if (word === undefined) return undefined;
  const beginning = commandsBeginning(word);
  return findCommand(word) ?? (beginning.length === 1 ? beginning[0] : undefined);
}

function longOption(arg: string, rest: string[]): string {
  const [, text = '', value] = /^--([^=]*)(?:=(.*))?$/s.exec(arg) ?? [];
  const found = findLongName(text);
  if (found === undefined) {
    const near = closest(text, [...LONG_NAMES.keys()]);
    throw new UsageError(`Unknown option --${text}`, near === undefined ? undefined : `Did you mean --${near}?`);
  }
  if ('ambiguous' in found) {
    throw new UsageError(
      `The option --${text} is ambiguous`,
      `It could be ${found.ambiguous.map((name) => `--${name}`).join(', ')}.`,
    );
  }
  return withValue(found.name, `--${found.spelled}`, value, rest);
}

/** `-v5`, `-v 5`; a letter has no further ones behind it. */
function shortOption(arg: string, rest: string[]): string {
  const name = SHORT_NAMES.get(arg.slice(1, 2));
  if (name === undefined)
    throw new UsageError(`Unknown option ${arg}`, 'A path that begins with a dash needs ./ before it.');
  const attached = arg.slice(2).replace(/^=/, '');
  return withValue(name, `-${arg.slice(1, 2)}`, attached === '' ? undefined : attached, rest);
}

function withValue(name: OptionName, spelled: string, attached: string | undefined, rest: string[]): string {
  const { arg, kind, implied } = optionSpec(name);
  if (arg === undefined) {
    if (attached !== undefined) throw new UsageError(`The option ${spelled} takes no value`);
    return `--${name}`;
  }
  const first = attached ?? implied ?? rest.shift();
  if (first === undefined) throw new UsageError(`The option ${spelled} needs a value (${arg})`);
  if (kind !== 'pairs') return `--${name}=${first}`;
  const second = rest.shift();
  if (second === undefined) throw new UsageError(`The option ${spelled} needs two values (${arg})`);
  return `--${name}=${first}${PAIR_SEPARATOR}${second}`;
}

/**
 * Which command it is: a name or alias; as in 0.8 the beginning of one, if the number of words fits; or none, and then two words
 * tell by their order whether to back up or to restore.
 */
function splitCommand(words: readonly string[]): Pick<Rewritten, 'command' | 'implied' | 'operands'> {
  const [first, ...others] = words;
  if (first === undefined) throw new UsageError('There is no command', seeHelp());
  const named = findCommand(first);
  const isFolder = named !== undefined && commandSpec(named).own === true && others.some(isUrl);
  if (named !== undefined && !isFolder) return { command: named, implied: false, operands: others };
  const beginning = isFolder ? [] : commandsBeginning(first).filter((name) => takes(name, others.length));
  if (beginning.length === 1) return { command: beginning[0], implied: false, operands: others };
  const [second] = others;
  if (words.length === 2 && second !== undefined && isUrl(first) !== isUrl(second)) {
    return { command: isUrl(second) ? 'backup' : 'restore', implied: true, operands: words };
  }
  throw noCommand(first, words, beginning);
}

/** The command that a word may have been meant as: mistyped, or a part of its name, as `status` is of `collection-status`. */
export function similarCommand(word: string): CommandName | undefined {
  const part = word.length < 4 ? undefined : COMMAND_NAMES.find((name) => name.split('-').includes(word));
  if (part !== undefined) return part;
  const near = closest(
    word,
    COMMAND_NAMES.flatMap((name) => [name, ...commandSpec(name).aliases]),
  );
  return near === undefined ? undefined : findCommand(near);
}

function noCommand(first: string, words: readonly string[], beginning: readonly CommandName[]): UsageError {
  if (beginning.length > 1)
    return new UsageError(`The command ${first} is ambiguous`, `It could be ${beginning.join(', ')}.`);
  if (words.length === 2 && !isUrl(first)) {
    return new UsageError(
      'There is no command, and neither argument is a URL',
      'A target is written as file:///path or s3://bucket/prefix.',
    );
  }
  if (words.length === 2) return new UsageError('There is no command, and both arguments are URLs', seeHelp());
  const near = similarCommand(first);
  return new UsageError(`Unknown command ${first}`, near === undefined ? seeHelp() : `Did you mean ${near}?`);
}

export function seeHelp(command?: CommandName): string {
  return `See redup ${command === undefined ? '' : `${command} `}--help.`;
}
